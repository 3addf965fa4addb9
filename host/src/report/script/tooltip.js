// What is under the pointer. Screen readers hear the same from the keyboard's announcements and the tables.

class Tooltip {
  constructor(box) {
    this.box = box;
  }

  /** Lines of text, or with null those that it has, beside where an event is. */
  show(lines, { clientX, clientY }) {
    if (lines) this.box.replaceChildren(...lines.map((line) => element("div", {}, isolated(line))));
    this.box.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = clientX + 14 + width > innerWidth ? clientX - 14 - width : clientX + 14;
    const top = clientY + 18 + height > innerHeight ? clientY - 12 - height : clientY + 18;
    Object.assign(this.box.style, { left: `${Math.max(left, 4)}px`, top: `${Math.max(top, 4)}px` });
  }

  hide() {
    this.box.hidden = true;
  }
}
