// All about what is selected, and what happens if it changes.

class Details {
  /** `onSelect` hears what a link selects, `onZoom` which layer to go into. */
  constructor({ box, onSelect, onZoom }) {
    Object.assign(this, { box, onSelect, onZoom });
  }

  show(image, selection, whatIf) {
    this.image = image;
    const parts = whatIf
      ? this.ofNode(selection.node, whatIf)
      : selection
        ? this.ofLayer(selection.layer)
        : nothing(image);
    this.box.replaceChildren(...parts.filter((part) => part !== null));
    this.box.scrollTop = 0;
  }

  ofNode(node, whatIf) {
    const { image } = this;
    const layer = image.layers[image.layerOf[node]];
    const isRoot = image.roots.has(node);
    return [
      element("p", { class: "eyebrow" }, isRoot ? `${image.noun}, asked for by name` : image.noun),
      element("h3", {}, isolated(shortened(image.shortName(node), NAME_LENGTH))),
      element("p", { class: "full-name" }, isolated(image.names[node])),
      facts([
        ["Size", `${formatBytes(image.sizes[node])} (${formatShare(image.sizes[node], image.size)})`],
        ["Layer", layer ? this.layerLink(layer) : "none"],
        ["Planner", isolated(layer?.planner ?? "none: left to the last layer")],
        ["Lineage", isolated(image.lineages[node])],
        image.popularity.length ? ["Popularity", formatPermille(image.popularity[node])] : null,
        image.hasChanges ? ["Changed in", `${image.changes[node]} of ${counted(image.updates, "update")}`] : null,
      ]),
      whatIfPanel(image, whatIf, (layer) => this.layerLink(layer)),
      this.way(image.wayTo(node)),
      this.list("Refers to", image.references[node]),
      this.list("Referred to by", image.referrers[node]),
    ];
  }

  ofLayer(layer) {
    const { image } = this;
    const largestFirst = byDescending(layer.nodes, (node) => image.sizes[node]);
    return [
      element("p", { class: "eyebrow" }, layer.state ? `layer, ${layer.state}` : "layer"),
      element("h3", {}, isolated(layer.label || `layer ${layer.index}`)),
      facts([
        ["Index", `${layer.index} of ${image.layers.length}, from the bottom`],
        ["Size", `${formatBytes(layer.size)} (${formatShare(layer.size, image.size)})`],
        layer.planner ? ["Planner", isolated(layer.planner)] : null,
        image.names.length ? ["Holds", counted(layer.nodes.length, image.noun)] : null,
      ]),
      layer.nodes.length > 1 ? this.zoomButton(layer) : null,
      this.list("Largest first", largestFirst),
    ];
  }

  list(title, nodes) {
    return growing(nodes, title, (node) => [this.nodeLink(node), formatBytes(this.image.sizes[node])]);
  }

  /** Through which others a node came; its own name, at the end, need not be said again. */
  way(nodes) {
    if (nodes.length < 2) return null;
    const links = nodes.slice(0, -1).map((node) => element("li", {}, this.nodeLink(node)));
    return element(
      "section",
      { class: "list" },
      element("h4", {}, "Here because of"),
      element("ol", { class: "way" }, links),
    );
  }

  zoomButton(layer) {
    return element("button", { type: "button", onclick: () => this.onZoom(layer) }, "Show this layer alone");
  }

  nodeLink(node) {
    return linkButton(this.image.shortName(node), () => this.onSelect({ node }), { title: this.image.names[node] });
  }

  layerLink(layer) {
    return linkButton(layer.heading, () => this.onSelect({ layer }));
  }
}

function nothing({ noun, names }) {
  const hint = names.length
    ? `Select a ${noun} on the map or in a search to see what is sent again when it changes.`
    : "Select a layer on the map or in the table. What is in the layers is not known.";
  return [element("p", { class: "eyebrow" }, "Nothing selected"), element("p", {}, hint)];
}

/** A list of terms and what they are. */
function facts(pairs) {
  const known = pairs.filter((pair) => pair !== null);
  return element("dl", {}, known.map(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]).flat());
}
