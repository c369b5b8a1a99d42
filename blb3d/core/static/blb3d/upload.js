/* The drop zone: what was chosen, how far each file is on its way, and what is wrong with one. Without script the browser's own
   file field does the same in one step. */
(() => {
  "use strict";

  const form = document.querySelector("form[data-upload]");
  const zone = form && form.querySelector(".drop");
  if (!zone) return;
  const input = zone.querySelector("input[type=file]");
  const list = zone.querySelector(".drop__list");
  const template = document.getElementById("upload-template");
  const ask = form.querySelector("[data-ask]");
  const said = zone.parentElement.querySelector(".errors") || zone.parentElement.appendChild(document.createElement("p"));
  let chosen = [];
  let request = null;

  const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const isSame = (one, other) => one.name === other.name && one.size === other.size;

  function problemOf(file) {
    const endings = zone.dataset.accept.toLowerCase().split(",").filter(Boolean);
    if (endings.length && !endings.some((ending) => file.name.toLowerCase().endsWith(ending))) {
      return `This kind of file cannot be priced. Export it as ${endings.map((ending) => ending.slice(1).toUpperCase()).join(", ")}.`;
    }
    const limit = Number(zone.dataset.maxBytes);
    if (limit && file.size > limit) return `It is larger than ${size(limit)}. Export it with a coarser mesh.`;
    return file.size ? "" : "It is empty. Export it again.";
  }

  /* Files are added to those chosen before: the browser's field alone would forget them. */
  function add(files) {
    for (const file of files) {
      if (!chosen.some((row) => isSame(row.file, file))) chosen.push({ file, problem: problemOf(file) });
    }
    draw();
  }

  function draw() {
    const kept = new DataTransfer();
    chosen.forEach((row) => kept.items.add(row.file));
    input.files = kept.files;
    list.replaceChildren(
      ...chosen.map((row) => {
        const item = template.content.firstElementChild.cloneNode(true);
        item.querySelector(".upload__name").textContent = row.file.name;
        item.querySelector(".upload__note").textContent = size(row.file.size);
        item.classList.toggle("is-refused", Boolean(row.problem));
        const why = item.querySelector(".upload__why");
        why.textContent = row.problem;
        why.hidden = !row.problem;
        item.querySelector("button").setAttribute("aria-label", `Leave out ${row.file.name}`); /* while it is sent: stop */
        item.querySelector("button").addEventListener("click", () => {
          if (request) return stop();
          chosen = chosen.filter((other) => other !== row);
          draw();
        });
        row.item = item;
        return item;
      }),
    );
    zone.classList.toggle("drop--chosen", chosen.length > 0);
    zone.classList.toggle("drop--refused", chosen.some((row) => row.problem));
  }

  function say(text) {
    said.className = "errors";
    said.setAttribute("role", "alert");
    said.textContent = text;
    said.hidden = !text;
  }

  /* The files go one after the other in one request: what was sent before a file begins is not its own. */
  function showProgress(sent, total) {
    const all = chosen.reduce((sum, row) => sum + row.file.size, 0);
    let before = total - all; /* the other fields come first */
    for (const row of chosen) {
      const share = Math.min(Math.max((sent - before) / row.file.size, 0), 1);
      before += row.file.size;
      const bar = row.item.querySelector("progress");
      bar.hidden = false;
      if (share < 1) bar.value = share;
      else bar.removeAttribute("value"); /* it is here, and being measured: nobody knows how long */
      row.item.querySelector(".upload__note").textContent = share < 1 ? `${Math.floor(share * 100)} % of ${size(row.file.size)}` : "Measuring…";
    }
  }

  function setBusy(isBusy) {
    form.setAttribute("aria-busy", String(isBusy));
    form.querySelectorAll("button[type=submit]").forEach((button) => {
      if (isBusy) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    });
  }

  function end(text) {
    request = null;
    setBusy(false);
    list.querySelectorAll("progress").forEach((bar) => (bar.hidden = true));
    if (text) say(text);
  }

  function stop() {
    request.abort();
    end("Stopped. Your files are still here.");
    draw();
  }

  function take(answer) {
    end("");
    for (const refusal of answer.files || []) {
      const row = chosen.find((one) => one.file.name === refusal.file && !one.problem);
      if (row) row.problem = `${refusal.reason} ${refusal.advice}`.trim();
    }
    draw();
    if (ask) ask.hidden = !answer.can_ask_engineer;
    const refused = chosen.filter((row) => row.problem).length;
    if (!refused) say(answer.message);
    else if (refused === chosen.length) say("");
    else say("Leave out what cannot be used, and go on with the rest.");
  }

  function send(submitter) {
    const data = new FormData(form, submitter);
    request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => showProgress(event.loaded, event.total));
    request.addEventListener("load", () => {
      const { status, response } = request;
      if (status === 200 && response && response.location) window.location.assign(response.location);
      else if (status === 422 && response) take(response);
      else if (status === 413) end("That is more than can be sent at once. Leave a file out, or export with a coarser mesh.");
      else if (status === 403) end("This page is too old to send from. Reload it and choose your files again.");
      else if (status === 429) end("That was quick: please wait a minute, then try again.");
      else end("That did not work. Your files are still here; please try again.");
    });
    request.addEventListener("error", () => end("No connection. Your files are still here; please try again."));
    say("");
    setBusy(true);
    showProgress(0, chosen.reduce((sum, row) => sum + row.file.size, 0));
    request.send(data);
  }

  input.addEventListener("change", () => {
    const added = [...input.files];
    add(added);
  });

  form.addEventListener("submit", (event) => {
    if (!chosen.length) return;
    event.preventDefault();
    if (request) return;
    const asks = event.submitter && event.submitter.value === "engineer";
    if (!asks && chosen.some((row) => row.problem)) return zone.querySelector(".is-refused button").focus();
    if (asks) chosen.forEach((row) => (row.problem = ""));
    send(event.submitter);
  });

  /* A file that misses the zone still arrives, instead of being opened by the browser. */
  const carries = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    zone.classList.add("drop--over");
    if (event.target !== input) event.preventDefault();
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("drop--over");
  });
  document.addEventListener("drop", (event) => {
    zone.classList.remove("drop--over");
    if (!carries(event) || event.target === input) return;
    event.preventDefault();
    if (!request) add([...event.dataTransfer.files]);
  });
  window.addEventListener("pageshow", () => end(""));
})();
