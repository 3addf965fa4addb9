// Where layers and their nodes lie on the treemap.
//
// Layers share the box by their bytes, and the nodes of each share what its frame and its heading leave. With a layer
// gone into, its nodes have the whole box. A tile is `{ node, layer, box }`, with node -1 for a layer of unknown nodes;
// a block is a layer with its tiles.

const LAYER_GAP = 2;
const FRAME = 2;
const HEADING_HEIGHT = 17;
/** A smaller block has no room for a heading, or not even for a frame. */
const HEADING_FITS = { width: 64, height: 44 };
const FRAME_FITS = 14;

/** All blocks of the image, or only that of the layer. */
function layOut(image, layer, box) {
  if (layer) return [block(image, layer, box, false)];
  const layers = byDescending(image.layers, (layer) => layer.size);
  const boxes = squarify(weighed(layers.map((layer) => layer.size)), box);
  return layers.map((layer, at) => block(image, layer, shrunk(boxes[at], LAYER_GAP / 2), layer.nodes.length > 1));
}

/** A single tile needs neither frame nor heading. */
function block(image, layer, box, isGroup) {
  const isFramed = isGroup && Math.min(box.width, box.height) >= FRAME_FITS;
  const hasHeading = isGroup && box.width >= HEADING_FITS.width && box.height >= HEADING_FITS.height;
  const framed = isFramed ? shrunk(box, FRAME) : box;
  const inner = hasHeading ? below(framed, HEADING_HEIGHT) : framed;
  const nodes = layer.nodes.length ? byDescending(layer.nodes, (node) => image.sizes[node]) : [-1];
  const weights = layer.nodes.length ? nodes.map((node) => image.sizes[node]) : [layer.size];
  const boxes = squarify(weighed(weights), inner);
  return { layer, box, inner, isFramed, hasHeading, tiles: nodes.map((node, at) => ({ node, layer, box: boxes[at] })) };
}

/** Where nothing has a size, everything has the same. */
function weighed(sizes) {
  return sizes.some((size) => size > 0) ? sizes : sizes.map(() => 1);
}

/** Of equals, the first stays first. */
function byDescending(things, sizeOf) {
  return [...things].sort((a, b) => sizeOf(b) - sizeOf(a));
}

function shrunk({ x, y, width, height }, by) {
  const [horizontal, vertical] = [Math.min(by, width / 4), Math.min(by, height / 4)];
  return { x: x + horizontal, y: y + vertical, width: width - 2 * horizontal, height: height - 2 * vertical };
}

function below({ x, y, width, height }, by) {
  return { x, y: y + by, width, height: height - by };
}

function contains(box, { x, y }) {
  return x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;
}

const DIRECTIONS = {
  ArrowLeft: { axis: "x", across: "y", sign: -1 },
  ArrowRight: { axis: "x", across: "y", sign: 1 },
  ArrowUp: { axis: "y", across: "x", sign: -1 },
  ArrowDown: { axis: "y", across: "x", sign: 1 },
};
const EXTENTS = { x: "width", y: "height" };

/** Of things with a box, what lies next in a direction: what is near, and rather straight ahead than aside. */
function neighbour(things, from, { axis, across, sign }) {
  const middle = (thing, axis) => thing.box[axis] + thing.box[EXTENTS[axis]] / 2;
  const reach = (thing) => sign * middle(thing, axis) - thing.box[EXTENTS[axis]] / 2;
  const edge = sign * middle(from, axis) + from.box[EXTENTS[axis]] / 2;
  let best = null;
  for (const thing of things) {
    if (thing === from || thing.box.width <= 0 || sign * (middle(thing, axis) - middle(from, axis)) <= 0) continue;
    const ahead = reach(thing) - edge;
    // What overlaps on this axis lies beside, not ahead.
    if (ahead < -1) continue;
    const aside = Math.max(0, outside(middle(from, across), thing.box[across], thing.box[EXTENTS[across]]));
    const cost = Math.max(ahead, 0) + 2 * aside;
    if (!best || cost < best.cost) best = { thing, cost };
  }
  return best?.thing ?? null;
}

/** How far a place is from a range; negative inside. */
function outside(place, start, extent) {
  return Math.max(start - place, place - start - extent);
}
