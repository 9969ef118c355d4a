// The first page: charts, what changed (loaded after the page), and all numbers anew as runs end.

import { drawCharts } from "./charts.js";
import { localize } from "./console.js";
import { listen } from "./events.js";

//: Not more often than that, however many runs end; and so often where none does, since time goes on.
const SOONEST_MS = 4000;
const LATEST_MS = 60_000;
//: Runs often end together: the first one waits for the others.
const TOGETHER_MS = 700;

let timer = 0;
let isSoon = false;
let readAt = Date.now();

function wait(ms) {
  clearTimeout(timer);
  timer = setTimeout(refresh, ms);
}

function soon() {
  if (isSoon) return;
  isSoon = true;
  wait(Math.max(TOGETHER_MS, readAt + SOONEST_MS - Date.now()));
}

async function refresh() {
  readAt = Date.now();
  isSoon = false;
  wait(LATEST_MS);
  if (document.hidden) return;
  const there = await fetched(location.href).catch(() => null);
  if (!there) return;
  const ids = [...document.querySelectorAll("[data-live]")].map((piece) => piece.id);
  if (ids.join() !== [...there.querySelectorAll("[data-live]")].map((piece) => piece.id).join()) {
    location.reload(); // the first run has ended
    return;
  }
  for (const id of ids) replace(document.getElementById(id), there.getElementById(id));
  drawCharts();
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(answer.statusText);
  const there = new DOMParser().parseFromString(await answer.text(), "text/html");
  localize(there);
  return there;
}

/** Put what is new into a piece, and leave the focus where it is. */
function replace(piece, fresh) {
  const focused = piece.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  for (const { name, value } of fresh.attributes) piece.setAttribute(name, value);
  piece.replaceChildren(...fresh.childNodes);
  if (focused) piece.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

async function loadChanges() {
  const changes = document.getElementById("changes");
  if (!changes) return;
  try {
    replace(changes, (await fetched(changes.dataset.load)).getElementById("changes"));
  } catch {
    changes.querySelector(".waiting").textContent = ""; // the link is still there
  }
}

drawCharts();
listen(soon, soon);
wait(LATEST_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && Date.now() - readAt > LATEST_MS) soon();
});
loadChanges();
