// One planned image: nodes in columns, layers of them, and what follows from both.

class PlannedImage {
  constructor(raw) {
    const { names = [], lineages = [], sizes = [], references = [], popularity = [], changes = [] } = raw.nodes ?? {};
    Object.assign(this, { names, lineages, sizes, references, popularity, changes });
    this.name = raw.name;
    this.kind = raw.kind;
    this.roots = new Set(raw.roots);
    this.updates = raw.updates;
    this.layers = raw.layers.map((layer, index) => new Layer(layer, index, sizes));
    this.size = sum(this.layers.map((layer) => layer.size));
    this.layerOf = layerOfEach(names.length, this.layers);
    this.referrers = reversed(references, names.length);
    /** Sizes of layers are those of blobs, and so not sums of those of nodes, which are uncompressed. */
    this.isOfBlobs = raw.layers.some(({ nodes, size }) => nodes.length > 0 && size !== undefined);
  }

  /** Images do not tell what refers to what, and so not what a change does. */
  get hasReferences() {
    return this.references.length > 0;
  }

  get hasChanges() {
    return this.updates > 0 && this.changes.length > 0;
  }

  get hasStates() {
    return this.layers.some((layer) => layer.state);
  }

  /** A store path without its folder and hash; a package without version and architecture. */
  shortName(node) {
    const name = this.names[node];
    if (this.kind === "package") return this.lineages[node] || name;
    const base = name.startsWith("/") ? name.slice(name.lastIndexOf("/") + 1) : name;
    const dash = name.startsWith("/") ? base.indexOf("-") : -1;
    return base.slice(dash + 1) || name;
  }

  /** The shortest way from a root to a node, with both ends; empty if none leads to it. */
  wayTo(node) {
    const below = new Map([[node, null]]);
    // The map grows while it is walked.
    for (const at of below.keys()) {
      if (this.roots.has(at)) return wayDown(below, at);
      for (const referrer of this.referrers[at]) {
        if (!below.has(referrer)) below.set(referrer, at);
      }
    }
    return [];
  }

  /** A node and all from which it can be reached. */
  withReferrers(node) {
    const seen = new Uint8Array(this.names.length);
    seen[node] = 1;
    const reached = [node];
    // The list grows while it is walked.
    for (const at of reached) {
      for (const referrer of this.referrers[at]) {
        if (!seen[referrer]) {
          seen[referrer] = 1;
          reached.push(referrer);
        }
      }
    }
    return reached;
  }

  /** The costliest changes. */
  get costliest() {
    this.costs ??= costliestChanges(this);
    return this.costs;
  }

  /** How many need it: `12 paths` */
  need(node) {
    const count = this.withReferrers(node).length - 1;
    return count ? counted(count, this.noun) : `no other ${this.noun}`;
  }

  /** `12.00 MiB (3.4 %)`, without a share where it would be one of another kind of bytes. */
  sizeOf(node) {
    const size = formatBytes(this.sizes[node]);
    return this.isOfBlobs ? `${size} uncompressed` : `${size} (${formatShare(this.sizes[node], this.size)})`;
  }

  /** What a node is called in running text. */
  get noun() {
    return this.kind === "package" ? "package" : "path";
  }
}

/** From a node along the way that a search came, which began where nothing is below. */
function wayDown(below, from) {
  const way = [];
  for (let at = from; at !== null; at = below.get(at)) way.push(at);
  return way;
}

class Layer {
  constructor({ label, planner, nodes, state, size, digest }, index, sizes) {
    Object.assign(this, { index, planner, nodes, state, digest });
    this.label = shortened(label, NAME_LENGTH);
    this.size = size ?? sum(nodes.map((node) => sizes[node]));
  }

  /** `3 · glibc` */
  get heading() {
    return this.label ? `${this.index} · ${this.label}` : String(this.index);
  }

  /** `layer 3` */
  get place() {
    return `layer ${this.index}`;
  }

  /** `glibc`, or where it has no label `layer 3` */
  get name() {
    return this.label || this.place;
  }

  /** `layer 3, glibc` */
  get title() {
    return this.label ? `${this.place}, ${this.label}` : this.place;
  }
}

/** By node the index of its layer, or -1. */
function layerOfEach(count, layers) {
  const layerOf = new Int32Array(count).fill(-1);
  for (const layer of layers) {
    for (const node of layer.nodes) layerOf[node] = layer.index;
  }
  return layerOf;
}

/** By node all that refer to it. */
function reversed(references, count) {
  const referrers = Array.from({ length: count }, () => []);
  references.forEach((targets, node) => {
    for (const target of targets) referrers[target]?.push(node);
  });
  return referrers;
}
