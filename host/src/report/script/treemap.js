// The map of an image: layers, and what is in them, by bytes.
//
// `Painter` draws it. Where the pointer and the keyboard are is told by two elements that only move, so that ten
// thousand tiles are not drawn again for each step.
//
// The keyboard goes among layers until it goes into one, and then among the nodes of it.

const ZOOM_MS = 220;
/** How far a frame stands around its tile, so that the name in it can be read. */
const FRAME_AROUND = 3;

class Treemap {
  /** `onSelect` hears `{ node }`, `{ layer }` or null; `onZoom` the layer gone into, or null. */
  constructor({ box, tooltip, onSelect, onZoom }) {
    Object.assign(this, { box, tooltip, onSelect, onZoom });
    this.painter = new Painter(box);
    this.hoverFrame = element("div", { class: "frame hover", hidden: true });
    this.cursorFrame = element("div", { class: "frame cursor", hidden: true });
    box.append(this.hoverFrame, this.cursorFrame);
    this.marked = { whatIf: null, matches: null, selection: null };
    this.listen();
    onResize(box, () => this.layOut());
    onPixelRatio(() => this.draw());
  }

  show(image, paintOf) {
    Object.assign(this, { image, paintOf, zoomed: null, cursor: null });
    this.layOut();
  }

  /** On paper the box has another size, too. */
  recolour(paintOf) {
    this.paintOf = paintOf;
    this.layOut();
  }

  /** Marks what a change makes new, what was found (a flag for each node) and what is selected; each may be null. */
  mark(marked) {
    this.marked = marked;
    this.drawMarks();
  }

  draw() {
    if (!this.blocks) return;
    this.painter.draw(this.image, this.blocks, this.paintOf);
    this.drawMarks();
  }

  drawMarks() {
    if (this.blocks) this.painter.drawMarks(this.image, this.blocks, this.marked);
  }

  /** Goes into a layer, or with null back to all of them. */
  zoom(layer) {
    if (layer === this.zoomed) return;
    const from = layer ?? this.zoomed;
    const before = this.blockOf(from)?.box;
    this.zoomed = layer;
    this.layOut();
    const after = layer ? before : this.blockOf(from)?.box;
    if (after) this.painter.animate(after, layer ? "in" : "out");
    this.cursor = this.places()[layer ? 0 : this.blocks.indexOf(this.blockOf(from))] ?? null;
    this.showFrame(this.cursorFrame, this.cursor);
    this.onZoom(layer);
  }

  /** Puts the keyboard where a selection is. */
  moveTo(selection) {
    const layer = selectedLayer(this.image, selection);
    const tile = this.zoomed && this.blocks[0].tiles.find(({ node }) => node === selection?.node);
    this.cursor = tile || (this.zoomed ? this.cursor : (this.blockOf(layer) ?? this.cursor));
    this.showFrame(this.cursorFrame, this.cursor);
  }

  layOut() {
    const { clientWidth: width, clientHeight: height } = this.box;
    if (!this.image || width === 0 || height === 0) return;
    const isAt = this.cursor;
    this.blocks = layOut(this.image, this.zoomed, { x: 0, y: 0, width, height });
    this.cursor =
      isAt && (this.places().find((place) => place.layer === isAt.layer && place.node === isAt.node) ?? null);
    this.showFrame(this.cursorFrame, this.cursor);
    this.hover(null);
    this.draw();
  }

  blockOf(layer) {
    return this.blocks?.find((block) => block.layer === layer);
  }

  /** What the keyboard goes among. */
  places() {
    return this.zoomed ? this.blocks[0].tiles : this.blocks;
  }

