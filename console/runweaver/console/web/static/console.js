// What all pages do: times in the reader's zone, keys, the theme, and lists that go on.

const zone = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Show all times below an element in the reader's zone; the exact one, in UTC, is in the title. */
export function localize(root = document) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(time.dateTime);
    time.textContent = (moment.toDateString() === today ? short : zone).format(moment);
    time.dataset.local = "";
  }
}

/** Say something to those who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** The rows of the list on the page, if there is one. */
const rows = () => [...document.querySelectorAll("[data-rows] > [data-href]:not([hidden])")];

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement.closest("[data-href]"));
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  (next.querySelector("a") ?? next).focus();
  next.scrollIntoView({ block: "nearest" });
}

let prefix = "";

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]") && event.key !== "?") return;
  const key = event.key;
  if (prefix === "g") {
    prefix = "";
    const place = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    if (place) place.click();
    return;
  }
  if (key === "g") prefix = "g";
  else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
  else if (key === "?") toggleHelp();
  else {
    const wanted = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("input")) wanted.select(), wanted.focus();
    else wanted.click();
  }
}

function toggleHelp() {
  const help = document.getElementById("help");
  if (help.open) help.close();
  else help.showModal();
}

function switchTheme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  dispatchEvent(new Event("themed"));
}

/** Load the next piece of a list when its end comes into view. The piece brings the link to the one after it. */
function goOn(link) {
  const watcher = new IntersectionObserver(async (seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    link.ariaBusy = "true";
    try {
      const answer = await fetch(link.href, { headers: { "X-Piece": "1" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const piece = new DOMParser().parseFromString(await answer.text(), "text/html");
      const list = document.querySelector("[data-rows]");
      localize(piece);
      list.append(...piece.querySelector("[data-rows]").children);
      const next = piece.querySelector("a[data-more]");
      link.replaceWith(...(next ? [next] : []));
      if (next) goOn(next);
    } catch {
      link.ariaBusy = "false"; // it is a link: a click tries again
    }
  }, { rootMargin: "600px" });
  watcher.observe(link);
}

document.addEventListener("keydown", pressed);
document.querySelector("[data-theme-switch]").addEventListener("click", switchTheme);
document.querySelector("[data-help]").addEventListener("click", toggleHelp);
document.addEventListener("click", (event) => {
  const row = event.target.closest("[data-href]");
  if (!row || event.target.closest("a, button, input, select, label") || getSelection().toString()) return;
  location.assign(row.dataset.href);
});
// What a page's own script has put into it.
document.addEventListener("arrived", (event) => localize(event.target));
localize();
for (const link of document.querySelectorAll("a[data-more]")) goOn(link);
