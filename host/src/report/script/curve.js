// What each run has pulled by each update of a history, as lines.
//
// Planners differ in colour and in the shape of their marks, limits in dashes. The place that is read out moves with
// the pointer and, like a slider's, with the keyboard.

const CURVE_KINDS = {
  cumulative: { label: "pulled so far", values: (bytes) => cumulated(bytes) },
  update: { label: "pulled by each update", values: (bytes) => bytes },
  excess: {
    label: "above the floor so far",
    values: (bytes, floor) => cumulated(bytes.map((pulled, at) => pulled - floor[at])),
  },
};
const SERIES_COLOURS = 8;
const DASHES = 4;
/** Room for names beside the ends of lines; narrower charts, and those of more lines, have only the legend. */
const END_LABELS = { from: 720, width: 184, height: 14, most: 10 };
const MARGIN = { top: 14, right: 14, bottom: 26, left: 68 };
/** How long the line of a single update is. */
const LONE_POINT = 24;
/** How many lines are read out at once: those around the pointer, or the topmost. */
const READ_OUT = 10;
/** A reference that is so much larger than all runs would squash them, and is not shown at first. */
const SQUASHING = 3;

class Curve {
  constructor({ box, legend }) {
    Object.assign(this, { box, legend, kind: "cumulative", isLog: false, hidden: new Set(), at: 0 });
    this.readout = element("div", { class: "readout", hidden: true });
    for (const [name, value] of Object.entries({
      tabindex: 0,
      role: "slider",
      "aria-label": "Update to read out",
      "aria-valuemin": 1,
    })) {
      box.setAttribute(name, value);
    }
    box.addEventListener("pointermove", (event) => this.point(event));
    box.addEventListener("pointerleave", () => this.readOut(null));
    box.addEventListener("keydown", (event) => this.press(event));
    box.addEventListener("focus", () => this.readOut(this.at));
    box.addEventListener("blur", () => this.readOut(null));
    // What is read out may change the height.
    onResize(box, () => box.clientWidth !== this.frame?.width && this.draw());
    matchMedia("print").addEventListener("change", () => this.draw());
  }

  /** Shows runs of a history. What was hidden stays hidden. */
  show(history, runs) {
    const isNew = history !== this.history;
    const limits = distinct(runs.map((run) => run.maxLayers));
    this.history = history;
    this.lines = [
      ...runs.map((run) => lineOfRun(run, limits)),
      { key: "floor", name: "floor: only what changed", bytes: history.floor, look: "floor" },
      { key: "single", name: "single layer", bytes: history.single, look: "single" },
    ];
    const most = largest(
      runs.map((run) => run.total),
      1,
    );
    if (isNew && history.singleTotal > SQUASHING * most) this.hidden.add("single");
    this.at = history.dates.length - 1;
    this.box.setAttribute("aria-valuemax", history.dates.length);
    this.draw();
  }

  set({ kind = this.kind, isLog = this.isLog }) {
    Object.assign(this, { kind, isLog });
    this.draw();
  }

