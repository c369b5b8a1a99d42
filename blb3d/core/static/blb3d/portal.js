/* Niceties on top of pages that work without script: copying numbers, messages, forms that are sent once. */
(() => {
  "use strict";

  function toast(text, meaning = "stopped") {
    const list = document.getElementById("toasts");
    const template = document.getElementById("toast-template");
    if (!list || !template) return;
    const item = template.content.firstElementChild.cloneNode(true);
    item.classList.add(`notice--${meaning}`);
    item.querySelector("p").textContent = text;
    list.append(item);
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

  /* A form sent twice is sent once: its buttons wait until the page answers. */
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post], [data-upload]")) return;
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
