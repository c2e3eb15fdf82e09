// The command palette: #palette. Screens are in the page and filtered here; anything else (saved views, queues, ids, seeds,
// fingerprints) the server finds: the field has hx-get, its answer is options put into #palette-found.
const palette = document.getElementById("palette");
const field = palette?.querySelector("[role=combobox]");
const named = palette?.querySelector("[data-palette-named]");
const local = palette?.querySelector("[data-palette-local]");
let numbered = 0;
const screens = [...(local?.querySelectorAll("[role=option]") ?? [])];

const options = () => [...palette.querySelectorAll("[role=option]")].filter((option) => !option.hidden);

function select(option) {
  palette.querySelectorAll("[aria-selected=true]").forEach((one) => one.setAttribute("aria-selected", "false"));
  if (!option) return field.removeAttribute("aria-activedescendant");
  option.id ||= `palette-option-${++numbered}`;
  option.setAttribute("aria-selected", "true");
  option.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", option.id);
}

// Letters in order are enough: "ints" finds Interactions.
function matches(text, query) {
  let at = 0;
  for (const letter of query) {
    at = text.indexOf(letter, at) + 1;
    if (!at) return false;
  }
  return true;
}

// Whether this option is for what stands in the field: who types fast must not open what half of it found.
function isCurrent(option) {
  const query = field.value.trim().slice(0, 200);
  if (!option) return !query || !field.hasAttribute("hx-get");
  return (option.dataset.for ?? query) === query;
}

function refresh() {
  const query = field.value.trim().toLowerCase();
  // A screen whose name begins so comes before all that the server finds; one that only has its letters, after.
  for (const option of screens) {
    const name = option.textContent.trim().toLowerCase();
    option.hidden = !matches(name, query);
    (query && name.startsWith(query) ? named : local).append(option);
  }
  for (const group of palette.querySelectorAll("[role=group]")) {
    group.hidden = ![...group.querySelectorAll("[role=option]")].some((option) => !option.hidden);
  }
  palette.querySelector("[data-palette-none]").hidden = options().length > 0;
  select(options()[0]);
}

if (palette) {
  // Enter came before the answer to what was typed; the next Enter takes what is there.
  let waits = false;
  let chosen = false;
  // Emptied when it closes, not when it opens: letters typed at once after the key must not be lost.
  palette.addEventListener("close", () => {
    waits = chosen = false;
    field.value = "";
    document.getElementById("palette-found").replaceChildren();
    refresh();
  });
  const open = (option) => {
    waits = false;
    palette.close();
    option?.click();
  };
  field.addEventListener("input", () => {
    waits = chosen = false;
    refresh();
  });
  refresh();
  palette.addEventListener("htmx:after:swap", () => {
    chosen = false;
    refresh();
    if (waits && isCurrent(options()[0])) open(options()[0]);
  });
  palette.addEventListener("keydown", (event) => {
    const all = options();
    const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? (event.ctrlKey ? { n: 1, p: -1 }[event.key] : undefined);
    if (step && all.length) {
      event.preventDefault();
      chosen = true;
      select(all[(at + step + all.length) % all.length]);
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      if (waits || chosen || isCurrent(all[at])) open(all[at]);
      else waits = true;
    }
  });
}
