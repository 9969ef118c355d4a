// Dead letters: choosing all of a page, choosing by key, and asking before something is forgotten.

const all = document.querySelector("[data-all]");
const boxes = [...document.querySelectorAll("input[name=letter][type=checkbox]")];

function tell() {
  const chosen = boxes.filter((box) => box.checked).length;
  all.checked = chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
}

if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  for (const box of boxes) box.addEventListener("change", tell);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "x" || event.ctrlKey || event.metaKey || event.altKey) return;
    const box = document.activeElement.closest("[data-href]")?.querySelector("input[name=letter]");
    if (box) box.click();
  });
  tell();
}

for (const button of document.querySelectorAll("[data-confirm]")) {
  button.addEventListener("click", (event) => {
    if (!confirm(button.dataset.confirm)) event.preventDefault();
  });
}
