/* Niceties on top of floor pages that work without script: lost connections, counters, scanning by camera. */
(() => {
  "use strict";

  const root = document.documentElement;
  root.classList.add("has-script");

  /* --- What asks again and again says since when nobody answered ------------------------------------------------- */

  let lostSince = null;

  function lost() {
    const line = document.getElementById("lost");
    if (!line) return;
    lostSince = lostSince || new Date();
    const at = lostSince.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    line.textContent = `No connection since ${at}. What is shown is from then; it goes on by itself.`;
    line.hidden = false;
  }

  function found() {
    lostSince = null;
    const line = document.getElementById("lost");
    if (line) line.hidden = true;
  }

  const isLive = (event) => event.detail.elt && event.detail.elt.matches && event.detail.elt.matches("[data-live]");

  ["htmx:sendError", "htmx:timeout", "htmx:sendAbort"].forEach((name) =>
    document.addEventListener(name, (event) => { if (isLive(event)) { event.stopImmediatePropagation(); lost(); } }, true));
  document.addEventListener("htmx:responseError", (event) => {
    if (isLive(event)) { event.stopImmediatePropagation(); lost(); }
  }, true);

  /* A poll that is led to the login, or gets a page where it asked for a part, shows nothing of it: load anew. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isLive(event)) return;
    const xhr = event.detail.xhr;
    if (xhr.status >= 400) { event.detail.shouldSwap = false; lost(); return; }
    if (/^\s*<!doctype/i.test(xhr.responseText)) { event.detail.shouldSwap = false; window.location.reload(); return; }
    found();
  });

  /* --- The machine page: when other things have become possible, load anew, unless somebody is typing ------------- */

  const stampOf = () => { const now = document.querySelector("#now [data-stamp]"); return now && now.dataset.stamp; };
  let stamp = stampOf();
  let isTouched = false;
  let isSending = false;

  /* What was tapped is being sent: its answer shows the page anew, and says what was done. */
  document.addEventListener("htmx:beforeRequest", (event) => { if (!isLive(event)) isSending = true; });
  document.addEventListener("htmx:afterRequest", (event) => { if (!isLive(event)) isSending = false; });

  document.addEventListener("input", (event) => { if (event.target.closest("form")) isTouched = true; });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "now") { stamp = stampOf(); isTouched = false; enhance(document); return; }
    const seen = stampOf();
    if (seen === stamp || isSending) return;
    if (isTouched || document.querySelector("#content details[open]")) document.getElementById("changed").hidden = false;
    else window.location.reload();
  });

  /* --- Counters: what becomes scrap is not good ------------------------------------------------------------------- */

  function count(set, changed) {
    const planned = Number(set.dataset.planned);
    const good = set.querySelector("[data-good]");
    const fields = [good, ...set.querySelectorAll("[data-scrap], [data-rework]")];
    fields.forEach((field) => { field.value = Math.min(Math.max(parseInt(field.value, 10) || 0, 0), planned); });
    let over = fields.reduce((sum, field) => sum + Number(field.value), 0) - planned;
    fields.filter((field) => field !== changed).forEach((field) => {
      const less = Math.min(Math.max(over, 0), Number(field.value));
      field.value = Number(field.value) - less;
      over -= less;
    });
    set.querySelector("[data-reasons]").classList.toggle("is-wanted", Number(good.value) < planned);
    const plate = set.closest("[data-clear]");
    if (plate) tell(plate);
  }

  /* Once something else than everything good was counted, the button for everything good rests; nothing moves under
     the finger. */
  function tell(form) {
    const sum = (selector) => [...form.querySelectorAll(selector)].reduce((all, field) => all + Number(field.value), 0);
    const planned = [...form.querySelectorAll("[data-planned]")].reduce((all, set) => all + Number(set.dataset.planned), 0);
    const good = sum("[data-good]"), scrap = sum("[data-scrap]");
    const whole = form.querySelector("[name=all]");
    const counted = form.querySelector("[data-counted]");
    const isPart = good < planned;
    if (whole) { whole.disabled = isPart; counted.classList.toggle("btn--primary", isPart); }
    counted.textContent = isPart ? `Clear: ${good} good, ${scrap} scrap` : "Clear with these counts";
  }

  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-step]");
    if (!step) return;
    event.preventDefault();
    const field = step.parentElement.querySelector("input");
    field.value = (parseInt(field.value, 10) || 0) + Number(step.dataset.step);
    isTouched = true;
    count(step.closest("[data-planned]"), field);
  });
  /* Typed figures count at once: a page that moves only when the field is left moves under the finger on the button. */
  ["input", "change"].forEach((kind) => document.addEventListener(kind, (event) => {
    const set = event.target.closest("[data-planned]");
    if (!set || !event.target.matches("[data-good], [data-scrap], [data-rework]")) return;
    if (kind === "change" || event.target.value) count(set, event.target);
  }));

  /* --- Scanning a label by the camera, where the browser can read codes ------------------------------------------- */

  async function scan(field) {
    const detector = new window.BarcodeDetector({ formats: ["qr_code", "code_128", "data_matrix"] });
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    const layer = document.createElement("div");
    layer.className = "scan";
    const video = document.createElement("video");
    video.playsInline = true;
    video.srcObject = stream;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn btn--huge";
    close.textContent = "Cancel";
    layer.append(video, close);
    document.body.append(layer);
    const end = () => { stream.getTracks().forEach((track) => track.stop()); layer.remove(); };
    close.addEventListener("click", end);
    await video.play();
    while (layer.isConnected) {
      const [code] = await detector.detect(video).catch(() => []);
      if (code) {
        field.value = code.rawValue;
        isTouched = true;
        end();
        if (field.matches("[data-scan-sends]")) field.form.requestSubmit();
        else field.focus();
        return;
      }
      await new Promise((done) => setTimeout(done, 150));
    }
  }

  const canScan = "BarcodeDetector" in window && navigator.mediaDevices && window.isSecureContext;

  function enhance(within) {
    within.querySelectorAll("[data-step]").forEach((button) => (button.hidden = false));
    within.querySelectorAll("[data-planned]").forEach((set) => count(set, set.querySelector("[data-scrap]")));
    if (!canScan) return;
    within.querySelectorAll("[data-scan]:not([data-scans])").forEach((field) => {
      field.dataset.scans = "yes";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn--huge btn--wide";
      button.textContent = "Scan with the camera";
      button.addEventListener("click", () => scan(field).catch(() => button.replaceChildren("No camera: please type the label")));
      field.closest(".field").after(button);
    });
  }

  enhance(document);
})();
