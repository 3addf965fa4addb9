// Largest first: the largest nodes of a closure get a layer each, everything else shares the last one.
//
// A large node that did not change is then not pulled again because something small beside it did. Nothing here knows
// of WebAssembly, so that tests run in Node.js.

export const CONFIG_SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    "min-size": {
      description: "Nodes of fewer bytes never get a layer of their own",
      type: "integer",
      minimum: 0,
      default: 1048576,
    },
  },
};

// The contract allows no more in a label.
const MAX_LABEL_BYTES = 200;

/** The settings are wrong; the text names the one that is. */
export class InvalidConfig extends Error {}

/** Returns the one setting, in bytes. */
export function readMinSize(config) {
  const settings = JSON.parse(config);
  if (settings === null || typeof settings !== "object" || Array.isArray(settings)) {
    throw new InvalidConfig("the settings must be a JSON object");
  }
  const { "min-size": minSize = 1024 * 1024, ...others } = settings;
  for (const unknown of Object.keys(others)) {
    throw new InvalidConfig(`unknown setting \`${unknown}\`; there is only \`min-size\``);
  }
  if (!Number.isInteger(minSize) || minSize < 0) {
    throw new InvalidConfig("`min-size` must be an integer of at least 0");
  }
  return minSize;
}

/** Returns the positions of nodes that get a layer each, largest first, and of those that share the last one. */
export function largestFirst(nodes, maxLayers, minSize) {
  // A u64 is a number here (exact below 8 PiB), and a BigInt in other engines: < and > compare either with either.
  const candidates = [...nodes.keys()].filter((id) => nodes[id].size >= minSize);
  // Nodes ascend by name, so positions decide ties as names would.
  candidates.sort((a, b) => (nodes[a].size > nodes[b].size ? -1 : nodes[a].size < nodes[b].size ? 1 : a - b));
  // Unless every node has a layer of its own, the last layer is for those that have none.
  const everythingFits = candidates.length === nodes.length && nodes.length <= maxLayers;
  const alone = everythingFits ? candidates : candidates.slice(0, maxLayers - 1);
  const taken = new Set(alone);
  return { alone, together: [...nodes.keys()].filter((id) => !taken.has(id)) };
}

/** Cuts a lineage to the length of a label, between two characters. */
export function labelOf(lineage) {
  let label = "";
  let bytes = 0;
  for (const character of lineage) {
    const code = character.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > MAX_LABEL_BYTES) break;
    label += character;
  }
  return label;
}
