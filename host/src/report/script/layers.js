// The table of layers: what the map shows, for those who would rather read.

/** How many of a layer's nodes its row names. */
const NAMED = 4;

class LayerTable {
  /** `onSelect` hears `{ layer }`. */
  constructor({ table, onSelect }) {
    Object.assign(this, { table, onSelect });
  }

  show(image) {
    const caption = "Layers of the image, bottom-most first, unless sorted otherwise";
    this.sortable = new SortableTable({
      table: this.table,
      caption,
      columns: layerColumns(image, this.onSelect),
      onRow: (layer) => this.onSelect({ layer }),
    });
    this.sortable.show(image.layers);
  }

  select(layer) {
    this.sortable?.select(layer);
  }
}

/** Without those that would be empty. */
function layerColumns(image, onSelect) {
  const most = largest(
    image.layers.map((layer) => layer.size),
    1,
  );
  const hasNodes = image.names.length > 0;
  const sized = ({ size }) => [meter(size / most), formatBytes(size)];
  const clipped = (textOf) => (layer) => isolated(textOf(layer) || "–", "clipped");
  const state = ({ state }) => state ?? "–";
  const inside = (layer) => contents(image, layer);
  const columns = [
    placeColumn(
      "Layer",
      ({ index }) => index,
      (layer) => indexButton(layer, onSelect),
    ),
    numberColumn("Size", ({ size }) => size, sized),
    numberColumn(
      "Share",
      ({ size }) => size,
      ({ size }) => formatShare(size, image.size),
    ),
    hasNodes && numberColumn(`${image.noun}s`, ({ nodes }) => nodes.length),
    textColumn(
      "Label",
      ({ label }) => label,
      clipped(({ label }) => label),
    ),
    image.hasReferences &&
      textColumn(
        "Planner",
        ({ planner }) => planner ?? "",
        clipped(({ planner }) => planner),
      ),
    image.hasStates && textColumn("State", state, (layer) => [swatch(layer.state ?? "unknown"), state(layer)]),
    hasNodes && textColumn("Contents", inside, (layer) => isolated(inside(layer), "clipped wide")),
  ];
  return columns.filter(Boolean);
}

function indexButton(layer, onSelect) {
  const onclick = (event) => {
    event.stopPropagation();
    onSelect({ layer });
  };
  return element(
    "button",
    { type: "button", class: "link", "aria-label": `Select ${layer.title}`, onclick },
    String(layer.index),
  );
}

/** The largest members first: they are what the layer is about. */
function contents(image, layer) {
  const named = byDescending(layer.nodes, (node) => image.sizes[node]).slice(0, NAMED);
  const left = layer.nodes.length - named.length;
  return named.map((node) => image.shortName(node)).join(", ") + (left > 0 ? ` and ${formatCount(left)} more` : "");
}

/** A bar behind a number, for a share from 0 to 1. */
function meter(share) {
  const bar = element("span", { class: "meter", "aria-hidden": "true" });
  bar.style.width = `${(share * 100).toFixed(2)}%`;
  return bar;
}