  showFrame(frame, place) {
    frame.hidden = !place;
    if (!place) return;
    const { x, y, width, height } = place.box;
    const { clientWidth, clientHeight } = this.box;
    const [left, top] = [x, y].map((at) => Math.max(at - FRAME_AROUND, 0));
    const right = Math.min(x + Math.max(width, 3) + FRAME_AROUND, clientWidth);
    const bottom = Math.min(y + Math.max(height, 3) + FRAME_AROUND, clientHeight);
    Object.assign(frame.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
  }

  // Pointer and keyboard

  listen() {
    this.box.addEventListener("pointermove", (event) => this.hover(event));
    this.box.addEventListener("pointerleave", () => this.hover(null));
    this.box.addEventListener("click", (event) => this.click(event));
    this.box.addEventListener("dblclick", (event) => this.doubleClick(event));
    this.box.addEventListener("keydown", (event) => this.press(event));
    this.box.addEventListener("focus", () => this.enter());
    // Wherever the focus is: what the pointer points at is not what keys are about.
    document.addEventListener("keydown", () => this.hover(null), { capture: true });
  }

  /** The tile, or the heading of the block, that an event is at. */
  at(event) {
    const bounds = this.box.getBoundingClientRect();
    const point = { x: event.clientX - bounds.left, y: event.clientY - bounds.top };
    const block = this.blocks?.find(({ box }) => contains(box, point));
    return block && (block.tiles.find(({ box }) => contains(box, point)) ?? block);
  }

  hover(event) {
    const place = event && event.pointerType !== "touch" ? this.at(event) : null;
    if (place !== this.hovered) this.showFrame(this.hoverFrame, place);
    if (place) this.tooltip.show(place === this.hovered ? null : describe(this.image, place), event);
    else this.tooltip.hide();
    this.hovered = place;
  }

  click(event) {
    const place = this.at(event);
    if (!place) return;
    this.onSelect(selectionOf(place));
    this.moveTo(selectionOf(place));
  }

  doubleClick(event) {
    const place = this.at(event);
    if (place) this.zoom(this.zoomed ? null : place.layer);
  }

  /** With the first arrow or on focus there must be a place to start from. */
  enter() {
    this.cursor ??= this.places()[0] ?? null;
    this.showFrame(this.cursorFrame, this.cursor);
  }

  press(event) {
    const { key } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || !this.blocks) return;
    if (key in DIRECTIONS) this.step(neighbour(this.places(), this.cursor ?? this.places()[0], DIRECTIONS[key]));
    else if (key === "Home") this.step(this.places()[0]);
    else if (key === "End") this.step(this.places().at(-1));
    else if (key === "Enter" && !this.zoomed && this.cursor) this.goInto(this.cursor.layer);
    else if ((key === "Enter" || key === " ") && this.cursor) this.onSelect(selectionOf(this.cursor));
    else if (key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  step(place) {
    if (!place) return;
    this.cursor = place;
    this.showFrame(this.cursorFrame, place);
    announce(describe(this.image, place).join(", "));
  }

  goInto(layer) {
    this.zoom(layer);
    const first = this.cursor ? `; ${describe(this.image, this.cursor).join(", ")}` : "";
    announce([layer.title, ...held(this.image, layer)].join(": ") + first);
  }

  /** Out of the layer first, then out of the selection. */
  leave() {
    if (this.zoomed) this.zoom(null);
    else this.onSelect(null);
  }
}

function selectionOf({ node, layer }) {
  return node >= 0 ? { node } : { layer };
}

/** The layer that a selection is or is in, or undefined. */
function selectedLayer(image, selection) {
  return selection?.layer ?? image.layers[image.layerOf[selection?.node]];
}

/** How many nodes are in a layer; nothing where that is not known. */
function held(image, { nodes }) {
  return nodes.length ? [counted(nodes.length, image.noun)] : [];
}

/** What a tile or block is, line by line. */
function describe(image, { node, layer }) {
  const state = layer.state ? `, ${layer.state}` : "";
  if (!(node >= 0)) {
    const share = `${formatBytes(layer.size)}, ${formatShare(layer.size, image.size)} of the image`;
    return [layer.title + state, share, ...held(image, layer)];
  }
  const size = formatBytes(image.sizes[node]) + (image.isOfBlobs ? " uncompressed" : "");
  const lines = [shortened(image.shortName(node), NAME_LENGTH), `${size} in ${layer.title}${state}`];
  if (image.hasReferences) lines.push(`needed by ${image.need(node)}`);
  if (image.hasChanges) lines.push(`changed in ${image.changes[node]} of ${counted(image.updates, "update")}`);
  return lines;
}
