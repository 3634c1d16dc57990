"use strict";
// Zoom and hover for the graphs of this page. Everything is drawn already; a zoom stretches the lines, puts what must
// keep its size (data-glyph) to its new places, and draws the axes anew, with the same rules as halfopen.report.chart.
const SVG = "http://www.w3.org/2000/svg";
const PREFIXES = ["n", "µ", "m", "", "k", "M", "G", "T"];
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip";
tip.hidden = true;

function niceStep(span, count) {
  const least = span / count, power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * (1 - 1e-9));
}

function quantity(value, step, unit, largest) {
  if (Math.abs(value) < step / 1e6) return "0";
  const counts = unit === "packets";
  largest = Math.max(Math.abs(value), Math.abs(largest), step) * (1 + 1e-9);
  const power = counts ? 0 : Math.max(-3, Math.min(4, Math.floor(Math.log10(largest) / 3)));
  const decimals = Math.max(0, -Math.floor(Math.log10((step / 1000 ** power) * (1 + 1e-9))));
  return `${(value / 1000 ** power).toFixed(decimals)} ${PREFIXES[power + 3]}${unit}`;
}

function ticks([low, high], count, unit) {
  let step = niceStep(high - low, count);
  if (unit === "packets") step = Math.max(1, step);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step)
    .map((value) => [value, quantity(value, step, unit, last * step)]);
}

const numbers = (text) => text.split(" ").map(Number);
const pairs = (list) => Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]);
const element = (parent, name, attributes) => {
  const made = parent.appendChild(document.createElementNS(SVG, name));
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  return made;
};

class Panel {
  constructor(group) {
    this.box = numbers(group.dataset.box);
    this.whole = numbers(group.dataset.range);
    this.range = this.whole;
    this.unit = group.dataset.unit;
    this.axis = group.querySelector(".axis");
    this.stretched = group.querySelectorAll(".stretch");
    this.glyphs = [...group.querySelectorAll("[data-glyph]")].map((path) => ({
      path, shape: path.dataset.glyph, gap: Number(path.dataset.gap), at: pairs(numbers(path.dataset.at)),
    }));
    // A path of arrow heads belongs to the bars of the same colour.
    this.ends = [...group.querySelectorAll(".ends")].map((path) => {
      const color = path.classList[2], bars = group.querySelector(`.bar.${color}`);
      const found = bars ? [...bars.getAttribute("d").matchAll(/M([-\d.]+) ([-\d.]+)v([-\d.]+)/g)] : [];
      return { path, bars: found.map((match) => match.slice(1).map(Number)) };
    });
  }

  holds([x, y]) {
    const [left, top, width, height] = this.box;
    return x >= left && x <= left + width && y >= top && y <= top + height;
  }

  draw(time) {
    const [left, top, width, height] = this.box, [low, high] = this.range;
    const kx = (time.whole[1] - time.whole[0]) / (time.range[1] - time.range[0]);
    const ky = (this.whole[1] - this.whole[0]) / (high - low);
    const ex = left * (1 - kx) - ((time.range[0] - time.whole[0]) / (time.range[1] - time.range[0])) * width;
    const ey = (top + height) * (1 - ky) + ((low - this.whole[0]) / (high - low)) * height;
    this.place = ([x, y]) => [x * kx + ex, y * ky + ey];
    for (const group of this.stretched) group.setAttribute("transform", `matrix(${kx} 0 0 ${ky} ${ex} ${ey})`);
    for (const glyph of this.glyphs) glyph.path.setAttribute("d", this.spread(glyph));
    for (const { path, bars } of this.ends) {
      path.setAttribute("d", bars.map(([x, y, v]) => [...this.place([x, y]), v * ky])
        .filter(([, , v]) => v <= -8)
        .map(([x, y, v]) => `M${x} ${y + v}m-2.5 3.5l2.5-3.5l2.5 3.5M${x} ${y}m-2.5-3.5l2.5 3.5l2.5-3.5`).join(""));
    }
    this.drawAxis(time);
  }

  spread({ shape, gap, at }) {
    let last = null;
    const drawn = [];
    for (const point of at) {
      const [x, y] = this.place(point);
      if (last && Math.abs(x - last[0]) < gap && Math.abs(y - last[1]) < gap) continue;
      last = [x, y];
      if (this.holds(last)) drawn.push(`M${x} ${y}${shape}`);
    }
    return drawn.join("");
  }

  drawAxis(time) {
    const [left, top, width, height] = this.box, [low, high] = this.range;
    this.axis.replaceChildren();
    for (const [x] of time.ticks(left, width)) element(this.axis, "path", { class: "grid", d: `M${x} ${top}v${height}` });
    for (const [value, words] of ticks(this.range, Math.max(4, Math.floor(height / 40)), this.unit)) {
      const y = top + height - ((value - low) / (high - low)) * height;
      element(this.axis, "path", { class: "grid", d: `M${left} ${y}h${width}` });
      element(this.axis, "text", { class: "value", x: left - 8, y: y + 4 }).textContent = words;
    }
  }

  value(y) {
    const [, top, , height] = this.box, [low, high] = this.range;
    return low + ((top + height - y) / height) * (high - low);
  }
}