  draw() {
    const width = this.box.clientWidth;
    if (!this.history || width === 0) return;
    const { values } = CURVE_KINDS[this.kind];
    this.visible = this.lines
      .filter((line) => !this.hidden.has(line.key))
      .map((line) => ({ ...line, values: values(line.bytes, this.history.floor) }));
    this.frame = this.measure(width);
    const { height } = this.frame;
    const svg = drawn("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    svg.append(...this.axes(), ...this.visible.map((line) => this.line(line)), ...this.endLabels());
    this.rule = drawn("line", { class: "rule", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
    svg.append(this.rule);
    this.box.replaceChildren(svg, this.readout);
    this.drawLegend();
    this.readOut(document.activeElement === this.box ? this.at : null);
    this.tellValue();
  }

  measure(width) {
    const height = Math.round(Math.min(Math.max(width * 0.4, 240), 420));
    const hasLabels = width >= END_LABELS.from && this.visible.length <= END_LABELS.most;
    const right = hasLabels ? END_LABELS.width : MARGIN.right;
    const [across, down] = [width - MARGIN.left - right, height - MARGIN.top - MARGIN.bottom];
    const all = this.visible.flatMap((line) => line.values);
    const most = largest(all);
    const least = all.reduce((least, bytes) => (bytes > 0 ? Math.min(least, bytes) : least), most);
    const scale = this.isLog ? logScale(least, most, down) : linearScale(most, down);
    const last = Math.max(this.history.dates.length - 1, 1);
    return {
      width,
      height,
      right,
      scale,
      x: (at) => MARGIN.left + (across * at) / last,
      y: (bytes) => MARGIN.top + Math.min(scale.placeOf(bytes), down),
    };
  }

  axes() {
    const { width, height, right, scale, x, y } = this.frame;
    const rows = scale.ticks.flatMap((bytes) => [
      drawn("line", { class: "grid", x1: MARGIN.left, x2: width - right, y1: y(bytes), y2: y(bytes) }),
      drawn("text", { class: "tick", x: MARGIN.left - 8, y: y(bytes) + 4, "text-anchor": "end" }, formatTick(bytes)),
    ]);
    const { dates } = this.history;
    const columns = spread(dates.length, Math.floor((width - right - MARGIN.left) / 120));
    const anchor = (at) => (at === 0 ? "start" : at === dates.length - 1 ? "end" : "middle");
    return rows.concat(
      columns.map((at) =>
        drawn("text", { class: "tick", x: x(at), y: height - 6, "text-anchor": anchor(at) }, dates[at].slice(0, 16)),
      ),
    );
  }

  line({ look, series, values }) {
    const { x, y } = this.frame;
    const points = values.map((bytes, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(bytes).toFixed(1)}`);
    // A single update would be a line without length.
    const path = points.length > 1 ? points.join("") : `${points}h${LONE_POINT}`;
    const line = drawn("g", { class: `line ${look}` }, drawn("path", { class: "stroke", d: path }));
    if (series === undefined) return line;
    // Marks of different planners stand at different places, so that equal lines can be told.
    const marked = spread(values.length, 7).map((at) => Math.min(at + (series % 4), values.length - 1));
    line.append(...marked.map((at) => markAt(series, x(at), y(values[at]))));
    return line;
  }

  /** Names beside the ends, moved apart where they would overlap. */
  endLabels() {
    const { right, width, height, y } = this.frame;
    if (right !== END_LABELS.width) return [];
    const labels = this.visible.map((line) => ({ line, y: y(line.values.at(-1) ?? 0) + 4 })).sort((a, b) => a.y - b.y);
    spreadOut(labels, MARGIN.top, height - MARGIN.bottom + 4);
    return labels.map(({ line, y }) =>
      drawn("text", { class: `end ${line.look}`, x: width - right + 8, y }, shortened(line.name, 25)),
    );
  }

  drawLegend() {
    const focused = this.legend.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.legend.replaceChildren(...this.lines.map((line) => this.legendButton(line)));
    if (focused) [...this.legend.children].find((button) => button.dataset.key === focused)?.focus();
  }

  legendButton(line) {
    const isShown = !this.hidden.has(line.key);
    const toggle = () => {
      if (isShown) this.hidden.add(line.key);
      else this.hidden.delete(line.key);
      this.draw();
    };
    const attributes = {
      type: "button",
      class: "toggle",
      "aria-pressed": String(isShown),
      "data-key": line.key,
      title: line.name,
      onclick: toggle,
    };
    return element("button", attributes, sample(line), isolated(line.name));
  }

  // Reading out

  point(event) {
    if (!this.frame) return;
    const { left, top } = this.box.getBoundingClientRect();
    const across = event.clientX - left;
    const { x } = this.frame;
    const last = this.history.dates.length - 1;
    const at = Math.round(((across - x(0)) / Math.max(x(last) - x(0), 1)) * last);
    this.readOut(Math.min(Math.max(at, 0), last), event.clientY - top);
  }

  press(event) {
    const last = this.history.dates.length - 1;
    const steps = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -last,
      End: last,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.readOut(Math.min(Math.max(this.at + steps[event.key], 0), last));
  }

  /** Shows what lines are at an update, those around a height first; or with null nothing. */
  readOut(at, around = 0) {
    this.readout.hidden = at === null;
    this.rule?.setAttribute("visibility", at === null ? "hidden" : "visible");
    if (at === null || !this.frame) return;
    this.at = at;
    const { x, y, width } = this.frame;
    this.rule.setAttribute("x1", x(at));
    this.rule.setAttribute("x2", x(at));
    const descending = byDescending(this.visible, (line) => line.values[at]);
    const rows = nearest(descending, READ_OUT, (line) => Math.abs(y(line.values[at]) - around)).map((line) =>
      element(
        "li",
        {},
        sample(line),
        isolated(line.name),
        element("span", { class: "number" }, formatBytes(line.values[at])),
      ),
    );
    const left = descending.length - rows.length;
    this.readout.replaceChildren(
      element("p", {}, isolated(this.history.dates[at])),
      element("ul", {}, rows),
      ...(left > 0 ? [element("p", { class: "hint" }, `and ${left} more`)] : []),
    );
    const room = width - this.readout.offsetWidth;
    const beside = x(at) + 14 <= room ? x(at) + 14 : x(at) - 14 - this.readout.offsetWidth;
    this.readout.style.left = `${Math.max(beside, 0)}px`;
    this.tellValue();
  }

  tellValue() {
    const values = this.visible.map((line) => `${line.name} ${formatBytes(line.values[this.at])}`);
    this.box.setAttribute("aria-valuenow", this.at + 1);
    this.box.setAttribute("aria-valuetext", [this.history.dates[this.at], ...values].join("; "));
  }
}

function lineOfRun(run, limits) {
  const dash = limits.length > 1 ? ` dash-${(limits.length - 1 - limits.indexOf(run.maxLayers)) % DASHES}` : "";
  const look = `series-${run.series % SERIES_COLOURS}${dash}`;
  const name = limits.length > 1 ? run.name : run.planner;
  return { key: `${run.planner}\n${run.maxLayers}`, name, bytes: run.pulled, look, series: run.series };
}

/** Of things in order, those so many that are least far, in the same order. */
function nearest(things, most, distance) {
  const near = new Set(byDescending(things, (thing) => -distance(thing)).slice(0, most));
  return things.filter((thing) => near.has(thing));
}

function cumulated(bytes) {
  let total = 0;
  return bytes.map((more) => (total += more));
}

/** A piece of a line as it looks in the chart. */
function sample({ look, series }) {
  const svg = drawn(
    "svg",
    { class: `sample line ${look}`, width: 28, height: 12, "aria-hidden": "true" },
    drawn("path", { class: "stroke", d: "M1 6H27" }),
  );
  if (series !== undefined) svg.append(markAt(series, 14, 6));
  return svg;
}

/** Outlines of about the same area around 0, 0. */
const MARKS = [
  "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0Z",
  "M-3.2 -3.2H3.2V3.2H-3.2Z",
  "M0 -4.4L4.2 3.2H-4.2Z",
  "M0 -4.6L4.6 0L0 4.6L-4.6 0Z",
  "M0 4.4L4.2 -3.2H-4.2Z",
  "M-1.4 -4.2H1.4V-1.4H4.2V1.4H1.4V4.2H-1.4V1.4H-4.2V-1.4H-1.4Z",
  "M-4.4 -2H4.4V2H-4.4Z",
  "M-2 -4.4H2V4.4H-2Z",
];

function markAt(series, x, y) {
  return drawn("path", {
    class: "dot",
    // One further with each round of colours, so that no planner looks like another.
    d: MARKS[(series + Math.floor(series / SERIES_COLOURS)) % MARKS.length],
    transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
  });
}

/** Moves labels, ordered from top to bottom, so far apart that each can be read, and keeps them above `bottom`. */
function spreadOut(labels, top, bottom) {
  labels.forEach((label, at) => {
    label.y = Math.max(label.y, at ? labels[at - 1].y + END_LABELS.height : top);
  });
  for (let at = labels.length - 1, limit = bottom; at >= 0; at -= 1, limit -= END_LABELS.height) {
    labels[at].y = Math.min(labels[at].y, limit);
  }
}
