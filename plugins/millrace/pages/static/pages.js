// The theme of Airflow's UI, links into it from its frames, and a page that moves while its run does.
"use strict";

const wanted = () => {
  try { return localStorage.getItem("theme"); } catch { return null; }
};
const dress = () => {
  const theme = wanted();
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
};
dress();
addEventListener("storage", dress);

// a frame may not move the page around it, but a link of that page may
const openOutside = (address) => {
  try {
    if (parent !== window) {
      const link = parent.document.createElement("a");
      link.href = address;
      link.click();
      return;
    }
  } catch { /* another origin's frame: stay in it */ }
  location.assign(address);
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-outside]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    openOutside(link.href);
  }
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(document.getElementById(copy.dataset.copy).textContent.trim())
      .then(() => { copy.textContent = "Copied"; });
  }
});

// what is triggered is what was planned: a changed field is planned first
document.addEventListener("input", (event) => {
  if (!event.target.closest("form[data-plan]")) return;
  document.querySelectorAll("form[data-trigger] button").forEach((button) => { button.disabled = true; });
});

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("form.filters")) form.querySelectorAll("input,select").forEach((field) => { field.disabled = !field.value; });
  else form.querySelectorAll("button").forEach((button) => { setTimeout(() => { button.disabled = true; }); });
  if (!form.matches("form[data-trigger]")) {
    document.querySelector("main").ariaBusy = "true";
    return;
  }
  event.preventDefault();
  const says = form.querySelector("[role=status]");
  says.textContent = "Triggering …";
  const answer = await fetch(form.dataset.trigger, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ conf: JSON.parse(form.dataset.conf), logical_date: null }),
  });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) {
    says.textContent = `Triggered ${said.dag_run_id}`;
    location.assign(`${form.dataset.run}&run_id=${encodeURIComponent(said.dag_run_id)}`);
  } else {
    says.textContent = `Airflow refused: ${typeof said.detail === "string" ? said.detail : JSON.stringify(said.detail ?? answer.status)}`;
    form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
  }
});

// a page that one comes back to is as it was before it was left
addEventListener("pageshow", () => {
  document.querySelector("main").ariaBusy = null;
  document.querySelectorAll("form :disabled").forEach((field) => { field.disabled = false; });
});

// while data-refresh says so, the page's main part is fetched again and put in the place of the old one
const follow = async () => {
  const old = document.querySelector("main[data-refresh]");
  if (!old) return;
  await new Promise((done) => { setTimeout(done, Number(old.dataset.refresh) * 1000); });
  if (!document.hidden && !old.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        old.replaceWith(page.querySelector("main"));
      }
    } catch { /* the server is away for a moment: the next look tells */ }
  }
  follow();
};
document.addEventListener("DOMContentLoaded", follow);
