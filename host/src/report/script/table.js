// A table that can be sorted by each of its columns.

/** How many rows are shown before all are asked for: browsers take long over tens of thousands. */
const ROWS_SHOWN = 300;

class SortableTable {
  /** `onRow` is called with the thing whose row was clicked. */
  constructor({ table, caption, columns, onRow = null }) {
    Object.assign(this, { table, columns, onRow, order: null, shown: ROWS_SHOWN });
    this.body = element("tbody");
    this.foot = element("tfoot");
    this.headings = columns.map((column) => this.heading(column));
    const head = element("thead", {}, element("tr", {}, this.headings));
    table.replaceChildren(element("caption", { class: "unseen" }, caption), head, this.body, this.foot);
  }

  heading(column) {
    const button = element("button", { type: "button", onclick: () => this.sortBy(column) }, column.title);
    return element("th", { scope: "col", class: column.isNumber ? "number" : null }, button);
  }

  show(things) {
    this.things = things;
    this.draw();
  }

  /** Ascending, then descending; numbers the other way around, but for those of places. */
  sortBy(column) {
    const first = column.isNumber && !column.isPlace ? -1 : 1;
    const isAgain = this.order?.column === column;
    this.order = { column, sign: isAgain ? -this.order.sign : first };
    this.draw();
  }

  draw() {
    const sorted = this.sorted();
    this.rows = new Map(sorted.slice(0, this.shown).map((thing) => [thing, this.row(thing)]));
    this.body.replaceChildren(...this.rows.values());
    this.headings.forEach((heading, at) => this.showOrder(heading, this.columns[at]));
    const left = sorted.length - this.rows.size;
    this.foot.replaceChildren(...(left > 0 ? [this.moreRow(left)] : []));
    this.select(this.selected);
  }

  sorted() {
    if (!this.order) return this.things;
    const { column, sign } = this.order;
    return [...this.things].sort((a, b) => sign * compared(column.value(a), column.value(b)));
  }

  showOrder(heading, column) {
    const isSorted = this.order?.column === column;
    if (isSorted) heading.setAttribute("aria-sort", this.order.sign > 0 ? "ascending" : "descending");
    else heading.removeAttribute("aria-sort");
  }

  row(thing) {
    const cells = this.columns.map(({ isNumber, cell }) =>
      element("td", { class: isNumber ? "number" : null }, cell(thing)),
    );
    return element("tr", { onclick: this.onRow && (() => this.onRow(thing)) }, cells);
  }

  moreRow(left) {
    const more = () => {
      this.shown += left;
      this.draw();
    };
    const button = element(
      "button",
      { type: "button", class: "quiet", onclick: more },
      `Show ${formatCount(left)} more`,
    );
    return element("tr", {}, element("td", { colspan: this.columns.length }, button));
  }

  /** Marks the row of a thing; null for none. */
  select(thing) {
    this.rows?.get(this.selected)?.removeAttribute("aria-current");
    this.selected = thing;
    this.rows?.get(thing)?.setAttribute("aria-current", "true");
  }
}

/** A column of texts: what a thing is sorted by, and what shows it (the same, without `cell`). */
function textColumn(title, value, cell = value) {
  return { title, value, cell };
}

/** A column of numbers that are first sorted from the largest to the smallest. */
function numberColumn(title, value, cell = (thing) => formatCount(value(thing))) {
  return { title, isNumber: true, value, cell };
}

/** A column of numbers that are first sorted from the smallest to the largest. */
function placeColumn(title, value, cell) {
  return { ...numberColumn(title, value, cell), isPlace: true };
}

function compared(a, b) {
  if (typeof a === "string") return a.localeCompare(b, "en");
  return a - b;
}
