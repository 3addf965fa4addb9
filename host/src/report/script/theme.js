// Light or dark: as the system has it, until the reader says otherwise. On paper always light.

class Theme {
  /** `onChange` hears "light" or "dark". */
  constructor({ button, onChange }) {
    this.button = button;
    this.onChange = onChange;
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.print = matchMedia("print");
    this.chosen = null;
    for (const query of [this.system, this.print]) query.addEventListener("change", () => this.apply());
    button.addEventListener("click", () => this.toggle());
    this.apply();
  }

  get name() {
    if (this.print.matches) return "light";
    return this.chosen ?? (this.system.matches ? "dark" : "light");
  }

  toggle() {
    this.chosen = this.name === "dark" ? "light" : "dark";
    this.apply();
  }

  apply() {
    document.documentElement.dataset.theme = this.name;
    const other = this.name === "dark" ? "light" : "dark";
    this.button.textContent = this.name === "dark" ? "☀ Light" : "☾ Dark";
    this.button.setAttribute("aria-label", `Switch to the ${other} theme`);
    this.onChange(this.name);
  }
}
