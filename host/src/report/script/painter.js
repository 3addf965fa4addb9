// Drawing the map.
//
// Two canvases lie upon each other: what is there, drawn once, and marks (what is selected, found, or sent again),
// drawn whenever these change. Paper has only one: there the upper one would be white where nothing is.

const TILE_GAP = 1;
const LABEL_FITS = { width: 34, height: 14 };
const SIZE_FITS = { height: 31 };
const TILE_FONT = 11;
/** No label is longer, in characters. */
const LABEL_LENGTH = 120;

class Painter {
  constructor(box) {
    this.box = box;
    this.print = matchMedia("print");
    this.base = element("canvas", { "aria-hidden": "true" });
    this.marks = element("canvas", { "aria-hidden": "true" });
    box.append(this.base, this.marks);
  }

  /** Draws all blocks, each tile as `paintOf(node, layer)` says. */
  draw(image, blocks, paintOf) {
    const pen = this.pen(this.base, image);
    const pattern = hatch(pen.context, "rgb(0 0 0 / 0.16)");
    for (const block of blocks) {
      drawFrame(pen, block);
      drawHeading(pen, block);
      for (const tile of block.tiles) drawTile(pen, tile, paintOf(tile.node, tile.layer), pattern);
    }
  }

  drawMarks(image, blocks, { whatIf, matches, selection }) {
    const pen = this.pen(this.marks, image);
    if (whatIf) drawWhatIf(pen, blocks, whatIf);
    if (matches) drawMatches(pen, blocks, matches, !whatIf);
    if (selection) drawSelection(pen, boxOf(image, blocks, selection));
    const { clientWidth: width, clientHeight: height } = this.box;
    if (this.print.matches) this.base.getContext("2d").drawImage(this.marks, 0, 0, width, height);
  }

  /** A context in CSS pixels, of an empty canvas that has as many pixels as the screen, and the colours of the page. */
  pen(canvas, image) {
    const { clientWidth: width, clientHeight: height } = this.box;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.textBaseline = "middle";
    const { color: ink, backgroundColor: veil, accentColor: alarm, fontFamily } = getComputedStyle(this.box);
    return { context, image, ink, veil, alarm, fontFamily };
  }

  /** The canvas grows out of the layer's box, or the whole image shrinks from it. */
  animate(box, way) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const { clientWidth: width, clientHeight: height } = this.box;
    const small = `translate(${box.x}px, ${box.y}px) scale(${box.width / width}, ${box.height / height})`;
    const [x, y] = [width / Math.max(box.width, 1), height / Math.max(box.height, 1)];
    const large = `scale(${x}, ${y}) translate(${-box.x}px, ${-box.y}px)`;
    const frames = [{ transform: way === "in" ? small : large }, { transform: "none" }];
    this.base.animate(frames, { duration: ZOOM_MS, easing: "ease-out" });
    this.marks.animate([{ opacity: 0 }, { opacity: 0, offset: 0.8 }, { opacity: 1 }], { duration: ZOOM_MS });
  }
}

/** A border and a band for the heading. */
function drawFrame({ context, ink, veil }, { box, inner, isFramed }) {
  if (!isFramed) return;
  context.fillStyle = ink;
  context.globalAlpha = 0.16;
  context.fillRect(box.x, box.y, box.width, box.height);
  context.globalAlpha = 1;
  context.fillStyle = veil;
  context.fillRect(inner.x, inner.y, inner.width, inner.height);
}

function drawHeading({ context, ink, fontFamily }, { layer, box, hasHeading }) {
  if (!hasHeading) return;
  context.fillStyle = ink;
  const middle = box.y + FRAME + HEADING_HEIGHT / 2;
  const size = formatBytes(layer.size);
  context.globalAlpha = 0.7;
  context.font = `${TILE_FONT}px ${fontFamily}`;
  const sizeWidth = context.measureText(size).width;
  const hasRoom = box.width > sizeWidth + 90;
  if (hasRoom) context.fillText(size, box.x + box.width - 5 - sizeWidth, middle);
  context.globalAlpha = 1;
  context.font = `600 ${TILE_FONT}px ${fontFamily}`;
  context.fillText(fitted(context, layer.heading, box.width - 10 - (hasRoom ? sizeWidth + 10 : 0)), box.x + 5, middle);
}

function drawTile(pen, tile, { fill, ink, isHatched }, pattern) {
  const { x, y, width, height } = withGap(tile.box);
  if (width <= 0 || height <= 0) return;
  pen.context.fillStyle = fill;
  pen.context.fillRect(x, y, width, height);
  if (isHatched) {
    pen.context.fillStyle = pattern;
    pen.context.fillRect(x, y, width, height);
  }
  drawLabel(pen, tile, ink);
}

