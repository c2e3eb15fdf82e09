// What somebody writes in a discussion and has not sent stays in the browser's own store, as a judgement's draft does
// (questions.js): by person and by form, so by thread, post or interaction, until it arrived, was cancelled, or the person
// signs out, which clears the store. A form that comes, with the page or a while after it, is filled again.
const FORMS = "[data-discussion] form:has(textarea[name=text])";
const FIELDS = ["text", "place", "words", "near", "version"];
const keyOf = (form) => `discussion-draft:${form.closest("[data-discussion]").dataset.person}:${form.id}`;

function kept(form) {
  try {
    return JSON.parse(localStorage.getItem(keyOf(form)) || "null");
  } catch {
    return null;
  }
}

const drop = (form) => localStorage.removeItem(keyOf(form));

function save(form) {
  const { text } = form.elements;
  if (!text.value.trim() || text.value === text.defaultValue) return drop(form);
  const said = FIELDS.filter((name) => form.elements[name]).map((name) => [name, form.elements[name].value]);
  localStorage.setItem(keyOf(form), JSON.stringify(Object.fromEntries(said)));
}

function restore(form) {
  const said = kept(form);
  const { text, version } = form.elements;
  // What somebody is at, or what the server sent back, is newer.
  if (!said?.text || text.value !== text.defaultValue || (text.defaultValue && !version)) return;
  // The post was changed meanwhile, in another window: what was begun there is of an earlier text.
  if (version && version.value !== said.version) return drop(form);
  for (const name of FIELDS) if (form.elements[name] && name !== "version") form.elements[name].value = said[name] ?? "";
  const quote = form.querySelector("[data-thread-words]");
  if (quote) {
    quote.textContent = said.words?.trim() ?? "";
    quote.hidden = !quote.textContent;
  }
  form.closest("[data-thread-new], .post-edit")?.setAttribute("open", "");
}

const all = () => document.querySelectorAll(FORMS).forEach(restore);

document.addEventListener("input", (event) => {
  const form = event.target.closest?.(FORMS);
  if (form) save(form);
});
document.addEventListener("reset", (event) => {
  if (event.target.matches?.(FORMS)) drop(event.target);
});
document.addEventListener("discussion-kept", ({ detail }) => {
  const form = document.getElementById(detail.form);
  if (form) drop(form);
});
document.addEventListener("htmx:after:swap", all);
document.addEventListener("answer-shown", all);
all();
