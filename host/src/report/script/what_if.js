// What another version of a node makes new, and what is sent again because of it.
//
// In a store a node's name tells all that it is made of, so that a new version renames every node from which it can be
// reached. A package keeps its name. A layer with any renamed node is another layer, and is sent as a whole.

class WhatIf {
  constructor(image, node) {
    this.node = node;
    /** By node whether it is a new one then. */
    this.changed = new Uint8Array(image.names.length);
    const nodes = image.kind === "package" ? [node] : image.withReferrers(node);
    for (const at of nodes) this.changed[at] = 1;
    this.changedCount = nodes.length;
    this.changedBytes = sum(nodes.map((at) => image.sizes[at]));
    /** Layers that are sent again, bottom-most first. */
    this.layers = image.layers.filter((layer) => layer.nodes.some((at) => this.changed[at]));
    this.sent = new Set(this.layers);
    this.sentBytes = sum(this.layers.map((layer) => layer.size));
  }

  sentence(image) {
    const [bytes, layers] = [formatBytes(this.sentBytes), counted(this.layers.length, "layer")];
    return `If ${shortened(image.shortName(this.node), NAME_LENGTH)} changes, ${bytes} in ${layers} is sent again`;
  }

  /** Of what is sent, that which only shares a layer with something new. */
  get sharedBytes() {
    return Math.max(this.sentBytes - this.changedBytes, 0);
  }
}
