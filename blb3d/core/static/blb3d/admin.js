// The console by keyboard: a new document begins in its first field, a key typed on a closed search box searches,
// Tab stops at fields only, and Ctrl+Enter saves. A chosen file's name stays out of the fields beside it.
(() => {
  "use strict";

  const FIELDS = "input:not([type=hidden]):not([type=checkbox]), select, textarea";
  const ASIDE = ".related-widget-wrapper [x-ref], .related-widget-wrapper a, .datetimeshortcuts a, " +
    "fieldset .simplebar-content-wrapper";

  const form = () => document.querySelector(".doc--ask form[enctype], #content-main form[id$=_form]");

  const boxOf = (field) => field.parentElement.querySelector(".select2-selection");

  function begin() {
    const isNew = /\/add\/$/.test(location.pathname) || document.querySelector(".doc--ask");
    if (!isNew || !matchMedia("(pointer: fine)").matches || form()?.querySelector(".errorlist, .errornote")) return;
    const first = [...(form()?.querySelectorAll(FIELDS) ?? [])].find((field) => field.offsetParent && !field.readOnly);
    if (!first) return;
    (boxOf(first) ?? first).focus();
  }

  function search(event) {
    const box = event.target.closest?.(".select2-selection--single");
    if (!box || event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey || event.altKey) return;
    const select = box.closest(".select2-container").previousElementSibling;
    event.preventDefault();
    django.jQuery(select).select2("open");
    const typed = document.querySelector(".select2-container--open .select2-search__field");
    typed.value = event.key;
    typed.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function save(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = document.querySelector("[name=_save], .doc--ask form[enctype] button");
    if (button) {
      event.preventDefault();
      button.click();
    }
  }

  // The theme writes a chosen file's name into the first text field near by: its own box has one for that, which
  // nobody can type in; a plain box shows the name itself, and what is beside it is somebody's to fill in.
  function guard() {
    document.querySelectorAll("input[type=file]").forEach((input) => {
      const near = input.parentNode.parentNode.parentNode.querySelector("input[type=text]");
      if (!near?.disabled) input.hasChangeListener = true;
    });
  }

  addEventListener("DOMContentLoaded", guard);
  // After the scripts that make the search boxes and calendars, which wait for the same moment.
  addEventListener("load", () => setTimeout(() => {
    begin();
    document.querySelectorAll(ASIDE).forEach((element) => { element.tabIndex = -1; });
  }));
  addEventListener("focusin", (event) => {
    if (event.target.matches("select.select2-hidden-accessible")) boxOf(event.target)?.focus();
  });
  addEventListener("keydown", search, true);
  addEventListener("keydown", save);
})();
