// Focus mode. The next item is fetched while this one is judged, so that a step only puts it in this one's place; the judgement
// itself is on its way meanwhile (outbox.js). Items that are open are leased: renewed while the page is looked at, given back
// when it is left. Previous and undo park the item at hand and come back to it.
const stage = document.querySelector("[data-focus]");
const RENEW = 60_000;
const sign = () => JSON.parse(document.body.getAttribute("hx-headers:inherited") || "{}");
const item = () => stage.querySelector("[data-item]");
const urlOf = (slot, deed) => `${stage.dataset.slots}${slot}/${deed ? `${deed}/` : ""}`;
const before = stage?.dataset.last ? [stage.dataset.last] : [];
let ready = null;
const parked = [];
let moving = false;

const toast = (message, kind = "plain") => document.dispatchEvent(new CustomEvent("toast", { detail: { message, kind } }));

async function fetchItem(url, method, body) {
  const options = { method, body, headers: { "HX-Request": "true", ...sign() } };
  const answer = await fetch(url, options);
  if (answer.redirected) throw new TypeError("signed out");
  if (answer.status === 409 || answer.status === 422) return { problem: (await answer.json()).problem };
  if (!answer.ok) throw new TypeError(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return { element: document.adoptNode(page.querySelector("[data-item]")) };
}

const slots = (ids) => new URLSearchParams(ids.filter(Boolean).map((id) => ["slot", id]));

// Judged here, and not known to the server yet.
function unsent() {
  try {
    return JSON.parse(localStorage.getItem(`review-outbox:${stage.dataset.person}`) || "[]").map((one) => one.slot);
  } catch {
    return [];
  }
}

const fetchNext = () => fetchItem(stage.dataset.next, "POST", slots([item()?.dataset.slot, ...parked.map((one) => one.dataset.slot), ...unsent()]));

function prefetch() {
  // Nothing to show is no item to keep ready: it is asked again when it is needed.
  ready = fetchNext().then(({ element }) => (element && !element.hasAttribute("data-nothing") ? element : null)).catch(() => null);
}

const told = (detail) => document.dispatchEvent(new CustomEvent("figures", { detail }));

// Where there is no item there is nothing to submit or to skip.
function tools() {
  const nothing = item().hasAttribute("data-nothing");
  stage.querySelectorAll("[data-of-item]").forEach((one) => (one.hidden = one.disabled = nothing));
  stage.querySelector(".focus-foot").hidden = nothing && !before.length;
}

function show(element) {
  item().replaceWith(element);
  tools();
  if (element.dataset.figures) told(JSON.parse(element.dataset.figures));
  element.removeAttribute("data-figures");
  window.htmx?.process(element);
  window.scrollTo(0, 0);
  document.dispatchEvent(new CustomEvent("answer-shown"));
  if (!element.hasAttribute("data-nothing")) element.focus({ preventScroll: true });
  document.dispatchEvent(new CustomEvent("announce", { detail: { message: element.ariaLabel ? `${stage.dataset.saysNext}: ${element.ariaLabel}` : element.textContent.trim() } }));
}

// What was judged is out of sight while the next can't be had: it is with the outbox, and keys in it would be lost.
const waiting = () => item().hasAttribute("data-nothing") || show(stage.querySelector("[data-waiting]").content.firstElementChild.cloneNode(true));

// Goes on to what was parked, to what is ready, or to what the server has; keeps trying while it can't be reached.
async function advance() {
  moving = true;
  try {
    let next = parked.pop();
    if (!next && ready) {
      next = await ready;
      ready = null;
    }
    while (!next) {
      try {
        next = (await fetchNext()).element;
      } catch (error) {
        // What was judged is with the outbox, which outlives signing in again.
        if (error.message === "signed out") return location.reload();
        waiting();
        await new Promise((resolve) => setTimeout(resolve, 2000));
      }
    }
    show(next);
    if (!next.hasAttribute("data-nothing") && !parked.length && !ready) prefetch();
  } finally {
    moving = false;
  }
}

function missing(form) {
  const open = [...form.querySelectorAll("[data-ask][data-required]")].find((one) => !one.querySelector("input:checked") && !one.querySelector("textarea")?.value.trim());
  if (!open) return false;
  open.querySelector("input, textarea").focus();
  toast(stage.dataset.saysMissing, "error");
  return true;
}

function send(deed, body) {
  const slot = item().dataset.slot;
  document.dispatchEvent(new CustomEvent("outbox-send", { detail: { url: urlOf(slot, deed), body, slot, label: item().ariaLabel } }));
  if (before.at(-1) !== slot) before.push(slot);
  advance();
}

function judge(form) {
  if (moving || missing(form)) return;
  send("judge", new URLSearchParams(new FormData(form)).toString());
}

async function back(takeBack) {
  const at = item().dataset.slot;
  const place = before.includes(at) ? before.indexOf(at) - 1 : before.length - 1;
  const slot = before[place];
  if (!slot) return toast(takeBack ? stage.dataset.saysUndone : stage.dataset.saysFirst);
  moving = true;
  try {
    const { element, problem } = await fetchItem(urlOf(slot, takeBack ? "undo" : ""), takeBack ? "POST" : "GET");
    if (problem) return toast(problem, "error");
    if (takeBack) before.splice(place, 1);
    if (!item().hasAttribute("data-nothing")) parked.push(item());
    show(element);
  } catch {
    document.dispatchEvent(new CustomEvent("htmx:error", { detail: { error: new TypeError("fetch") } }));
  } finally {
    moving = false;
  }
}

// A judgement that was refused: its item comes again, filled from the draft (questions.js), and the one at hand is parked.
async function again(slot) {
  while (moving) await new Promise((resolve) => setTimeout(resolve, 50));
  moving = true;
  try {
    const { element } = await fetchItem(urlOf(slot, ""), "GET");
    if (!element) return;
    if ((await ready)?.dataset.slot === slot) ready = null;
    const at = item();
    const waiting = parked.findIndex((one) => one.dataset.slot === slot);
    if (waiting >= 0) parked.splice(waiting, 1);
    if (at.dataset.slot !== slot && !at.hasAttribute("data-nothing")) parked.push(at);
    show(element);
  } catch {
    // It can't be had now; the draft stays for when it can.
  } finally {
    moving = false;
  }
}

const mine = async () => [item()?.dataset.slot, ...parked.map((one) => one.dataset.slot), (await ready)?.dataset.slot].filter(Boolean);

async function renew() {
  if (document.hidden) return;
  const ids = await mine();
  if (ids.length) fetch(stage.dataset.renew, { method: "POST", body: slots(ids), headers: sign() }).catch(() => {});
}

if (stage) {
  stage.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-judge]")) return;
    event.preventDefault();
    judge(event.target);
  });
  stage.addEventListener("click", (event) => {
    const step = event.target.closest?.("[data-focus-step]")?.dataset.focusStep;
    if (!step || moving || (step === "skip" && !item().dataset.slot)) return;
    if (step === "skip") send("skip", "");
    // What was sent must have arrived before it can be shown again or taken back.
    else if (unsent().length) document.addEventListener("outbox-empty", () => back(step === "undo"), { once: true });
    else back(step === "undo");
  });
  document.addEventListener("outbox-answer", ({ detail }) => {
    if (detail.ok) {
      told(detail.answer);
      if (detail.answer.note) toast(detail.answer.note);
      // It was sent from here before the page was loaded anew.
      if (detail.slot === item().dataset.slot && !moving) advance();
    } else {
      toast(detail.answer.problem || stage.dataset.saysRefused.replace("{item}", detail.label || ""), "error");
      if (detail.body) again(detail.slot);
    }
  });
  let atHand = [];
  const remember = async () => (atHand = await mine());
  document.addEventListener("answer-shown", () => setTimeout(remember, 0));
  window.addEventListener("pagehide", () => {
    const ids = [...new Set([item()?.dataset.slot, ...atHand])].filter(Boolean);
    if (ids.length) fetch(stage.dataset.leave, { method: "POST", body: slots(ids), headers: sign(), keepalive: true });
  });
  setInterval(renew, RENEW);
  window.addEventListener("pageshow", () => setTimeout(renew, 300));
  if (item()?.dataset.slot) {
    prefetch();
    remember();
  }
}
