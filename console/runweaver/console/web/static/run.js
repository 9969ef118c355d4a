// The page of a run: its timeline, decisions that open in place, and what goes on while it goes on.

import { localize, say } from "./console.js";

const SLOW_MS = 2000;

/** Get a page of ours and put the named parts of it in the place of those that are here, unless they are not wanted by then. */
async function renew(address, names, isWanted = () => true) {
  const answer = await fetch(address);
  if (!answer.ok || !isWanted()) return null;
  const there = new DOMParser().parseFromString(await answer.text(), "text/html");
  localize(there);
  for (const name of names) {
    const [old, fresh] = [document, there].map((root) => root.querySelector(`[data-part="${name}"]`));
    if (old && fresh) old.replaceWith(document.adoptNode(fresh));
  }
  return there;
}

// Decisions open in place.

let turn = 0;

async function open(id, { isBack = false } = {}) {
  turn += 1;
  const mine = turn;
  const address = new URL(location.href);
  if (id === null) address.searchParams.delete("decision");
  else address.searchParams.set("decision", id);
  address.hash = "";
  if (!isBack) history.pushState({ id }, "", address);
  if (id === null) {
    document.getElementById("decision").hidden = true;
  } else {
    const there = await renew(address, ["decision"], () => mine === turn).catch(() => null);
    // Who goes on fast is not taken back by what comes late.
    if (mine !== turn) return;
    if (!there) {
      location.assign(address);
      return;
    }
    const panel = document.getElementById("decision");
    panel.scrollIntoView({ block: "nearest" });
    say(panel.querySelector("h2")?.textContent ?? "");
  }
  mark(id);
}

function mark(id) {
  for (const row of document.querySelectorAll("tr.is-open")) row.classList.remove("is-open");
  if (id !== null) document.querySelector(`tr[data-id="${CSS.escape(id)}"]`)?.classList.add("is-open");
  timeline?.select(id);
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const close = event.target.closest("[data-close]");
  const opener = event.target.closest("[data-decision]");
  const row = event.target.closest("tr[data-id]");
  if (close) {
    event.preventDefault();
    open(null);
  } else if (opener || (row && !event.target.closest("a, button") && !getSelection().toString())) {
    event.preventDefault();
    event.stopImmediatePropagation();
    open(opener ? opener.dataset.decision : row.dataset.id);
  }
}, { capture: true });

addEventListener("popstate", () => open(new URL(location.href).searchParams.get("decision"), { isBack: true }));

// The timeline: a lane for each node, a bar for each decision. Drawn on a canvas: there may be ten thousand.

const LANE = 22;
const NAMES = 150;
const AXIS = 20;

