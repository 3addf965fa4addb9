// Scales of the pull curves: from bytes and updates to places, and which of them have a tick.

const MOST_TICKS = 6;

/** From 0, with ticks at round multiples of a binary unit. */
function linearScale(most, extent) {
  const step = roundStep(Math.max(most, 1) / MOST_TICKS);
  const ticks = Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, at) => at * step);
  const top = ticks.at(-1);
  return { ticks, placeOf: (bytes) => extent * (1 - bytes / top) };
}

/** Of a unit, round numbers whose multiples stay round; large ones so that they meet the next unit. */
const ROUND = [1, 2, 5, 10, 20, 50, 128, 256, 512, 1024];

/** The smallest round number of a unit that is not below. */
function roundStep(least) {
  const unit = 1024 ** Math.min(binaryPower(least), BINARY_UNITS.length - 1);
  const factor = ROUND.find((factor) => factor * unit >= least) ?? 1024;
  return Math.max(factor * unit, 1);
}

/** Between powers of two, with ticks at some of them. What is less lies at the bottom. */
function logScale(least, most, extent) {
  const first = Math.floor(Math.log2(Math.max(least, 1)));
  const last = Math.max(Math.ceil(Math.log2(Math.max(most, 1))), first + 1);
  const stride = Math.ceil((last - first) / MOST_TICKS);
  const ticks = [];
  for (let power = first; power <= last; power += stride) ticks.push(2 ** power);
  const share = (bytes) => Math.max((Math.log2(Math.max(bytes, 1)) - first) / (last - first), 0);
  return { ticks, placeOf: (bytes) => extent * (1 - share(bytes)) };
}

/** `2 GiB`, `1.25 GiB` */
function formatTick(bytes) {
  const power = Math.min(binaryPower(bytes), BINARY_UNITS.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(2))} ${BINARY_UNITS[power]}`;
}

/** Some of so many positions, both ends among them. */
function spread(count, most) {
  const shown = Math.min(count, Math.max(most, 2));
  return distinct(Array.from({ length: shown }, (_, at) => Math.round((at * (count - 1)) / Math.max(shown - 1, 1))));
}
