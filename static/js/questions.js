// Questions answered by one key each, in focus mode and on an interaction's page: the digits belong to the question that is asked
// now (data-asked), and an answer moves on to the next one. On the page that holds while somebody is in the form; `a`, or an
// address that ends in #annotate, brings them there. In focus mode what is typed is kept in the browser's own store as a draft
// until its judgement arrived.
const stage = document.querySelector("[data-focus]");
const root = stage ?? document.getElementById("annotate");
const form = () => root?.querySelector("form[data-rubric]");
const slot = () => stage?.querySelector("[data-slot]")?.dataset.slot;
const draft = (id) => `review-draft:${stage.dataset.person}:${id}`;
const all = () => [...(form()?.querySelectorAll("[data-ask]") ?? [])];
const answered = (ask) => Boolean(ask.querySelector('input:checked:not([value=""])')) || Boolean(ask.querySelector("textarea")?.value.trim());
let byKey = false;
const labelOf = (part) => (part.cloneNode(true).querySelector("kbd")?.previousSibling ?? part).textContent.trim();

function ask(question) {
  for (const one of all()) {
    const now = one === question;
    one.toggleAttribute("data-asked", now);
    one.querySelectorAll("[data-answer]").forEach((part) => {
      const field = part.matches("textarea") ? part : part.querySelector("input");
      if (now && part.dataset.answer) field.dataset.key = part.dataset.answer;
      else delete field.dataset.key;
      field.dataset.keyLabel = part.matches("textarea") ? one.querySelector("legend").textContent.trim() : labelOf(part);
    });
  }
}

function move(question) {
  if (!question) return;
  ask(question);
  // On the page the keys are the form's for as long as the focus is in it.
  if (!stage) (question.querySelector("input:checked") ?? question.querySelector("input, textarea")).focus({ preventScroll: true });
  question.scrollIntoView({ block: "nearest" });
}

const asked = () => all().find((one) => one.hasAttribute("data-asked"));
const open = (questions) => questions.find((one) => !answered(one));

function step(by) {
  const questions = all();
  move(questions[questions.indexOf(asked()) + by]);
}

function next() {
  const questions = all();
  const at = questions.indexOf(asked());
  move(open(questions.slice(at + 1).filter((one) => one.querySelector("input"))));
}

const begin = () => move(open(all().filter((one) => one.hasAttribute("data-required"))) ?? all()[0]);

function save() {
  const id = slot();
  if (!id || !form()) return;
  const fields = [...new FormData(form())].filter(([name]) => name !== "csrfmiddlewaretoken");
  localStorage.setItem(draft(id), JSON.stringify(fields));
}

function restore() {
  const id = slot();
  let fields = null;
  try {
    fields = JSON.parse(localStorage.getItem(draft(id)) || "null");
  } catch {
    fields = null;
  }
  if (!fields || !form()) return;
  for (const [name, value] of fields) {
    for (const field of form().querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio") field.checked = field.value === value;
      else if (name === "correct") field.closest("details").open = true;
      else field.value = value;
    }
  }
}

function shown() {
  restore();
  document.dispatchEvent(new CustomEvent("answer-drawn"));
  ask(all().find((one) => !answered(one)) ?? all()[0]);
}

if (root) {
  root.addEventListener("input", (event) => {
    if (event.target.closest("[data-judge]")) save();
  });
  root.addEventListener("change", (event) => {
    const question = event.target.closest?.("[data-ask]");
    if (!question || event.target.type !== "radio") return;
    save();
    ask(question);
    // Who goes through the answers with the arrow keys or the pointer stays where they are; a digit goes on.
    if (stage || byKey) next();
  });
  root.addEventListener("click", (event) => (byKey = !event.isTrusted), true);
  // Opening the correction is to write in it.
  root.addEventListener("click", (event) => {
    const fold = event.target.closest?.("[data-correction] > summary")?.parentElement;
    if (fold && !fold.open) setTimeout(() => fold.querySelector("textarea").focus(), 0);
  });
  // The pointer asks too.
  root.addEventListener("focusin", (event) => {
    const question = event.target.closest?.("[data-ask]");
    if (question && (!stage || event.target.matches("textarea"))) ask(question);
  });
}

if (root && !stage) {
  root.addEventListener("focusout", (event) => {
    if (!form()?.contains(event.relatedTarget)) ask(null);
  });
  // Where the form is folded away, to open it is to be asked.
  if (root.matches("details")) root.addEventListener("toggle", (event) => event.target === root && root.open && begin());
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-annotate]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    // At once: who types on finds the digits there. The browser's own way to the place would take the focus later.
    event.preventDefault();
    history.replaceState(history.state, "", link.hash);
    document.querySelector(link.hash)?.scrollIntoView({ block: "nearest" });
    begin();
  });
  // The browser goes to the address's place when all is loaded, and takes the focus from whoever had it.
  if (location.hash === "#annotate") window.addEventListener("load", () => setTimeout(begin), { once: true });
}

if (stage) {
  document.addEventListener("question-next", () => step(1));
  document.addEventListener("question-previous", () => step(-1));
  document.addEventListener("question-open", begin);
  document.addEventListener("answer-shown", shown);
  document.addEventListener("outbox-answer", (event) => {
    const { ok, slot: id, body } = event.detail;
    if (ok) localStorage.removeItem(draft(id));
    // Refused: all that was said is there when the item comes again.
    else if (body) localStorage.setItem(draft(id), JSON.stringify([...new URLSearchParams(body)].filter(([name]) => name !== "csrfmiddlewaretoken")));
  });
  shown();
}
