// The list of runs: times of filters in the reader's zone, and new runs that wait above the list until they are wanted.

import { localize, say } from "./console.js";
import { listen } from "./events.js";

const form = document.querySelector('form[action="/runs"]');
const arrivals = document.getElementById("arrivals");
const list = document.querySelector("[data-rows]");

/** A moment as an input of the reader's own time has it. */
function asLocal(text) {
  const moment = new Date(text);
  moment.setMinutes(moment.getMinutes() - moment.getTimezoneOffset());
  return moment.toISOString().slice(0, 19);
}

for (const input of form.querySelectorAll("[data-utc]")) {
  if (input.dataset.utc) input.value = asLocal(input.dataset.utc);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (!value) continue;
    const isTime = form.elements[name].type === "datetime-local";
    asked.set(name, isTime ? new Date(value).toISOString() : value);
  }
  location.assign(`/runs${asked.size ? `?${asked}` : ""}`);
});

// New runs do not move what is read: they are counted, and put in front when that is wanted.

const asked = new URLSearchParams(location.search);
const came = new Set();

/** Whether a run that ended can be among those that are looked for. What only the server can tell is taken for so. */
function mayMatch(run) {
  return [["goal", run.goal_id], ["status", run.status]].every(([name, its]) => [null, "", its].includes(asked.get(name)));
}

function arrived(run) {
  if (!mayMatch(run) || list.querySelector(`[data-run="${CSS.escape(run.run_id)}"]`)) return;
  came.add(run.run_id);
  arrivals.hidden = false;
  arrivals.textContent = came.size === 1 ? "1 more run has ended: show it" : `${came.size} more runs have ended: show them`;
}

async function putInFront() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const there = new DOMParser().parseFromString(await answer.text(), "text/html");
  localize(there);
  const known = new Set([...list.querySelectorAll("[data-run]")].map((row) => row.dataset.run));
  const fresh = [...there.querySelectorAll("[data-run]")].filter((row) => !known.has(row.dataset.run));
  for (const row of fresh) row.classList.add("arrived");
  list.prepend(...fresh);
  came.clear();
  arrivals.hidden = true;
  say(`${fresh.length} more runs`);
}

if (list) {
  listen(arrived);
  arrivals.addEventListener("click", putInFront);
}
