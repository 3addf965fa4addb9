// The figures that one wants to know first.

/** How many runs are compared by bars. */
const BARS = 12;

/** Any of `image`, `comparison` and `histories` may be missing. */
function showSummary(box, { image, comparison, histories }) {
  const parts = [];
  if (histories.length) parts.push(...ofHistories(histories));
  if (comparison) parts.push(...ofComparison(comparison));
  if (!histories.length && image) parts.push(ofImage(image));
  box.replaceChildren(...parts);
}

function ofImage(image) {
  const [top] = byDescending(image.layers, (layer) => layer.size);
  const figures = [figure(formatBytes(image.size), "image size")];
  if (image.names.length) figures.push(countFigure(image.names.length, image.noun));
  figures.push(countFigure(image.layers.length, "layer"));
  if (top)
    figures.push(figure(formatShare(top.size, image.size), ["in the largest layer, ", isolated(top.name, "clipped")]));
  return element("div", { class: "figures" }, figures);
}

/** Bytes of layers may be those of blobs. Nodes are told uncompressed, and can then be no part of a layer's bytes. */
function ofComparison({ layer_bytes, kept_layers, kept_bytes, new_layers, new_bytes, old_layers, old_bytes, nodes }) {
  const isOfBlobs = layer_bytes === "blobs";
  const figures = [
    figure(formatBytes(new_bytes), `to pull, in ${counted(new_layers.length, "layer")}`, "alarming"),
    figure(formatBytes(kept_bytes), `kept, in ${counted(kept_layers, "layer")}`),
    figure(formatBytes(old_bytes), `dropped, in ${counted(old_layers, "layer")}`),
  ];
  if (nodes) {
    const plain = isOfBlobs ? ", uncompressed" : "";
    const again = `${counted(nodes.sent_again, "node")}, for sharing a layer${plain}`;
    figures.push(
      figure(formatBytes(nodes.new_bytes), `of it new, in ${counted(nodes.new, "node")}${plain}`),
      figure(formatBytes(nodes.sent_again_bytes), `sent again, in ${again}`),
    );
  }
  const bar = comparisonBar(kept_bytes, new_bytes, isOfBlobs ? null : nodes);
  return [element("div", { class: "figures" }, figures), bar];
}

function comparisonBar(kept, pulled, nodes) {
  const isNew = nodes ? nodes.new_bytes : pulled;
  const parts = [
    { amount: kept, class: "kept", text: "kept" },
    { amount: isNew, class: "changed", text: nodes ? "new" : "to pull" },
    { amount: pulled - isNew, class: "shared", text: "only shares a layer" },
  ];
  const keys = parts
    .filter((part) => part.amount > 0)
    .map((part) => keyed(part.class, `${part.text} ${formatShare(part.amount, kept + pulled)}`));
  return element("div", { class: "comparison" }, stackedBar(parts), element("div", { class: "keys" }, keys));
}

/** Runs of the same planner and limit are added up over all histories. */
function ofHistories(histories) {
  const floor = sum(histories.map((history) => history.floorTotal));
  const single = sum(histories.map((history) => history.singleTotal));
  const totals = addedUp(histories);
  const best = totals[0];
  const updates = sum(histories.map((history) => history.dates.length));
  const when = histories.length === 1 ? isolated(span(histories[0])) : `in ${histories.length} histories`;
  const figures = [
    countFigure(updates, "update", [", ", when]),
    figure(formatBytes(floor), "floor: only what changed"),
    figure(formatBytes(single), "as a single layer"),
  ];
  if (best)
    figures.push(
      figure(formatMultiple(best.total, floor), ["of the floor is the least, by ", isolated(best.name, "clipped")]),
    );
  return [element("div", { class: "figures" }, figures), runBars(totals, floor)];
}

function span({ since, dates }) {
  return dates.length ? `${since} to ${dates.at(-1)}` : since;
}

/** What each planner with each limit pulled, least first. */
function addedUp(histories) {
  const totals = new Map();
  for (const run of histories.flatMap((history) => history.runs)) {
    const entry = totals.get(run.name) ?? { name: run.name, series: run.series, total: 0 };
    entry.total += run.total;
    totals.set(run.name, entry);
  }
  return [...totals.values()].sort((a, b) => a.total - b.total);
}

/** A bar for each of the first runs, its part above the floor set off. The longest of those shown has the whole length. */
function runBars(totals, floor, count = BARS) {
  const shown = totals.slice(0, count);
  const most = largest(
    shown.map((entry) => entry.total),
    1,
  );
  const rows = shown.map((entry) => {
    const bar = element(
      "div",
      { class: `run-bar series-${entry.series % SERIES_COLOURS}`, "aria-hidden": "true" },
      lengthened("floor-part", Math.min(floor, entry.total) / most),
      lengthened("excess-part", Math.max(entry.total - floor, 0) / most),
    );
    return element(
      "li",
      {},
      isolated(entry.name, "clipped"),
      bar,
      element("span", { class: "number" }, formatBytes(entry.total)),
      element("span", { class: "number strong" }, formatMultiple(entry.total, floor)),
    );
  });
  const left = totals.length - shown.length;
  const showAll = () => {
    const all = runBars(totals, floor, totals.length);
    bars.replaceWith(all);
    // The button has gone from under the focus.
    all.focus();
  };
  const more = element("button", { type: "button", class: "quiet", onclick: showAll }, `and ${left} that pulled more`);
  const bars = element(
    "div",
    { class: "run-bars", tabindex: -1 },
    element("p", { class: "hint" }, "Pulled by all updates, and as a multiple of the floor"),
    element("ol", {}, rows),
    left > 0 ? more : null,
  );
  return bars;
}

function lengthened(className, share) {
  const piece = element("span", { class: className });
  piece.style.width = `${(share * 100).toFixed(2)}%`;
  return piece;
}

/** A number of things, and more about them. */
function countFigure(count, noun, more = "") {
  const [number, what] = counted(count, noun).split(" ");
  return figure(number, [what, more].flat());
}

/** A number, and what it is. */
function figure(number, what, className = "") {
  return element("div", { class: `stat ${className}` }, element("strong", {}, number), element("span", {}, what));
}
