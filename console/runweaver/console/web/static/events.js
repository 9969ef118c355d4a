// What happens, as it happens: one connection for all parts of a page.
//
// A browser has few connections for one server, so that a page which nobody looks at gives its own back, and hears of
// what it missed when somebody does again.

const listeners = new Set();
const KINDS = ["listening", "finished", "missed"];
const RETRY_MS = 5000;

let source = null;
let place = "";

/**
 * Be told of each run that is summarised: `finished` gets `{run_id, goal_id, status, finished_at, revision}`. After an
 * interruption, one may come twice. `missed` is called where there were too many to tell each.
 */
export function listen(finished, missed = () => {}) {
  listeners.add({ finished, missed });
  if (!source && !document.hidden) open();
}

function open() {
  source = new EventSource(`/api/events${place ? `?after=${encodeURIComponent(place)}` : ""}`);
  for (const kind of KINDS) source.addEventListener(kind, heard);
  source.addEventListener("error", lost);
}

function close() {
  source?.close();
  source = null;
}

function heard(event) {
  place = event.lastEventId || place;
  document.documentElement.dataset.listens = "on";
  if (event.type === "finished") {
    const run = JSON.parse(event.data);
    for (const each of listeners) each.finished(run);
  } else if (event.type === "missed") {
    for (const each of listeners) each.missed();
  }
}

/** It comes back by itself, unless the server said no. */
function lost() {
  document.documentElement.dataset.listens = "off";
  if (source?.readyState !== EventSource.CLOSED) return;
  close();
  setTimeout(() => {
    if (!source && !document.hidden) open();
  }, RETRY_MS);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else if (!source && listeners.size) open();
});