/** The name, where there is room for some of it, and the size, where there is room for all of it; on a plate if need be. */
function drawLabel({ context, image, fontFamily }, { node, layer, box }, ink, plate = null) {
  const { x, y, width, height } = withGap(box);
  if (width < LABEL_FITS.width || height < LABEL_FITS.height) return;
  context.font = `${TILE_FONT}px ${fontFamily}`;
  const name = fitted(context, node < 0 ? layer.title : image.shortName(node), width - 8);
  drawLine(context, name, x + 4, y + 8.5, ink, plate);
  const size = formatBytes(node < 0 ? layer.size : image.sizes[node]);
  if (height < SIZE_FITS.height || context.measureText(size).width > width - 6) return;
  drawLine(context, size, x + 4, y + 22.5, ink, plate);
}

function drawLine(context, text, x, y, ink, plate) {
  if (plate && text) {
    context.fillStyle = plate;
    context.fillRect(x - 3, y - 7, context.measureText(text).width + 6, 14);
  }
  context.fillStyle = ink;
  context.fillText(text, x, y);
}

/** What is new is filled, what only shares a layer is hatched, and the rest steps back. */
function drawWhatIf(pen, blocks, whatIf) {
  const { context, alarm, veil, ink } = pen;
  const pattern = hatch(context, alarm, true);
  for (const { layer, box, tiles } of blocks) {
    if (!whatIf.sent.has(layer)) {
      stepBack(pen, box);
      continue;
    }
    for (const tile of tiles) {
      const { x, y, width, height } = withGap(tile.box);
      const isChanged = whatIf.changed[tile.node];
      context.fillStyle = isChanged ? alarm : veil;
      context.fillRect(x, y, width, height);
      if (isChanged) {
        drawLabel(pen, tile, veil);
        continue;
      }
      context.fillStyle = pattern;
      context.fillRect(x, y, width, height);
      drawLabel(pen, tile, ink, veil);
    }
    outline(context, box, alarm, 2);
  }
}

function drawMatches(pen, blocks, matches, hidesOthers) {
  for (const { tiles } of blocks) {
    for (const { node, box } of tiles) {
      if (matches[node]) outline(pen.context, withGap(box), pen.ink, 2);
      else if (hidesOthers) stepBack(pen, box);
    }
  }
}

function drawSelection({ context, veil, ink }, box) {
  if (!box) return;
  // Around the tile, so that its name can be read and a tiny one be seen.
  const around = { x: box.x - 3, y: box.y - 3, width: box.width + 6, height: box.height + 6 };
  outline(context, around, veil, 5);
  outline(context, around, ink, 3);
}

function stepBack({ context, veil }, { x, y, width, height }) {
  context.globalAlpha = 0.72;
  context.fillStyle = veil;
  context.fillRect(x, y, width, height);
  context.globalAlpha = 1;
}

/** Where a selection is, or undefined if it is not shown. */
function boxOf(image, blocks, { node, layer }) {
  const wanted = layer ?? image.layers[image.layerOf[node]];
  const block = blocks.find((block) => block.layer === wanted);
  return layer ? block?.box : block?.tiles.find((tile) => tile.node === node)?.box;
}

/** Space between tiles, as long as they are large enough to spare it. */
function withGap({ x, y, width, height }) {
  const [right, bottom] = [width > 3 ? TILE_GAP : 0, height > 3 ? TILE_GAP : 0];
  return { x, y, width: width - right, height: height - bottom };
}

function outline(context, { x, y, width, height }, colour, thickness) {
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  const inset = Math.min(thickness / 2, width / 2, height / 2);
  context.strokeRect(x + inset, y + inset, width - 2 * inset, height - 2 * inset);
}

/** As much of a text as fits, with an ellipsis if it is not all. */
function fitted(context, text, width) {
  const characters = Array.from(shortened(text, LABEL_LENGTH));
  if (context.measureText(characters.join("")).width <= width) return characters.join("");
  let [fits, fails] = [0, characters.length];
  while (fails - fits > 1) {
    const half = (fits + fails) >> 1;
    if (context.measureText(`${characters.slice(0, half).join("")}…`).width <= width) fits = half;
    else fails = half;
  }
  return fits > 1 ? `${characters.slice(0, fits).join("")}…` : "";
}

const HATCH_PIXELS = 10;

/** Diagonal lines that rise to the right, or that fall. */
function hatch(context, colour, isFalling = false) {
  const tile = new OffscreenCanvas(HATCH_PIXELS, HATCH_PIXELS);
  const lines = tile.getContext("2d");
  lines.strokeStyle = colour;
  lines.lineWidth = 2;
  for (const shift of [-HATCH_PIXELS, 0, HATCH_PIXELS]) {
    lines.moveTo(shift, isFalling ? 0 : HATCH_PIXELS);
    lines.lineTo(shift + HATCH_PIXELS, isFalling ? HATCH_PIXELS : 0);
  }
  lines.stroke();
  return context.createPattern(tile, "repeat");
}
