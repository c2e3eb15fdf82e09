// What htmx brings back. A polite live region says what changed: [data-announce] in what was swapped in, and `announce` events.
// Answers that are no fragment are caught: a sign-in page opens as a page, an error becomes a toast and leaves the screen as it was.
const region = document.getElementById("announcer");
const words = document.getElementById("toasts")?.dataset ?? {};
const said = new WeakMap();

function announce(message) {
  if (!region || !message) return;
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = message));
}

const tell = (message) => document.dispatchEvent(new CustomEvent("toast", { detail: { message, kind: "error" } }));

document.addEventListener("announce", (event) => announce(event.detail?.message));

document.addEventListener("htmx:after:swap", () => {
  for (const element of document.querySelectorAll("[data-announce]")) {
    const message = element.dataset.announce || element.textContent.trim();
    if (said.get(element) === message) continue;
    said.set(element, message);
    announce(message);
  }
});
document.querySelectorAll("[data-announce]").forEach((element) => said.set(element, element.dataset.announce || element.textContent.trim()));

// The rail and the dock count what waits for people: the bell's answer tells how it is now.
document.addEventListener("waiting", ({ detail }) => {
  for (const count of document.querySelectorAll("[data-count]")) {
    const shown = detail.shown[count.dataset.count];
    if (shown === undefined) continue;
    count.hidden = !shown;
    // A change that waits is the one thing that may raise its voice.
    if (count.dataset.count === "changes") count.toggleAttribute("data-urgent", Boolean(shown));
    count.querySelector("[data-figure]").textContent = shown || "0";
  }
});

document.addEventListener("htmx:before:response", (event) => {
  const answer = event.detail.ctx.response.raw;
  if (answer.redirected && new URL(answer.url).pathname.startsWith(document.body.dataset.signIn)) {
    event.preventDefault();
    location.assign(answer.url.replace(/([?&]next=)[^&]*/, `$1${encodeURIComponent(location.pathname + location.search)}`));
  }
});

document.addEventListener("htmx:response:error", (event) => {
  const { status } = event.detail.ctx.response;
  // 422 is a form with its errors: it is shown where it belongs.
  if (status === 422) return;
  tell(status === 403 ? words.forbidden : status === 404 ? words.missing : status === 409 ? words.conflict : words.failed);
});

let quiet = 0;
document.addEventListener("htmx:error", (event) => {
  // Only what the network did (a request that another replaced is no failure); a poll that fails every second says so once.
  const error = event.detail?.error;
  if (!(error instanceof TypeError && /fetch|network|load failed/i.test(error.message)) || Date.now() - quiet < 10000) return;
  quiet = Date.now();
  tell(words.offline);
});
