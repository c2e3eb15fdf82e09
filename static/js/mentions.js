// @ in a field [data-mentions] offers the people of the project, as they are typed: arrow keys choose, Enter or Tab takes, Escape
// closes. Only the server knows who they are; what is offered is asked of it as one types.
const ADDRESS = "/people/names/";
const WAIT = 80;
let list = null;
let field = null;
let timer;
let asked = 0;
let given = -1;

const typed = (text) => /(?:^|[^\w.+@/-])@([\p{L}\p{N}_.+-]*)$/u.exec(text.value.slice(0, text.selectionStart))?.[1];
const options = () => [...(list?.children ?? [])];
const chosen = () => options().find((one) => one.getAttribute("aria-selected") === "true");

function close() {
  clearTimeout(timer);
  asked++;
  list?.remove();
  list = null;
  field?.removeAttribute("aria-controls");
  field?.removeAttribute("aria-activedescendant");
}

function choose(option) {
  options().forEach((one) => one.setAttribute("aria-selected", String(one === option)));
  field.setAttribute("aria-activedescendant", option.id);
  document.dispatchEvent(new CustomEvent("announce", { detail: { message: option.textContent } }));
}

function take(option) {
  const end = field.selectionStart;
  const start = end - typed(field).length;
  field.setRangeText(`${option.dataset.handle} `, start, end, "end");
  given = field.selectionStart;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  close();
}

// The space that came with a name gives way to what ends its phrase.
document.addEventListener("beforeinput", (event) => {
  if (event.target !== field) return;
  const ends = event.inputType === "insertText" && /^[.,;:!?)]$/.test(event.data ?? "");
  if (ends && field.selectionStart === given && field.selectionEnd === given) field.setRangeText("", given - 1, given, "end");
  given = -1;
});

function show(people) {
  list?.remove();
  list = document.createElement("ul");
  list.className = "mention-list";
  list.id = "mention-list";
  list.setAttribute("role", "listbox");
  list.ariaLabel = "@";
  list.append(
    ...people.map(({ handle, name, email }, at) => {
      const option = document.createElement("li");
      const word = document.createElement("strong");
      const note = document.createElement("span");
      option.id = `mention-${at}`;
      option.dataset.handle = handle;
      option.setAttribute("role", "option");
      word.textContent = name;
      note.className = "menu-note";
      note.textContent = email;
      option.append(word, " ", note);
      return option;
    }),
  );
  field.after(list);
  field.setAttribute("aria-controls", list.id);
  choose(list.firstElementChild);
}

async function ask(text) {
  const mine = ++asked;
  const answer = await fetch(`${ADDRESS}?q=${encodeURIComponent(text)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
  const people = answer?.ok ? (await answer.json()).items : [];
  if (mine !== asked || document.activeElement !== field) return;
  if (people.length) show(people);
  else close();
}

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("[data-mentions]")) return;
  field = event.target;
  field.setAttribute("aria-autocomplete", "list");
  const text = typed(field);
  clearTimeout(timer);
  if (text === undefined) return close();
  timer = setTimeout(() => ask(text), WAIT);
});

document.addEventListener(
  "keydown",
  (event) => {
    if (!list || event.target !== field || event.isComposing) return;
    const all = options();
    const at = all.indexOf(chosen());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const takes = ["Enter", "Tab"].includes(event.key) && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (step) choose(all[(at + step + all.length) % all.length]);
    else if (takes) take(all[at]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

document.addEventListener("pointerdown", (event) => {
  const option = event.target.closest?.("#mention-list > li");
  if (!option) return;
  event.preventDefault();
  take(option);
});

document.addEventListener("focusout", (event) => {
  if (event.target === field) close();
});
