// Offers what can be filled in where `#` is typed. Without it the list can be opened, and names be typed.
"use strict";
const offered = document.getElementById("tags");
if (offered) {
  const all = [...offered.querySelectorAll("[data-tag]")].map((one) => ({
    name: one.dataset.tag,
    value: one.dataset.value,
    means: one.querySelector("dd").textContent,
  }));
  const told = document.getElementById("tags-told");
  const fields = offered.dataset.for.split(" ").map((id) => document.getElementById(id)).filter(Boolean);
  const most = 8;

  const beside = (field) => {
    const list = document.createElement("ul");
    list.id = `${field.id}-tags`;
    list.className = "tag-list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "What can be filled in");
    list.hidden = true;
    field.insertAdjacentElement("afterend", list);
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", list.id);
    let found = [], at = 0, begins = -1;

    const close = () => {
      if (!list.hidden) told.textContent = "";
      list.hidden = true;
      begins = -1;
      field.removeAttribute("aria-activedescendant");
    };
    const mark = (index) => {
      at = (index + found.length) % found.length;
      [...list.children].forEach((one, place) => one.setAttribute("aria-selected", place === at));
      field.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    };
    const choose = (tag) => {
      const end = field.selectionStart, start = begins;
      close();
      field.setRangeText(tag.value, start, end, "end");
      field.focus();
    };
    const look = () => {
      const before = field.value.slice(0, field.selectionStart);
      const typed = /(?<![&#\w])#(\w*)$/.exec(before);
      if (!typed || field.selectionStart !== field.selectionEnd) { close(); return; }
      const wanted = typed[1].toLowerCase();
      const fits = (one) => one.name.startsWith(wanted) || one.name.split("_").some((word) => word.startsWith(wanted));
      found = all.filter(fits).sort((one, other) => other.name.startsWith(wanted) - one.name.startsWith(wanted)).slice(0, most);
      if (!found.length) { close(); return; }
      begins = typed.index;
      list.replaceChildren(...found.map((tag, place) => {
        const one = document.createElement("li");
        one.id = `${list.id}-${place}`;
        one.setAttribute("role", "option");
        const name = document.createElement("code"), value = document.createElement("bdi"), means = document.createElement("span");
        name.textContent = `#${tag.name}`;
        value.textContent = tag.value;
        means.className = "dim";
        means.textContent = tag.means;
        one.append(name, " ", value, means);
        // Before the field loses the focus.
        one.addEventListener("pointerdown", (event) => { event.preventDefault(); choose(tag); });
        return one;
      }));
      list.style.width = `${field.offsetWidth}px`;
      list.hidden = false;
      list.scrollIntoView({ block: "nearest" });
      told.textContent = found.length === 1 ? "1 thing can be filled in." : `${found.length} things can be filled in; up and down choose.`;
      mark(0);
    };

    field.addEventListener("input", look);
    field.addEventListener("click", look);
    field.addEventListener("blur", close);
    field.addEventListener("keydown", (event) => {
      if (list.hidden || event.isComposing) return;
      if (event.key === "ArrowDown") mark(at + 1);
      else if (event.key === "ArrowUp") mark(at - 1);
      else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) choose(found[at]);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    });
  };
  fields.forEach(beside);
}
