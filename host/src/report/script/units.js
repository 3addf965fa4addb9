// How numbers and names are written: as the program prints them.

const BINARY_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** `1.50 MiB`; bytes below a KiB have no decimals. */
function formatBytes(bytes) {
  const power = Math.min(binaryPower(bytes), BINARY_UNITS.length - 1);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(2)} ${BINARY_UNITS[power]}`;
}

/** How often 1024 goes into a size. */
function binaryPower(bytes) {
  let power = 0;
  for (let rest = bytes; rest >= 1024; rest /= 1024) power += 1;
  return power;
}

/** `10,000` */
function formatCount(count) {
  return count.toLocaleString("en");
}

/** `1 layer`, `2 layers` */
function counted(count, one, several = `${one}s`) {
  return `${formatCount(count)} ${count === 1 ? one : several}`;
}

/** `12.3 %`, rounded, but not to nothing; `-` for a share of nothing. */
function formatShare(part, whole) {
  if (whole <= 0) return "-";
  const permille = Math.round((part / whole) * 1000);
  return permille === 0 && part > 0 ? "< 0.1 %" : formatPermille(permille);
}

/** `12.3 %` */
function formatPermille(permille) {
  return `${(permille / 10).toFixed(1)} %`;
}

/** `1.14 x`, rounded; `-` for a multiple of nothing. */
function formatMultiple(part, whole) {
  return whole > 0 ? `${(Math.round((part / whole) * 100) / 100).toFixed(2)} x` : "-";
}

/** `46.33 ms` */
function formatMicros(micros) {
  if (micros < 1000) return `${micros} µs`;
  return micros < 1e6 ? `${(micros / 1e3).toFixed(2)} ms` : `${(micros / 1e6).toFixed(2)} s`;
}

function sum(numbers) {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}

/** The largest of any number of numbers, and of `least`. */
function largest(numbers, least = 0) {
  return numbers.reduce((most, number) => Math.max(most, number), least);
}

/** The smallest of the ascending values that so many percent do not exceed. */
function percentile(ascending, percent) {
  return ascending[Math.ceil((ascending.length * percent) / 100) - 1] ?? 0;
}

/** What Unicode says is not seen, or turns around the direction of texts; ends of lines, annotations, and empty Braille. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb]/gu;

/** With a replacement for characters that cannot be seen, so that no two names look alike for them. */
function visible(text) {
  return text.replace(UNSEEN, "\ufffd");
}

/** No name in a heading is longer, in characters; the details have all of it. */
const NAME_LENGTH = 120;

/** At most so many characters, the last of them an ellipsis if it is not all. */
function shortened(text, length) {
  const characters = Array.from(visible(text));
  return characters.length > length ? `${characters.slice(0, length - 1).join("")}…` : characters.join("");
}