class Graph {
  constructor(svg) {
    this.svg = svg;
    this.panels = [...svg.querySelectorAll(".panel")].map((group) => new Panel(group));
    this.labels = svg.querySelector(".times");
    const whole = numbers(this.labels.dataset.range);
    this.time = {
      whole, range: whole,
      ticks(left, width) {
        const [start, stop] = this.range;
        return ticks(this.range, 12, "s").map(([at, words]) => [left + ((at - start) / (stop - start)) * width, words]);
      },
    };
    const points = svg.parentElement.querySelector("script.points");
    this.points = points ? JSON.parse(points.textContent) : [];
    this.past = [];
    for (const panel of this.panels) panel.place = (point) => point;
    svg.addEventListener("pointerdown", (event) => this.press(event));
    svg.addEventListener("pointermove", (event) => this.move(event));
    svg.addEventListener("pointerup", (event) => this.release(event));
    svg.addEventListener("pointerleave", () => this.hover(null));
    svg.addEventListener("dblclick", () => this.reset());
    svg.addEventListener("contextmenu", (event) => { if (this.past.length) { event.preventDefault(); this.show(this.past.pop()); } });
    svg.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return [point.x, point.y];
  }

  seconds(x) {
    const [left, , width] = this.panels[0].box, [start, stop] = this.time.range;
    return start + ((x - left) / width) * (stop - start);
  }

  show(view) {
    if (!view) return;
    [this.time.range] = view;
    this.panels.forEach((panel, index) => { panel.range = view[1][index]; panel.draw(this.time); });
    const [left, , width] = this.panels[0].box, last = this.panels.at(-1).box, bottom = last[1] + last[3];
    this.labels.replaceChildren();
    for (const [x, words] of this.time.ticks(left, width)) {
      element(this.labels, "path", { class: "tick", d: `M${x} ${bottom}v5` });
      element(this.labels, "text", { class: "time", x, y: bottom + 18 }).textContent = words;
    }
  }

  reset() {
    this.past = [];
    this.show([this.time.whole, this.panels.map((panel) => panel.whole)]);
  }

  view() { return [this.time.range, this.panels.map((panel) => panel.range)]; }

  press(event) {
    const point = this.at(event), panel = this.panels.find((each) => each.holds(point));
    if (!panel || event.button) return;
    this.svg.setPointerCapture(event.pointerId);
    this.drag = { panel, from: point, view: this.view(), pan: event.shiftKey };
    if (!event.shiftKey) this.drag.choice = element(this.svg, "rect", { class: "choice" });
  }

  move(event) {
    const point = this.at(event);
    if (!this.drag) return this.hover(point, event);
    const { panel, from, choice, pan, view } = this.drag;
    if (pan) {
      const span = view[0][1] - view[0][0], shift = ((from[0] - point[0]) / panel.box[2]) * span;
      return this.show([this.within([view[0][0] + shift, view[0][1] + shift], this.time.whole), view[1]]);
    }
    const [left, top, width, height] = this.area(panel, from, point);
    for (const [key, value] of Object.entries({ x: left, y: top, width, height })) choice.setAttribute(key, value);
  }

  // What a drag chooses: both axes of the upper graph, unless it goes sideways only; of a strip always the time alone.
  area(panel, from, to) {
    const [left, top, width, height] = panel.box, clamp = (value, low, high) => Math.max(low, Math.min(high, value));
    const [x0, x1] = [from[0], clamp(to[0], left, left + width)].sort((a, b) => a - b);
    const [y0, y1] = [from[1], clamp(to[1], top, top + height)].sort((a, b) => a - b);
    return panel === this.panels[0] && y1 - y0 > 12 ? [x0, y0, x1 - x0, y1 - y0] : [x0, top, x1 - x0, height];
  }

  release(event) {
    if (!this.drag) return;
    const { panel, from, choice, pan, view } = this.drag;
    this.drag = null;
    if (pan) { this.past.push(view); return; }
    choice.remove();
    const [x, y, width, height] = this.area(panel, from, this.at(event));
    if (width < 4) return;
    this.past.push(view);
    const ranges = view[1].map((range, index) =>
      this.panels[index] === panel && height < panel.box[3] ? [panel.value(y + height), panel.value(y)] : range);
    this.show([[this.seconds(x), this.seconds(x + width)], ranges]);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const centre = this.seconds(this.at(event)[0]), factor = event.deltaY < 0 ? 0.8 : 1.25;
    const range = this.time.range.map((end) => centre + (end - centre) * factor);
    this.past.push(this.view());
    this.show([this.within(range, this.time.whole), this.view()[1]]);
  }

  within([start, stop], whole) {
    const span = Math.min(stop - start, whole[1] - whole[0]);
    const first = Math.max(whole[0], Math.min(start, whole[1] - span));
    return [first, first + span];
  }

  hover(point, event) {
    this.svg.querySelectorAll(".cursor,.target").forEach((each) => each.remove());
    const panel = point && this.panels.find((each) => each.holds(point));
    tip.hidden = !panel;
    if (!panel) return;
    for (const { box } of this.panels) element(this.svg, "path", { class: "cursor", d: `M${point[0]} ${box[1]}v${box[3]}` });
    const [start, stop] = this.time.range;
    let words = quantity(this.seconds(point[0]), (stop - start) / 1000, "s", stop);
    if (panel === this.panels[0]) {
      let nearest = 144;
      for (const [x, y, text] of this.points) {
        const [u, v] = panel.place([x, y]), away = (u - point[0]) ** 2 + (v - point[1]) ** 2;
        if (away < nearest) [nearest, words, this.target] = [away, text, [u, v]];
      }
      if (nearest < 144) element(this.svg, "circle", { class: "target", cx: this.target[0], cy: this.target[1], r: 6 });
    } else {
      words += `  ${quantity(panel.value(point[1]), panel.whole[1] / 1000, panel.unit, panel.whole[1])}`;
    }
    tip.textContent = words;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 18}px`;
  }
}

for (const svg of document.querySelectorAll("svg.tsg")) new Graph(svg);
