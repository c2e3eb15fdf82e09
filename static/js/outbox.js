// What was judged and has not reached the server yet. `outbox-send` ({url, body, slot}) puts a judgement into the browser's own
// store first and then sends it, again and again until an answer comes: a lost connection, a restart of the server or a closed
// window loses nothing. Answers come back as `outbox-answer` ({slot, ok, status, answer, body, label}), a refusal too, with what was
// said; one that is forbidden time after time is such a refusal, so that it holds up nothing behind it.
const stage = document.querySelector("[data-focus]");
const KEY = `review-outbox:${stage?.dataset.person ?? ""}`;
const WAIT = 3000;
const FORBIDDEN_MOST = 5;
const sign = () => JSON.parse(document.body.getAttribute("hx-headers:inherited") || "{}");
let sending = false;
let timer;

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY) || "[]");
  } catch {
    return [];
  }
}

function keep(list) {
  localStorage.setItem(KEY, JSON.stringify(list));
  const notice = stage.querySelector("[data-unsent]");
  const waiting = list.filter((one) => one.tried).length;
  notice.hidden = !waiting;
  notice.textContent = waiting === 1 ? notice.dataset.one : notice.dataset.many.replace("{n}", String(waiting));
}

async function post({ id, url, body, forbidden = 0 }) {
  const fields = new URLSearchParams(body);
  fields.delete("csrfmiddlewaretoken");
  const answer = await fetch(url, { method: "POST", body: fields, headers: { "HX-Request": "true", ...sign() }, keepalive: true });
  // A sign-in page instead of an answer, or a server that is just starting: the judgement stays here.
  if (answer.redirected || answer.status >= 500) throw new TypeError("not now");
  if (answer.status === 403 && forbidden + 1 < FORBIDDEN_MOST) {
    keep(kept().map((one) => (one.id === id ? { ...one, forbidden: forbidden + 1 } : one)));
    throw new TypeError("not now");
  }
  return { ok: answer.ok, status: answer.status, answer: await answer.json().catch(() => ({})) };
}

async function flush() {
  if (sending) return;
  sending = true;
  clearTimeout(timer);
  try {
    for (let [first] = kept(); first; [first] = kept()) {
      const detail = await post(first);
      // What was put in meanwhile stays.
      keep(kept().filter((one) => one.id !== first.id));
      document.dispatchEvent(new CustomEvent("outbox-answer", { detail: { ...detail, slot: first.slot, url: first.url, body: first.body, label: first.label } }));
    }
    document.dispatchEvent(new CustomEvent("outbox-empty"));
  } catch {
    keep(kept().map((one) => ({ ...one, tried: true })));
    timer = setTimeout(flush, WAIT);
  } finally {
    sending = false;
  }
}

if (stage) {
  document.addEventListener("outbox-send", (event) => {
    keep([...kept(), { id: crypto.randomUUID?.() ?? String(Math.random()), ...event.detail }]);
    flush();
  });
  window.addEventListener("online", flush);
  flush();
}
