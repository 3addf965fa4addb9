// What a tile's colour means.
//
// Ramps are laid out in OKLCH, where equal steps look equal, and their lightness only ever rises or falls: they can be
// told apart without seeing hue, and in print. More stands out more from the page: darker on a light one, brighter on a
// dark one.

const RAMPS = {
  light: {
    popularity: [
      [0.95, 0.02, 215],
      [0.76, 0.09, 225],
      [0.42, 0.13, 265],
    ],
    changes: [
      [0.96, 0.03, 95],
      [0.79, 0.13, 65],
      [0.46, 0.15, 30],
    ],
  },
  dark: {
    popularity: [
      [0.3, 0.03, 265],
      [0.54, 0.1, 248],
      [0.86, 0.07, 210],
    ],
    changes: [
      [0.3, 0.03, 40],
      [0.58, 0.13, 45],
      [0.92, 0.11, 95],
    ],
  },
};
const STATES = {
  light: { kept: [0.8, 0.03, 220], new: [0.74, 0.13, 55] },
  dark: { kept: [0.38, 0.03, 230], new: [0.66, 0.13, 55] },
};
const UNKNOWN = { light: [0.9, 0, 0], dark: [0.35, 0, 0] };
/** Steps of lightness beside those of hue, so that neighbours differ in both. */
const LAYER_LIGHTNESS = { light: [0.84, 0.76, 0.68], dark: [0.6, 0.5, 0.42] };
/** Consecutive multiples of it are far from each other on the wheel. */
const GOLDEN_ANGLE = 137.508;
const RAMP_STEPS = 256;

/** Ways to colour tiles. `paints` makes, for an image, a function from node (or -1) and layer to a paint. */
const SCHEMES = {
  popularity: {
    label: "Popularity",
    ramp: "popularity",
    isKnown: (image) => distinct(image.popularity).length > 1,
    paints: (image, theme) => rampPaints(RAMPS[theme].popularity, theme, (node) => image.popularity[node] / 1000),
    legend: (image) => ({
      meaning: `How much is built upon a ${image.noun}: its rank by the popularity strategy’s score.`,
      ticks: [
        { at: 0, text: "least popular" },
        { at: 1, text: "most popular" },
      ],
    }),
  },
  changes: {
    label: "Change rate",
    ramp: "changes",
    isKnown: (image) => image.hasChanges,
    paints: (image, theme) =>
      rampPaints(RAMPS[theme].changes, theme, (node) => rateToPlace(image.changes[node] / image.updates)),
    legend: (image) => ({
      meaning: `In how many of ${counted(image.updates, "earlier update")} it was another version.`,
      ticks: [0, 0.1, 0.25, 0.5, 1].map((rate) => ({ at: rateToPlace(rate), text: `${rate * 100} %` })),
    }),
  },
  layer: {
    label: "Layer",
    isKnown: () => true,
    paints: (image, theme) => layerPaints(image, theme),
    legend: () => ({
      meaning: "Each layer has a colour of its own; its number stands in the table and beside the pointer.",
      ticks: [],
    }),
  },
  state: {
    label: "Kept or new",
    isKnown: (image) => image.hasStates,
    paints: (image, theme) => statePaints(theme),
    legend: () => ({
      meaning: "Whether it was a layer before, of the very same contents.",
      keys: [
        { state: "kept", text: "kept: need not be pulled" },
        { state: "new", text: "new: is pulled" },
      ],
    }),
  },
};

/** Most rates are low: the root spreads them out. */
function rateToPlace(rate) {
  return Math.sqrt(Math.min(Math.max(rate, 0), 1));
}

function rampPaints(stops, theme, placeOf) {
  const paints = Array.from({ length: RAMP_STEPS }, (_, step) => paint(onRamp(stops, step / (RAMP_STEPS - 1))));
  const unknown = paint(UNKNOWN[theme]);
  return (node) => paints[Math.round(placeOf(node) * (RAMP_STEPS - 1))] ?? unknown;
}

function layerPaints(image, theme) {
  const lightness = LAYER_LIGHTNESS[theme];
  const ofLayer = ({ index }) => paint([lightness[index % lightness.length], 0.1, (index * GOLDEN_ANGLE) % 360]);
  const paints = image.layers.map(ofLayer);
  return (_, layer) => paints[layer.index];
}

function statePaints(theme) {
  const { kept, new: isNew } = STATES[theme];
  const paints = { kept: paint(kept), new: { ...paint(isNew), isHatched: true } };
  const unknown = paint(UNKNOWN[theme]);
  return (_, layer) => paints[layer.state] ?? unknown;
}

/** A colour, and that of texts upon it. */
function paint(lch) {
  return { fill: rgb(lch), ink: luminance(lch) > INK_FLIPS ? "#000000" : "#ffffff", isHatched: false };
}

/** Relative luminance where black and white have the same contrast, which is 4.58: no other pair always has 4.5. */
const INK_FLIPS = 0.179;

/** Relative luminance, from 0 to 1. */
function luminance(lch) {
  const [red, green, blue] = linearRgb(lch).map((channel) => Math.min(Math.max(channel, 0), 1));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The colour at a place from 0 to 1. */
function onRamp(stops, place) {
  const scaled = place * (stops.length - 1);
  const before = Math.min(Math.floor(scaled), stops.length - 2);
  return stops[before].map((from, axis) => from + (stops[before + 1][axis] - from) * (scaled - before));
}

/** OKLCH as what every browser and canvas takes. */
function rgb(lch) {
  return `rgb(${linearRgb(lch).map(encoded).join(" ")})`;
}

function linearRgb([lightness, chroma, hue]) {
  const angle = (hue * Math.PI) / 180;
  const a = chroma * Math.cos(angle);
  const b = chroma * Math.sin(angle);
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

/** A linear channel in sRGB's curve, 0 to 255. */
function encoded(linear) {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(Math.max(value, 0), 1));
}
