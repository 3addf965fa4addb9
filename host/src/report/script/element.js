// Making elements. Texts of the report may be anybody's: they only ever become text nodes and attribute values.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function byId(id) {
  return document.getElementById(id);
}

/** An HTML element. Children are elements, texts, or nothing; `onclick` and the like are functions. */
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for an element of a drawing. */
function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== false) made.setAttribute(name, visible(String(value)));
  }
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

/** A text that cannot turn around the direction of what stands beside it. */
function isolated(text, className = null) {
  return element("bdi", { class: className }, visible(text));
}

/** A button that looks like a link. */
function linkButton(text, onclick, attributes = {}) {
  return element("button", { type: "button", class: "link", ...attributes, onclick }, isolated(text));
}

/** A horizontal bar of bytes, in parts: `{ amount, class, text }`. */
function stackedBar(parts) {
  const shown = parts.filter((part) => part.amount > 0);
  const titles = shown.map(({ amount, text }) => `${text}: ${formatBytes(amount)}`);
  const pieces = shown.map((part, at) => {
    const piece = element("span", { class: part.class, title: titles[at] });
    // The policy forbids style attributes, but not this way to set them.
    piece.style.flexGrow = String(part.amount);
    return piece;
  });
  return element("div", { class: "bar", role: "img", "aria-label": titles.join(", ") }, pieces);
}

function fillSelect(select, options) {
  select.replaceChildren(...options.map(({ value, text, title = null }) => element("option", { value, title }, visible(text))));
}

/** Tells screen readers what was just shown to everyone else. */
function announce(text) {
  byId("announcement").textContent = visible(text);
}

/** Calls back with what a box measures, now and whenever it changes. */
function onResize(box, callback) {
  new ResizeObserver(() => callback()).observe(box);
}

/** Calls back whenever a CSS pixel has become another number of the screen's, as on another screen. */
function onPixelRatio(callback) {
  const again = () => {
    callback();
    onPixelRatio(callback);
  };
  matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", again, { once: true });
}
