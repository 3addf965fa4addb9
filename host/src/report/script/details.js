// All about what is selected, and what happens if it changes.

class Details {
  /** `onSelect` hears what a link selects, `onZoom` which layer to go into. */
  constructor({ box, onSelect, onZoom }) {
    Object.assign(this, { box, onSelect, onZoom });
  }

  show(image, selection, whatIf) {
    this.image = image;
    const parts =
      selection?.node !== undefined
        ? this.ofNode(selection.node, whatIf)
        : selection
          ? this.ofLayer(selection.layer)
          : this.nothing();
    this.box.replaceChildren(...parts.filter((part) => part !== null));
    this.box.classList.toggle("selected", selection !== null);
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
        ["Size", image.sizeOf(node)],
        ["Layer", layer ? this.layerLink(layer) : "none"],
        image.hasReferences ? ["Planner", isolated(layer?.planner ?? "none: left to the last layer")] : null,
        ["Lineage", isolated(image.lineages[node])],
        image.hasReferences ? ["Needed by", image.need(node)] : null,
        image.hasChanges ? ["Changed in", `${image.changes[node]} of ${counted(image.updates, "update")}`] : null,
      ]),
      whatIf
        ? whatIfPanel(image, whatIf, (layer) => this.layerLink(layer))
        : element("p", { class: "hint" }, `${NO_REFERENCES} Plans tell it.`),
      this.way(image.wayTo(node)),
      this.list("Refers to", image.references[node] ?? []),
      this.list("Referred to by", image.referrers[node]),
    ];
  }

  ofLayer(layer) {
    const { image } = this;
    const largestFirst = byDescending(layer.nodes, (node) => image.sizes[node]);
    return [
      element("p", { class: "eyebrow" }, layer.state ? `layer, ${layer.state}` : "layer"),
      element("h3", {}, isolated(layer.name)),
      facts([
        ["Layer", `${layer.index} (0 is the bottom of ${image.layers.length})`],
        ["Size", `${formatBytes(layer.size)} (${formatShare(layer.size, image.size)})`],
        layer.planner ? ["Planner", isolated(layer.planner)] : null,
        layer.nodes.length ? ["Holds", counted(layer.nodes.length, image.noun)] : null,
        layer.digest ? ["Digest", isolated(layer.digest, "digest")] : null,
      ]),
      layer.nodes.length > 1 ? this.zoomButton(layer) : null,
      this.list(image.isOfBlobs ? "Largest first, uncompressed" : "Largest first", largestFirst),
    ];
  }

  /** Where to begin. */
  nothing() {
    const { image } = this;
    const costs = image.hasReferences ? image.costliest : [];
    const times = ({ times }) => (image.hasChanges ? `${formatCount(times)} × ` : "");
    const row = (cost) => [this.nodeLink(cost.node), times(cost) + formatBytes(cost.bytes)];
    return [
      element("p", { class: "eyebrow" }, "Nothing selected"),
      element("p", {}, hint(image)),
      growing(costs, "Costliest changes", row),
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

const NO_REFERENCES = "An image does not tell what refers to what, and so not what a change would send again.";

/** What one can select, and what is told of it. */
function hint({ noun, names, hasReferences }) {
  if (hasReferences) return `Select a ${noun} on the map or in a search to see what is sent again when it changes.`;
  return names.length
    ? `Select a ${noun} or a layer. ${NO_REFERENCES}`
    : "Select a layer on the map or in the table. What is in the layers is not known.";
}

/** A list of terms and what they are. */
function facts(pairs) {
  const known = pairs.filter((pair) => pair !== null);
  return element("dl", {}, known.map(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]).flat());
}
