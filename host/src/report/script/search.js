// Finding nodes by parts of their names.
//
// A node matches if its name has all words of the query, in any case. Names that begin like the query come first, then
// those that match without folder and hash, and among equals the largest. Only the first are listed; all are marked on
// the map.

const RESULTS_LISTED = 50;

class Search {
  /** `onMatches` hears a flag for each node, or null without a query; `onSelect` the node that was chosen. */
  constructor({ onMatches, onSelect }) {
    Object.assign(this, { onMatches, onSelect });
    this.input = byId("search");
    this.panel = byId("search-panel");
    this.count = byId("search-count");
    this.list = byId("search-results");
    this.input.addEventListener("input", () => this.run());
    this.input.addEventListener("focus", () => this.open(this.words.length > 0));
    this.input.addEventListener("blur", () => this.open(false));
    this.input.addEventListener("keydown", (event) => this.press(event));
    // A press of the pointer would take the focus, and with it the list, before the click is there.
    this.panel.addEventListener("pointerdown", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.focusOnSlash(event));
  }

  get words() {
    return this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  show(image) {
    this.image = image;
    this.lowerNames = image.names.map((name) => name.toLowerCase());
    this.lowerShort = image.names.map((_, node) => image.shortName(node).toLowerCase());
    this.run();
    this.open(false);
  }

  run() {
    const { words } = this;
    this.found = words.length ? this.matching(words) : [];
    this.at = -1;
    this.list.replaceChildren(...this.found.slice(0, RESULTS_LISTED).map((node, at) => this.option(node, at, words)));
    const bytes = formatBytes(sum(this.found.map((node) => this.image.sizes[node])));
    const listed = this.found.length > RESULTS_LISTED ? `, ${RESULTS_LISTED} of them listed` : "";
    this.count.textContent = words.length ? `${counted(this.found.length, "match", "matches")}, ${bytes}${listed}` : "";
    if (words.length) announce(this.count.textContent);
    this.open(words.length > 0 && document.activeElement === this.input);
    // Marking tens of thousands of tiles takes longer than the next key.
    cancelAnimationFrame(this.marking);
    this.marking = requestAnimationFrame(() => this.onMatches(words.length ? this.flags() : null));
  }

  matching(words) {
    const nodes = [];
    this.lowerNames.forEach((name, node) => {
      if (words.every((word) => name.includes(word))) nodes.push(node);
    });
    const fits = (node) =>
      Number(this.lowerShort[node].startsWith(words[0])) +
      Number(words.every((word) => this.lowerShort[node].includes(word)));
    return byDescending(
      byDescending(nodes, (node) => this.image.sizes[node]),
      fits,
    );
  }

  flags() {
    const flags = new Uint8Array(this.image.names.length);
    for (const node of this.found) flags[node] = 1;
    return flags;
  }

  option(node, at, words) {
    const { image } = this;
    const name = image.shortName(node);
    return element(
      "li",
      {
        id: `search-result-${at}`,
        role: "option",
        "aria-selected": "false",
        title: image.names[node],
        onclick: () => this.choose(at),
      },
      element("bdi", { class: "name" }, highlighted(visible(name), words)),
      element("span", { class: "number" }, formatBytes(image.sizes[node])),
      element("span", { class: "hint" }, image.layers[image.layerOf[node]]?.place ?? "no layer"),
    );
  }

  open(isOpen) {
    this.panel.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) this.move(-1);
  }

  press(event) {
    const listed = this.list.children.length;
    if (event.key === "ArrowDown" && listed) this.move((this.at + 1) % listed);
    else if (event.key === "ArrowUp" && listed) this.move((Math.max(this.at, 0) - 1 + listed) % listed);
    else if (event.key === "Enter" && listed) this.choose(Math.max(this.at, 0));
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
  }

  move(at) {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = at;
    const option = this.list.children[at];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  choose(at) {
    this.onSelect(this.found[at]);
    this.open(false);
  }

  clear() {
    this.input.value = "";
    this.run();
  }

  focusOnSlash(event) {
    const isTyping = event.target.closest?.("input, select, textarea");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.input.focus();
    this.input.select();
  }
}

/** A name in pieces, with each place of each word marked. */
function highlighted(name, words) {
  const lower = name.toLowerCase();
  // Where lower case has another length, places do not correspond.
  if (lower.length !== name.length) return [name];
  const isMarked = new Uint8Array(name.length);
  for (const word of words) {
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1))
      isMarked.fill(1, at, at + word.length);
  }
  const pieces = [];
  for (let start = 0, end = 0; start < name.length; start = end) {
    while (end < name.length && isMarked[end] === isMarked[start]) end += 1;
    const piece = name.slice(start, end);
    pieces.push(isMarked[start] ? element("mark", {}, piece) : piece);
  }
  return pieces;
}
