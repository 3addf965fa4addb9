// What a change of each node sends again, for all nodes at once.
//
// 1. Each node has a set of layers, a row of bits: at first its own.
// 2. A change of a node renames all that refer to it: they give it their sets, until no set grows any more.

const WORD_BITS = 32;

/** `{ node, times, bytes }` by what is sent again in all, the most first; where it is not known how often, as if once. */
function costliestChanges(image) {
  const costs = sentAgainByNode(image).map((bytes, node) => ({
    node,
    times: image.hasChanges ? image.changes[node] : 1,
    bytes,
  }));
  return byDescending(costs, ({ times, bytes }) => times * bytes).filter(({ times }) => times > 0);
}

function sentAgainByNode({ kind, layers, layerOf, references }) {
  const sets = references.map((_, node) => layerSet(layerOf[node], layers.length));
  // A package keeps its name.
  if (kind !== "package") spreadSets(sets, references);
  return sets.map((set) => layers.reduce((bytes, { index, size }) => bytes + (hasLayer(set, index) ? size : 0), 0));
}

function layerSet(index, count) {
  const set = new Uint32Array(Math.ceil(count / WORD_BITS));
  if (index >= 0) set[Math.floor(index / WORD_BITS)] = 1 << (index % WORD_BITS);
  return set;
}

function hasLayer(set, index) {
  return (set[Math.floor(index / WORD_BITS)] >>> (index % WORD_BITS)) & 1;
}

function spreadSets(sets, references) {
  const waits = new Uint8Array(sets.length).fill(1);
  const waiting = sets.map((_, node) => node);
  // The list grows while it is walked.
  for (const node of waiting) {
    waits[node] = 0;
    for (const target of references[node]) {
      if (!unite(sets[target], sets[node]) || waits[target]) continue;
      waits[target] = 1;
      waiting.push(target);
    }
  }
}

/** Adds all of `more` to a set; returns whether it has grown. */
function unite(set, more) {
  let hasGrown = false;
  more.forEach((bits, word) => {
    hasGrown ||= (bits & ~set[word]) !== 0;
    set[word] |= bits;
  });
  return hasGrown;
}
