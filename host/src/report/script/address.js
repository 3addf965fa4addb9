// What is selected, in the address: a link to a report can point at a node or a layer.

/** `#node=glibc-2.40` or `#layer=3`; nothing without a selection. */
function writeAddress(image, selection) {
  const fragment =
    selection?.node !== undefined
      ? `#node=${encodeURIComponent(image.names[selection.node])}`
      : selection?.layer
        ? `#layer=${selection.layer.index}`
        : location.pathname + location.search;
  if (!selection && !location.hash) return;
  // Viewers that show the page in a frame of their own may forbid it.
  try {
    history.replaceState(null, "", fragment);
  } catch {
    return;
  }
}

/** The selection that the address names, by a node's full or short name, or null. */
function readAddress(image) {
  const [key, value = ""] = location.hash.slice(1).split("=");
  if (key === "layer")
    return /^\d+$/.test(value) && image.layers[Number(value)] ? { layer: image.layers[Number(value)] } : null;
  if (key !== "node") return null;
  const name = decoded(value);
  const isNamed = (node) => image.names[node] === name || image.shortName(node) === name;
  const node = image.names.findIndex((_, node) => isNamed(node));
  return node < 0 ? null : { node };
}

/** What is not well encoded is nobody's name. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
