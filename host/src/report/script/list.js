// Lists that may be long, of which some is shown at first.

/** How many things are shown at first, and how many more each time. */
const LIST_STEP = 12;
const LIST_MORE = 200;

/** A titled list that shows more when asked to; null if there is nothing. `rowOf` returns a link and a size. */
function growing(things, title, rowOf) {
  if (things.length === 0) return null;
  const rows = element("ul", { class: "rows" });
  const more = element("button", { type: "button", class: "quiet", onclick: () => grow(LIST_MORE) });
  const grow = (step) => {
    const shown = rows.children.length;
    const added = things.slice(shown, shown + step).map((thing) => element("li", {}, rowOf(thing)));
    rows.append(...added);
    const left = things.length - rows.children.length;
    more.hidden = left === 0;
    more.textContent = left ? `and ${formatCount(left)} more` : "";
    // The button may have gone from under the focus.
    if (shown > 0) added[0].querySelector("button").focus();
  };
  grow(LIST_STEP);
  return element(
    "section",
    { class: "list" },
    element("h4", {}, `${title} (${formatCount(things.length)})`),
    rows,
    more,
  );
}
