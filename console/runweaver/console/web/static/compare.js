// Two runs beside each other: the first place where they part is brought to the middle; keys go from one to the next.

const places = [...document.querySelectorAll("[data-divergence]")];

/** The place that is nearest to the middle of the screen. */
function nearest() {
  const middle = innerHeight / 2;
  const away = (place) => {
    const { top, bottom } = place.getBoundingClientRect();
    return top > middle ? top - middle : bottom < middle ? middle - bottom : 0;
  };
  return places.reduce((best, place, at) => (away(place) < away(places[best]) ? at : best), 0);
}

function show(place) {
  for (const each of places) each.classList.toggle("current", each === place);
  center(place);
}

function goTo(place) {
  history.replaceState(null, "", `#${place.id}`);
  place.focus({ preventScroll: true });
  show(place);
}

/** In the middle; of what is higher than the screen, its beginning below what sticks to the top. */
function center(place) {
  const isHigh = place.offsetHeight > innerHeight * 0.7;
  place.scrollIntoView({ block: isHigh ? "start" : "center" });
  if (isHigh) scrollBy(0, parseFloat(getComputedStyle(place).scrollMarginTop) - innerHeight * 0.15);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || (event.key !== "n" && event.key !== "p")) return;
  if (event.target.closest("input, textarea, select") || document.querySelector("dialog[open]") || !places.length) return;
  event.preventDefault();
  const current = places.findIndex((place) => place.classList.contains("current"));
  const at = current < 0 ? nearest() : current + (event.key === "n" ? 1 : -1);
  goTo(places[Math.max(0, Math.min(places.length - 1, at))]);
});

document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#divergence"]');
  const place = link && document.getElementById(link.hash.slice(1));
  if (!place?.matches("[data-divergence]")) return;
  event.preventDefault();
  goTo(place);
});

const asked = document.getElementById(location.hash.slice(1));
if (places.length && (!location.hash || asked)) show(places.includes(asked) ? asked : places[0]);
