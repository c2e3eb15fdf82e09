// Keys. An element says which key works it: data-key="f", "g i" (one after the other), "mod+k" (Ctrl or Cmd), "n,]" (either).
// A link or button is clicked, a field is focused; with data-key-send="name" the event of that name is sent to the document.
// Nothing fires while somebody types. `?` (the element that opens #keys) shows the keys of the screen, read from the page itself.
const WAIT = 1200;
let prefix = "";
let timer;

const typing = (element) =>
  element?.isContentEditable || element?.matches?.("input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select");

const spellings = (element) => element.dataset.key.split(/,(?=.)/).map((key) => key.trim());

function nameOf(event) {
  const key = event.key === " " ? "Space" : event.key;
  const named = key.length > 1 && event.shiftKey ? "shift+" : "";
  return (event.ctrlKey || event.metaKey ? "mod+" : "") + named + ((event.ctrlKey || event.metaKey) && key.length === 1 ? key.toLowerCase() : key);
}

// What a form of a closed fold would send, nobody has seen. The deeds of menus have keys of their own.
const isFolded = (element) => element.matches("form button") && element.closest("details:not([open], .menu) > :not(summary)") !== null;

function candidates(at) {
  const dialogs = document.querySelectorAll("dialog[open]");
  const scope = dialogs.length ? dialogs[dialogs.length - 1] : document;
  const found = [...scope.querySelectorAll("[data-key]")].filter((element) => !element.disabled && !element.closest("[inert]") && !isFolded(element));
  // The keys of the form that somebody is in win over the screen's, and those over the frame's.
  const form = at.closest?.("form");
  const near = (element) => (form?.contains(element) ? 2 : element.closest("main") ? 1 : 0);
  return found.sort((a, b) => near(b) - near(a));
}

function work(element, event) {
  event.preventDefault();
  if (element.dataset.keySend) {
    document.dispatchEvent(new CustomEvent(element.dataset.keySend, { detail: { from: event.target } }));
  } else if (typing(element)) {
    element.focus();
    element.select?.();
  } else {
    element.click();
    // The arrow keys move on from there.
    if (element.closest("details.menu") === element.parentElement) element.focus();
  }
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey || ["Shift", "Control", "Meta"].includes(event.key)) return;
  const name = nameOf(event);
  if (typing(event.target) && !name.startsWith("mod+")) {
    if (event.key === "Escape" && !event.target.closest("dialog")) event.target.blur();
    return;
  }
  // Enter and Space belong to the link or button that has the focus.
  if (["Enter", "Space"].includes(name) && event.target.matches("a[href], button, summary, input, [role=button]")) return;
  const all = candidates(event.target);
  const wanted = prefix ? `${prefix} ${name}` : name;
  const element = all.find((one) => spellings(one).includes(wanted));
  clearTimeout(timer);
  prefix = "";
  if (element) return work(element, event);
  if (all.some((one) => spellings(one).some((key) => key.startsWith(`${name} `)))) {
    prefix = name;
    timer = setTimeout(() => (prefix = ""), WAIT);
  }
});

const words = (element) => {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  if (element.ariaLabel) return element.ariaLabel;
  const copy = element.cloneNode(true);
  copy.querySelectorAll("kbd, svg, .rail-count, .visually-hidden").forEach((part) => part.remove());
  return copy.textContent.trim() || element.title || element.placeholder || "";
};

const mac = /Mac|iPhone|iPad/.test(navigator.platform);
const SIGNS = { mod: mac ? "⌘" : "Ctrl", shift: "⇧", Enter: "↵", Escape: "Esc", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };

function caps(spelling) {
  const parts = spelling.split(/[ ]|\+(?=.)/).flatMap((part) => (/^\p{Lu}$/u.test(part) ? ["shift", part.toLowerCase()] : [part]));
  return parts.map((part) => {
    const cap = document.createElement("kbd");
    cap.textContent = SIGNS[part] ?? part;
    return cap;
  });
}

const sheet = document.getElementById("keys");
sheet?.addEventListener("toggle", () => {
  if (!sheet.open) return;
  const groups = { screen: [], go: [], everywhere: [] };
  const seen = new Set();
  // As they are worked: where a key has two uses, the one of the screen is the true one.
  const all = [...document.querySelectorAll("[data-key]")].sort((a, b) => Boolean(b.closest("main")) - Boolean(a.closest("main")));
  for (const element of all) {
    if (element.disabled || element.closest("dialog") || isFolded(element) || spellings(element).some((key) => seen.has(key))) continue;
    spellings(element).forEach((key) => seen.add(key));
    const group = element.dataset.key.startsWith("g ") ? "go" : element.closest("main") ? "screen" : "everywhere";
    groups[group].push(element);
  }
  for (const [name, elements] of Object.entries(groups)) {
    const section = sheet.querySelector(`[data-keys="${name}"]`);
    section.hidden = !elements.length;
    section.querySelector(".keys-list").replaceChildren(
      ...elements.map((element) => {
        const row = document.createElement("li");
        const label = document.createElement("span");
        row.className = "keys-row";
        label.textContent = words(element);
        const combination = document.createElement("span");
        combination.append(...caps(spellings(element)[0]));
        row.append(label, combination);
        return row;
      }),
    );
  }
});
