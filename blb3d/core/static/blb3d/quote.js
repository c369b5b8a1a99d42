/* A quote's pages: the model that turns, and swatches that fit the material. Everything else the server does. */
(() => {
  "use strict";

  const figure = document.getElementById("viewer");
  const form = document.getElementById("quote-form");
  let view = null;

  async function open() {
    try {
      const { show } = await import(figure.dataset.viewer);
      view = await show(figure);
    } catch {
      view = null; /* no WebGL, no mesh: the picture is there already */
    }
  }

  if (figure && figure.dataset.mesh) {
    const sight = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      sight.disconnect();
      open();
    });
    sight.observe(figure);
  }

  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-viewer-reset]") && view) view.reset();
    const item = event.target.closest("[data-show-mesh]");
    if (!item) return;
    document.querySelectorAll("[data-show-mesh]").forEach((other) => other.setAttribute("aria-pressed", String(other === item)));
    figure.querySelector(".viewer__mm").textContent = item.dataset.size;
    const picture = figure.querySelector("img");
    const small = item.querySelector("img");
    if (picture && small) picture.src = small.src;
    figure.dataset.label = item.dataset.label;
    figure.dataset.mesh = item.dataset.showMesh;
    if (!item.dataset.showMesh) figure.classList.remove("viewer--live");
    else if (view) {
      await view.change(item.dataset.showMesh);
      figure.classList.add("viewer--live");
    } else open();
  });

  /* Colours that the material does not come in go out of the way; a chosen one of these becomes "any". */
  function fitSwatches() {
    const type = form.elements.material_type.value;
    form.querySelectorAll("#swatches [data-types]").forEach((choice) => {
      const fits = choice.dataset.types.split(" ").includes(type);
      choice.hidden = !fits;
      if (fits) choice.querySelector("small").textContent = choice.dataset.stock.split(" ").includes(type) ? "in stock" : "to order";
      const input = choice.querySelector("input");
      if (!fits && input.checked) form.querySelector("#swatches input[value='']").checked = true;
    });
    paint();
  }

  function paint() {
    const chosen = form.querySelector("#swatches input:checked");
    if (!figure) return;
    figure.dataset.color = chosen ? chosen.dataset.hex : "";
    if (view) view.paint(figure.dataset.color);
  }

  if (form && document.getElementById("swatches")) {
    form.addEventListener("change", (event) => {
      if (event.target.name === "material_type") fitSwatches();
      if (event.target.name === "color_name") paint();
    });
    fitSwatches();
  }
})();
