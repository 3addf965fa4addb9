// What simulated updates make a client pull: which history and limit is looked at, its curve, and a table of figures.

class Pulls {
  /** `onImage` hears which image a run ended with, by its place in the report. */
  constructor({ histories, onImage }) {
    this.histories = histories;
    this.curve = new Curve({ box: byId("curve"), legend: byId("curve-legend") });
    this.table = new SortableTable({
      table: byId("runs"),
      caption: "Figures of each run",
      columns: runColumns(onImage, this),
    });
    this.controls = {
      history: byId("history"),
      limit: byId("limit"),
      kind: byId("curve-kind"),
      log: byId("curve-log"),
    };
    byId("pulls").hidden = false;
    this.fillControls();
    this.listen();
    this.show();
  }

  fillControls() {
    const { history, limit, kind } = this.controls;
    const limits = this.limits();
    fillSelect(
      history,
      this.histories.map(({ name, file }, at) => ({ value: at, text: name, title: file })),
    );
    fillSelect(limit, [
      { value: "", text: "all limits" },
      ...limits.map((most) => ({ value: most, text: `at most ${most}` })),
    ]);
    fillSelect(
      kind,
      Object.entries(CURVE_KINDS).map(([value, { label }]) => ({ value, text: label })),
    );
    byId("history-choice").hidden = this.histories.length < 2;
    byId("limit-choice").hidden = limits.length < 2;
    // More lines than planners have colours cannot be told apart at first sight. With few layers planners differ most.
    if (this.histories[0].runs.length > SERIES_COLOURS) limit.value = String(limits[0]);
  }

  limits() {
    const all = this.histories.flatMap((history) => history.runs.map((run) => run.maxLayers));
    return distinct(all).sort((a, b) => a - b);
  }

  listen() {
    const { history, limit, kind, log } = this.controls;
    history.addEventListener("change", () => this.show());
    limit.addEventListener("change", () => this.show());
    kind.addEventListener("change", () => this.curve.set({ kind: kind.value }));
    log.addEventListener("change", () => this.curve.set({ isLog: log.checked }));
  }

  show() {
    const history = this.histories[Number(this.controls.history.value)];
    const limit = this.controls.limit.value;
    const runs = history.runs.filter((run) => limit === "" || String(run.maxLayers) === limit);
    this.best = bestByLimit(runs);
    this.limitsShown = distinct(runs.map((run) => run.maxLayers));
    this.curve.show(history, runs);
    this.table.show(runs);
  }
}

/** By limit the least that any run pulled, where they differ. */
function bestByLimit(runs) {
  const best = new Map();
  for (const limit of distinct(runs.map((run) => run.maxLayers))) {
    const totals = runs.filter((run) => run.maxLayers === limit).map((run) => run.total);
    if (distinct(totals).length > 1) best.set(limit, Math.min(...totals));
  }
  return best;
}

function runColumns(onImage, pulls) {
  const bytes = (title, of) => numberColumn(title, of, (run) => formatBytes(of(run)));
  const isBest = (run) => run.total === pulls.best.get(run.maxLayers);
  const tag = (run) => (isBest(run) ? element("span", { class: "tag" }, "least") : null);
  const ofSingle = ({ total, history }) => formatShare(total, history.singleTotal);
  const ofFloor = ({ total, history }) => formatMultiple(total, history.floorTotal);
  const largestShare = ({ largestPermille }) => largestPermille;
  const planning = ({ planningMicros }) => planningMicros;
  return [
    textColumn(
      "Planner",
      (run) => run.planner,
      (run) => plannerCell(run, pulls.limitsShown, onImage),
    ),
    placeColumn("Max", (run) => run.maxLayers),
    placeColumn("Layers", (run) => run.layersUsed),
    numberColumn(
      "Pulled",
      (run) => run.total,
      (run) => [tag(run), formatBytes(run.total)],
    ),
    numberColumn("Of single", (run) => run.total, ofSingle),
    numberColumn("Of floor", (run) => run.total, ofFloor),
    bytes("P50", (run) => run.median),
    bytes("P95", (run) => run.p95),
    bytes("Most", (run) => run.most),
    numberColumn("Largest", largestShare, (run) => formatPermille(largestShare(run))),
    numberColumn("Planning", planning, (run) => formatMicros(planning(run))),
  ];
}

/** The planner, and a way to its last plan where the report has it. */
function plannerCell(run, limits, onImage) {
  const name = [sample(lineOfRun(run, limits)), isolated(run.planner, "clipped")];
  if (run.image === null) return name;
  return [
    ...name,
    linkButton("map", () => onImage(run.image), {
      "aria-label": `Show the last plan of ${run.name} on the map`,
      title: "Show its last plan on the map",
    }),
  ];
}
