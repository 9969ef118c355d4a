// The pipeline as it is now: the page is loaded again every few seconds, while somebody looks.

import { localize, say } from "./console.js";

const EVERY_MS = 3000;
const unanswered = document.getElementById("unanswered");

const troubles = (root) => root.querySelector("[data-troubles]").dataset.troubles;

/** Whether putting something else in its place would take away what somebody reads or marks. */
function isInUse(piece) {
  const marked = getSelection();
  return piece.contains(document.activeElement) || (!marked.isCollapsed && piece.contains(marked.anchorNode));
}

async function refresh() {
  if (document.hidden) return;
  const piece = document.getElementById("pipeline");
  try {
    const answer = await fetch(location.href, { headers: { "X-Piece": "1" } });
    if (answer.status === 401) return location.reload(); // the session has ended: log in again
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("pipeline");
    unanswered.hidden = true;
    if (isInUse(piece)) return;
    const before = troubles(piece);
    fresh.querySelector("#partitions").open = piece.querySelector("#partitions").open;
    localize(fresh);
    piece.replaceWith(fresh);
    if (troubles(fresh) !== before) say(troubles(fresh));
  } catch {
    unanswered.hidden = false;
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

setTimeout(keepFresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
