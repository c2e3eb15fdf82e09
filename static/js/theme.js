// Theme (system, light, dark) and the rail's width. Both live in cookies that the server reads into <html>, so that a page
// never flashes in the wrong one.
const YEAR = 31536000;
const keep = (name, value) => {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${name}=${value}; path=/; max-age=${value ? YEAR : 0}; samesite=lax${secure}`;
};

function mark() {
  const theme = document.documentElement.dataset.theme || "system";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

document.addEventListener("click", (event) => {
  const choice = event.target.closest?.("[data-theme-choice]")?.dataset.themeChoice;
  if (choice) {
    // Kept as a word even when it is the system's: it overrules what the person once chose elsewhere.
    keep("theme", choice);
    document.documentElement.dataset.theme = choice;
    mark();
  }
  const toggle = event.target.closest?.("[data-rail-toggle]");
  if (toggle) {
    const narrow = document.documentElement.dataset.rail !== "narrow";
    keep("rail", narrow ? "narrow" : "");
    if (narrow) document.documentElement.dataset.rail = "narrow";
    else delete document.documentElement.dataset.rail;
    toggle.setAttribute("aria-pressed", String(narrow));
  }
});

mark();
