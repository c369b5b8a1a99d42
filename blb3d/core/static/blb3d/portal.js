/* Niceties on top of pages that work without script: copying numbers, the drop zone, messages. */
(() => {
  "use strict";

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

  function toast(text, meaning = "stopped") {
    const list = document.getElementById("toasts");
    const template = document.getElementById("toast-template");
    if (!list || !template) return;
    const item = template.content.firstElementChild.cloneNode(true);
    item.classList.add(`notice--${meaning}`);
    item.querySelector("p").textContent = text;
    list.append(item);
  }

  function refusal(file, zone) {
    const endings = (zone.dataset.accept || "").toLowerCase().split(",").map((ending) => ending.trim()).filter(Boolean);
    const name = file.name.toLowerCase();
    if (endings.length && !endings.some((ending) => name.endsWith(ending))) return "this kind of file is not accepted";
    const limit = Number(zone.dataset.maxBytes);
    if (limit && file.size > limit) return `larger than ${size(limit)}`;
    return "";
  }

  function listFiles(zone) {
    const list = zone.querySelector(".drop__list");
    const input = zone.querySelector("input[type=file]");
    if (!list || !input) return;
    const refused = [...input.files].map((file) => refusal(file, zone));
    list.replaceChildren(
      ...[...input.files].map((file, index) => {
        const item = document.createElement("li");
        const name = document.createElement("span");
        const note = document.createElement("span");
        name.textContent = file.name;
        note.textContent = refused[index] || size(file.size);
        note.className = "nowrap";
        item.classList.toggle("is-refused", Boolean(refused[index]));
        item.append(name, note);
        return item;
      }),
    );
    zone.classList.toggle("drop--refused", refused.some(Boolean));
    input.setCustomValidity(refused.find(Boolean) || "");
  }

  function enhance(root) {
    if (navigator.clipboard) root.querySelectorAll("[data-copy]").forEach((button) => (button.hidden = false));
    root.querySelectorAll("[data-dismiss]").forEach((button) => (button.hidden = false));
  }

  /* The button itself says that it copied: nothing on the page moves. */
  function markCopied(button) {
    const picture = button.querySelector("use");
    const before = { href: picture.getAttribute("href"), label: button.getAttribute("aria-label") };
    if (button.classList.contains("is-done")) return;
    button.classList.add("is-done");
    picture.setAttribute("href", before.href.replace("#copy", "#check"));
    button.setAttribute("aria-label", "Copied");
    setTimeout(() => {
      button.classList.remove("is-done");
      picture.setAttribute("href", before.href);
      if (before.label) button.setAttribute("aria-label", before.label);
      else button.removeAttribute("aria-label");
    }, 1500);
  }

  document.addEventListener("click", async (event) => {
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(".toast").remove();

    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(copy.dataset.copy);
      markCopied(copy);
    }

    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  document.addEventListener("change", (event) => {
    const zone = event.target.closest(".drop");
    if (zone) listFiles(zone);
  });

  for (const [name, over] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
    document.addEventListener(name, (event) => {
      const zone = event.target.closest && event.target.closest(".drop");
      if (zone) zone.classList.toggle("drop--over", over);
    });
  }

  /* A form sent twice is sent once: its buttons wait until the page answers. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post]")) return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    form.querySelectorAll("button:not([type=button])").forEach((button) => button.setAttribute("aria-disabled", "true"));
  });
  window.addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("[aria-disabled]").forEach((button) => button.removeAttribute("aria-disabled"));
    });
  });

  document.addEventListener("htmx:responseError", () => toast("That did not work. What you typed is kept; please try again."));
  document.addEventListener("htmx:sendError", () => toast("No connection. What you typed is kept; please try again.", "attention"));
  document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));

  enhance(document);
})();