function spell(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min ${Math.round((ms % 60_000) / 1000)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

class Timeline {
  constructor(root, data) {
    this.root = root;
    this.canvas = root.querySelector("canvas");
    this.tip = root.querySelector(".tip");
    this.take(data);
    this.selected = new URL(location.href).searchParams.get("decision");
    this.drag = null;
    new ResizeObserver(() => this.draw()).observe(root);
    addEventListener("themed", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.canvas.addEventListener("pointermove", (event) => this.moved(event));
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    this.canvas.addEventListener("pointerup", (event) => this.released(event));
    this.canvas.addEventListener("dblclick", () => { this.show(0, this.end); });
    this.canvas.addEventListener("keydown", (event) => this.keyed(event));
    document.getElementById("timeline-hint").hidden = false;
  }

  take(data) {
    this.data = data;
    const last = data.bars.reduce((most, [, from, length]) => Math.max(most, from + length), 1);
    const wasAll = this.end === undefined || (this.from === 0 && this.until === this.end);
    this.end = Math.max(last, data.duration_ms);
    if (wasAll) [this.from, this.until] = [0, this.end];
  }

  show(from, until) {
    [this.from, this.until] = [Math.max(0, from), Math.min(this.end, Math.max(until, from + 1))];
    this.draw();
  }

  select(id) {
    this.selected = id;
    this.draw();
  }

  get names() { return Math.min(NAMES, this.width * 0.3); }
  x(ms) { return this.names + ((ms - this.from) / (this.until - this.from)) * (this.width - this.names - 8); }
  ms(x) { return this.from + ((x - this.names) / (this.width - this.names - 8)) * (this.until - this.from); }

  draw() {
    const { canvas, data } = this;
    const styles = getComputedStyle(document.documentElement);
    const colour = (name) => styles.getPropertyValue(`--${name}`).trim();
    const ratio = devicePixelRatio || 1;
    this.width = this.root.clientWidth;
    const height = data.nodes.length * LANE + AXIS;
    canvas.width = this.width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = `12px ${styles.getPropertyValue("--sans")}`;
    pen.textBaseline = "middle";
    this.drawLanes(pen, colour, height);
    const fill = { completed: colour("good"), failed: colour("bad"), pending: colour("wait") };
    const edge = this.width;
    // Failures last: they must not lie under others.
    for (const result of ["completed", "pending", "failed"]) {
      pen.fillStyle = fill[result];
      pen.globalAlpha = result === "completed" ? 0.75 : 1;
      for (const [lane, from, length, what] of data.bars) {
        if (what !== result) continue;
        const left = this.x(from);
        const right = Math.max(left + 3, this.x(from + length));
        if (right < this.names || left > edge) continue;
        const begin = Math.max(left, this.names);
        // A gap tells one from the next.
        pen.fillRect(begin, lane * LANE + 4, Math.max(1, Math.min(right, edge) - begin - 1), LANE - 8);
      }
    }
    pen.globalAlpha = 1;
    this.drawSelected(pen, colour);
  }

  drawLanes(pen, colour, height) {
    pen.strokeStyle = colour("line");
    pen.lineWidth = 1;
    this.data.nodes.forEach((name, lane) => {
      const y = lane * LANE + LANE / 2;
      pen.fillStyle = colour("soft");
      let shown = name.slice(0, 80); // measuring what is long takes seconds
      while (shown.length > 1 && pen.measureText(shown).width > this.names - 12) shown = `${shown.slice(0, -2)}…`;
      pen.fillText(shown, 0, y);
      pen.beginPath();
      pen.moveTo(this.names, (lane + 1) * LANE - 0.5);
      pen.lineTo(this.width, (lane + 1) * LANE - 0.5);
      pen.stroke();
    });
    const marks = Math.max(2, Math.floor((this.width - this.names) / 130));
    pen.fillStyle = colour("soft");
    for (let mark = 0; mark <= marks; mark += 1) {
      const ms = this.from + ((this.until - this.from) * mark) / marks;
      pen.textAlign = mark === marks ? "right" : mark ? "center" : "left";
      pen.fillText(spell(ms), this.x(ms), height - AXIS / 2 + 2);
    }
    pen.textAlign = "left";
  }

  drawSelected(pen, colour) {
    const bar = this.data.bars.find(([, , , , id]) => id === this.selected);
    if (!bar) return;
    const [lane, from, length] = bar;
    const left = this.x(from);
    pen.strokeStyle = colour("ink");
    pen.lineWidth = 2;
    pen.strokeRect(left - 1, lane * LANE + 2, Math.max(5, this.x(from + length) - left + 2), LANE - 4);
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  hit(x, y) {
    const lane = Math.floor(y / LANE);
    let found = null;
    for (const bar of this.data.bars) {
      if (bar[0] !== lane) continue;
      const left = this.x(bar[1]);
      const right = Math.max(left + 3, this.x(bar[1] + bar[2]));
      if (x >= left - 2 && x <= right + 2) found = bar;
    }
    return found;
  }

  moved(event) {
    const [x, y] = this.at(event);
    if (this.drag !== null && Math.abs(x - this.drag) > 4) {
      this.draw();
      const pen = this.canvas.getContext("2d");
      pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
      pen.globalAlpha = 0.2;
      pen.fillRect(Math.min(x, this.drag), 0, Math.abs(x - this.drag), this.canvas.clientHeight - AXIS);
      pen.globalAlpha = 1;
      return;
    }
    const bar = this.hit(x, y);
    this.canvas.style.cursor = bar ? "pointer" : "crosshair";
    this.tip.hidden = !bar;
    if (!bar) return;
    const [lane, from, length, what, , intent] = bar;
    const mark = { completed: "✓", failed: "✗", pending: "…" }[what];
    this.tip.textContent = `${mark} ${intent} · ${this.data.nodes[lane]} · at ${spell(from)}, ${what === "pending" ? "no outcome" : spell(length)}`;
    this.tip.style.left = `${Math.max(0, Math.min(x + 12, this.width - this.tip.offsetWidth - 4))}px`;
    this.tip.style.top = `${y + 18}px`;
  }

  pressed(event) {
    const [x] = this.at(event);
    if (x > this.names) this.drag = x;
  }

  released(event) {
    const [x, y] = this.at(event);
    const from = this.drag;
    this.drag = null;
    if (from !== null && Math.abs(x - from) > 4) {
      this.show(this.ms(Math.min(x, from)), this.ms(Math.max(x, from)));
      return;
    }
    const bar = this.hit(x, y);
    if (bar) open(bar[4]);
  }

  keyed(event) {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return;
    event.preventDefault();
    const { bars } = this.data;
    const place = bars.findIndex(([, , , , id]) => id === this.selected);
    const next = bars[Math.max(0, Math.min(bars.length - 1, place + (event.key === "ArrowRight" ? 1 : -1)))];
    if (next) open(next[4]);
  }
}

let timeline = null;
const root = document.getElementById("timeline");

async function load() {
  const answer = await fetch(root.dataset.source);
  if (!answer.ok) return;
  const data = await answer.json();
  if (timeline) {
    timeline.take(data);
    timeline.draw();
  } else {
    timeline = new Timeline(root, data);
  }
}

if (root) load();
mark(new URL(location.href).searchParams.get("decision"));

// While the run goes on.

async function follow() {
  if (document.hidden) return;
  const there = await renew(location.href, ["head", "told", "problems", "nodes", "decisions"]).catch(() => null);
  if (!there) return;
  if (root) await load();
  else if (there.getElementById("timeline")) location.reload();
  if (!there.querySelector("[data-live]")) {
    clearInterval(following);
    say("The run has ended.");
    location.reload();
  }
}

const following = document.querySelector("[data-live]") ? setInterval(follow, SLOW_MS) : null;
