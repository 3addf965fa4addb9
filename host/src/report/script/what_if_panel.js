// What is said of a change: how much is sent again, and why.

/** The section about a change. `layerLink` makes a link to a layer. */
function whatIfPanel(image, whatIf, layerLink) {
  const [sent, isNew, shared] = [whatIf.sentBytes, whatIf.changedBytes, whatIf.sharedBytes].map(formatBytes);
  const layers = `${counted(whatIf.layers.length, "layer")} of ${formatCount(image.layers.length)}`;
  const renames = whatIf.changedCount > 1 ? ": it renames all that refer to it" : "";
  const largestFirst = byDescending(whatIf.layers, (layer) => layer.size);
  return element(
    "section",
    { id: "what-if", "aria-labelledby": "what-if-title" },
    element("h4", { id: "what-if-title" }, `If this ${image.noun} changes`),
    element("p", { class: "figure" }, element("strong", {}, sent), " is sent again,"),
    element("p", {}, `${formatShare(whatIf.sentBytes, image.size)} of the image: ${layers}.`),
    changeBar(image, whatIf),
    keyed("changed", `${isNew} new, in ${counted(whatIf.changedCount, image.noun)}${renames}`),
    keyed("shared", `${shared} only shares a layer with it`),
    growing(largestFirst, "Layers sent again", (layer) => [layerLink(layer), formatBytes(layer.size)]),
  );
}

/** The image, by what becomes of it. */
function changeBar(image, whatIf) {
  return stackedBar([
    { amount: whatIf.changedBytes, class: "changed", text: "new" },
    { amount: whatIf.sharedBytes, class: "shared", text: "only shares a layer" },
    { amount: image.size - whatIf.sentBytes, class: "rest", text: "stays" },
  ]);
}
