// Squarified treemaps, after Bruls, Huizing and van Wijk (2000).
//
// 1. Weights come in descending order. A row is laid along the shorter side of what is left of the box.
// 2. A row takes the next weight as long as the most oblong rectangle in it does not become more oblong.
// 3. Its rectangles share its length by weight; the rest of the box is left for the next row.

/** A rectangle for each weight, in their order. Those without weight have no area. */
function squarify(weights, box) {
  const scale = (box.width * box.height) / sum(weights);
  const areas = weights.filter((weight) => weight > 0).map((weight) => weight * scale);
  const boxes = [];
  let rest = box;
  while (boxes.length < areas.length) {
    const row = nextRow(areas, boxes.length, Math.min(rest.width, rest.height));
    rest = layRow(row, rest, boxes);
  }
  while (boxes.length < weights.length) boxes.push({ x: rest.x, y: rest.y, width: 0, height: 0 });
  return boxes;
}

function nextRow(areas, start, side) {
  let end = start;
  let total = 0;
  let worst = Infinity;
  while (end < areas.length) {
    const widened = total + areas[end];
    const oblong = Math.max((side * side * areas[start]) / widened ** 2, widened ** 2 / (side * side * areas[end]));
    if (oblong > worst) break;
    worst = oblong;
    total = widened;
    end += 1;
  }
  return areas.slice(start, end);
}

/** Adds the row's rectangles to `boxes`, and returns what is left. */
function layRow(row, box, boxes) {
  const isColumn = box.width >= box.height;
  const side = isColumn ? box.height : box.width;
  const depth = side > 0 ? Math.min(sum(row) / side, isColumn ? box.width : box.height) : 0;
  let at = isColumn ? box.y : box.x;
  for (const area of row) {
    const length = depth > 0 ? area / depth : 0;
    boxes.push(
      isColumn ? { x: box.x, y: at, width: depth, height: length } : { x: at, y: box.y, width: length, height: depth },
    );
    at += length;
  }
  return isColumn
    ? { x: box.x + depth, y: box.y, width: box.width - depth, height: box.height }
    : { x: box.x, y: box.y + depth, width: box.width, height: box.height - depth };
}
