// The report page.
//
// The program puts the files of this folder one after another into one module script: they share one scope, in strict
// mode, and nothing of it is global. Their order does not matter, but that this one, which begins, is the last.
// Reading on: `PlannedImage` is the data, `WhatIf` the question, `Treemap` the picture.
//
// There is one selection, a node or a layer, and one set of matches of a search. Whoever changes one of them tells the
// page, and the page tells everyone else.

class Page {
  constructor(report) {
    this.report = report;
    this.images = [];
    this.hasImages = report.images.length > 0;
    this.histories = readHistories(report.histories ?? []);
    this.selection = null;
    this.matches = null;
    this.showHeader();
    if (this.hasImages) this.buildMap();
    this.theme = new Theme({ button: byId("theme"), onChange: (name) => this.recolour(name) });
    if (this.hasImages) this.showImage(0);
    showSummary(byId("summary"), { ...report, image: this.image, histories: this.histories });
    if (this.histories.length) new Pulls({ histories: this.histories, onImage: (at) => this.visitImage(at) });
  }

  showHeader() {
    const { title, command, program } = this.report;
    document.title = `${visible(title)} · layerwright ${command}`;
    byId("title").replaceChildren(isolated(title));
    byId("command").textContent = command;
    byId("program").textContent = program;
  }

  buildMap() {
    const onSelect = (selection) => this.select(selection);
    const onZoom = (layer) => this.showTrail(layer);
    this.treemap = new Treemap({ box: byId("treemap"), tooltip: new Tooltip(byId("tooltip")), onSelect, onZoom });
    this.details = new Details({ box: byId("details"), onSelect, onZoom: (layer) => this.treemap.zoom(layer) });
    this.layers = new LayerTable({ table: byId("layers"), onSelect: (selection) => this.visit(selection) });
    this.search = new Search({ onMatches: (matches) => this.find(matches), onSelect: (node) => this.select({ node }) });
    byId("map").hidden = false;
    byId("layer-list").hidden = false;
    fillSelect(
      byId("image"),
      this.report.images.map(({ name }, at) => ({ value: at, text: name })),
    );
    byId("image-choice").hidden = this.report.images.length < 2;
    byId("image").addEventListener("change", (event) => this.showImage(Number(event.target.value)));
    byId("colour").addEventListener("change", () => this.recolour(this.theme.name));
    addEventListener("hashchange", () => this.followAddress());
  }

  /** Shows another image and goes to it. */
  visitImage(at) {
    byId("image").value = String(at);
    this.showImage(at);
    byId("map").scrollIntoView();
    byId("treemap").focus({ preventScroll: true });
  }

  /** Selects what the map shows, and goes to it. */
  visit(selection) {
    this.select(selection);
    byId("map").scrollIntoView();
  }

  showImage(at) {
    // There may be one for each run: those that nobody looks at are not worked out.
    this.images[at] ??= new PlannedImage(this.report.images[at]);
    this.image = this.images[at];
    this.offerSchemes();
    byId("search-box").hidden = this.image.names.length === 0;
    this.layers.show(this.image);
    this.treemap.show(this.image, this.paints(this.theme.name));
    this.showTrail(null);
    this.select(readAddress(this.image));
    this.search.show(this.image);
    this.recolour(this.theme.name);
  }

  /** What the image tells can be a colour; what was chosen stays chosen. */
  offerSchemes() {
    const known = Object.entries(SCHEMES).filter(([, scheme]) => scheme.isKnown(this.image));
    const before = byId("colour").value;
    fillSelect(
      byId("colour"),
      known.map(([value, { label }]) => ({ value, text: label })),
    );
    const names = known.map(([name]) => name);
    byId("colour").value = [before, "state", ...names].find((name) => names.includes(name));
  }

  get scheme() {
    return SCHEMES[byId("colour").value];
  }

  paints(theme) {
    return this.scheme.paints(this.image, theme);
  }

  recolour(theme) {
    if (!this.image) return;
    this.treemap.recolour(this.paints(theme));
    showLegend(byId("legend"), this.scheme, this.image, theme);
  }

  /** `{ node }`, `{ layer }` or null. */
  select(selection) {
    this.selection = selection;
    const layer = selectedLayer(this.image, selection);
    const isNode = selection?.node !== undefined;
    const whatIf = isNode && this.image.hasReferences ? new WhatIf(this.image, selection.node) : null;
    this.whatIf = whatIf;
    this.details.show(this.image, selection, whatIf);
    this.layers.select(layer ?? null);
    if (layer && this.treemap.zoomed && layer !== this.treemap.zoomed) this.treemap.zoom(null);
    this.treemap.moveTo(selection);
    this.mark();
    writeAddress(this.image, selection);
    const answer = whatIf?.sentence(this.image) ?? "";
    byId("answer").replaceChildren(isolated(answer));
    if (selection) announce(answer || `${isNode ? this.image.shortName(selection.node) : layer.title} selected`);
  }

  find(matches) {
    this.matches = matches;
    this.mark();
  }

  mark() {
    this.treemap.mark({ whatIf: this.whatIf, matches: this.matches, selection: this.selection });
  }

  /** Other fragments than ours leave the selection as it is. */
  followAddress() {
    const selection = readAddress(this.image);
    if (selection) this.select(selection);
  }

  /** The way back from a layer that was gone into. */
  showTrail(layer) {
    const whole = `Whole image: ${counted(this.image.layers.length, "layer")}`;
    const back = () => {
      this.treemap.zoom(null);
      byId("treemap").focus();
    };
    byId("trail").replaceChildren(
      ...(layer
        ? [linkButton(whole, back), " › ", isolated(`${layer.title}, ${formatBytes(layer.size)}`)]
        : [isolated(whole)]),
    );
  }
}

new Page(JSON.parse(byId("data").textContent));
document.documentElement.dataset.ready = "true";
