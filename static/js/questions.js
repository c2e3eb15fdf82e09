// Questions of focus mode answered by one key each: the digits belong to the question that is asked now (aria-current), and an
// answer moves on to the next one. What is typed is kept in the browser's own store as a draft until its judgement arrived.
const stage = document.querySelector("[data-focus]");
const form = () => stage?.querySelector("[data-judge]");
const slot = () => stage?.querySelector("[data-slot]")?.dataset.slot;
const draft = (id) => `review-draft:${stage.dataset.person}:${id}`;
const all = () => [...(form()?.querySelectorAll("[data-ask]") ?? [])];
const answered = (ask) => Boolean(ask.querySelector("input:checked")) || Boolean(ask.querySelector("textarea")?.value.trim());

function ask(question) {
  for (const one of all()) {
    const now = one === question;
    one.toggleAttribute("data-asked", now);
    one.querySelectorAll("[data-answer]").forEach((part) => {
      const field = part.matches("textarea") ? part : part.querySelector("input");
      if (now && part.dataset.answer) field.dataset.key = part.dataset.answer;
      else delete field.dataset.key;
      field.dataset.keyLabel = part.matches("textarea") ? one.querySelector("legend").textContent.trim() : (part.cloneNode(true).querySelector("kbd")?.previousSibling ?? part).textContent.trim();
    });
  }
}

function move(question) {
  if (!question) return;
  ask(question);
  question.scrollIntoView({ block: "nearest" });
}

const asked = () => all().find((one) => one.hasAttribute("data-asked"));

function step(by) {
  const questions = all();
  const to = questions[questions.indexOf(asked()) + by];
  move(to);
}

function next() {
  const questions = all();
  const at = questions.indexOf(asked());
  const open = questions.slice(at + 1).find((one) => !answered(one) && one.querySelector("input"));
  move(open);
}

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

if (stage) {
  stage.addEventListener("input", (event) => {
    if (!event.target.closest("[data-judge]")) return;
    save();
  });
  stage.addEventListener("change", (event) => {
    const question = event.target.closest?.("[data-ask]");
    if (!question || event.target.type !== "radio") return;
    save();
    ask(question);
    next();
  });
  // The pointer asks too.
  stage.addEventListener("focusin", (event) => {
    const question = event.target.closest?.("[data-ask]");
    if (question && event.target.matches("textarea")) ask(question);
  });
  document.addEventListener("question-next", () => step(1));
  document.addEventListener("question-previous", () => step(-1));
  document.addEventListener("answer-shown", shown);
  document.addEventListener("outbox-answer", (event) => {
    const { ok, slot: id, body } = event.detail;
    if (ok) localStorage.removeItem(draft(id));
    // Refused: all that was said is there when the item comes again.
    else if (body) localStorage.setItem(draft(id), JSON.stringify([...new URLSearchParams(body)].filter(([name]) => name !== "csrfmiddlewaretoken")));
  });
  // Opening the correction is to write in it.
  stage.addEventListener("click", (event) => {
    const fold = event.target.closest?.("[data-correction] > summary")?.parentElement;
    if (fold && !fold.open) setTimeout(() => fold.querySelector("textarea").focus(), 0);
  });
  shown();
}
