// What the colours of the map mean, and what its marks do.

/** Fills `box` for a scheme, an image and a theme. */
function showLegend(box, scheme, image, theme) {
  const { meaning, ticks = [], keys = [] } = scheme.legend(image);
  const scale = ticks.length ? rampLegend(scheme, ticks, theme) : null;
  const states = keys.map(({ state, text }) => keyed(state, text));
  const sizes = image.isOfBlobs ? ` Layers have the sizes of their blobs, ${image.noun}s those before compression.` : "";
  const hint = element("p", { class: "hint" }, meaning + sizes);
  box.replaceChildren(...[scale, ...states, hint].filter((part) => part !== null));
}

/** A ramp with its ticks below. */
function rampLegend(scheme, ticks, theme) {
  const canvas = element("canvas", { width: RAMP_STEPS, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const stops = RAMPS[theme][scheme.ramp];
  for (let step = 0; step < RAMP_STEPS; step += 1) {
    context.fillStyle = rgb(onRamp(stops, step / (RAMP_STEPS - 1)));
    context.fillRect(step, 0, 1, 1);
  }
  const labels = ticks.map(({ at, text }) => {
    const label = element("span", { class: at === 0 ? "first" : at === 1 ? "last" : null }, text);
    label.style.left = `${at * 100}%`;
    return label;
  });
  return element("div", { class: "ramp" }, canvas, element("div", { class: "ticks" }, labels));
}

/** A text behind the swatch of what it is about. */
function keyed(name, text) {
  return element("p", { class: "key" }, swatch(name), element("span", {}, text));
}

function swatch(name) {
  return element("span", { class: `swatch ${name}`, "aria-hidden": "true" });
}
