// One planner with one limit over one history, and what its pulls come down to.

class Run {
  constructor(raw, history, planners) {
    Object.assign(this, {
      planner: raw.planner,
      maxLayers: raw.max_layers,
      pulled: raw.pulled_bytes,
      layersUsed: raw.layers_used,
      largestPermille: raw.largest_layer_permille,
      planningMicros: raw.planning_us,
      image: raw.image ?? null,
      history,
    });
    /** Which planner of the report it is: lines of one planner look alike. */
    this.series = planners.indexOf(raw.planner);
    const ascending = [...raw.pulled_bytes].sort((a, b) => a - b);
    this.total = sum(ascending);
    [this.median, this.p95, this.most] = [50, 95, 100].map((percent) => percentile(ascending, percent));
  }

  /** `popularity, 100 layers` */
  get name() {
    return `${this.planner}, ${counted(this.maxLayers, "layer")}`;
  }
}

class PullHistory {
  constructor(raw, planners) {
    this.name = raw.name;
    this.since = raw.since;
    this.file = raw.file;
    this.dates = raw.dates;
    this.floor = raw.floor_bytes;
    this.single = raw.single_layer_bytes;
    this.floorTotal = sum(this.floor);
    this.singleTotal = sum(this.single);
    this.runs = raw.runs.map((run) => new Run(run, this, planners));
  }
}

/** All histories of a report. */
function readHistories(raw) {
  const planners = distinct(raw.flatMap((history) => history.runs.map((run) => run.planner)));
  return raw.map((history) => new PullHistory(history, planners));
}

/** In the order of their first appearance. */
function distinct(things) {
  return [...new Set(things)];
}
