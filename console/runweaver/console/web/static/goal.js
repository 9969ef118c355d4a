// What many runs tell takes a while to read: it is put into the page when it is there. Without this, its link leads there.

const later = document.querySelector("[data-later]");

async function load() {
  const link = later.querySelector("[data-load]");
  later.ariaBusy = "true";
  later.classList.add("loading");
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(answer.statusText);
    const whole = new DOMParser().parseFromString(await answer.text(), "text/html");
    const place = document.querySelector("[data-insights]");
    place.replaceChildren(...whole.querySelector("[data-insights]").children);
    place.dispatchEvent(new CustomEvent("arrived", { bubbles: true }));
    document.getElementById("said").textContent = "What the runs tell is there.";
  } catch {
    later.ariaBusy = "false"; // the link is still there
    later.classList.remove("loading");
    document.getElementById("said").textContent = "That did not come. The link tries again.";
  }
}

if (later) load();
