// What a page does beyond its HTML: follow the stream, say times in the reader's words, keys, and guards of forms.
(() => {
  const main = () => document.getElementById("main");

  // -- words: English, where the page does not bring them in its own language -------------------------------------
  const words = JSON.parse(document.body.dataset.words || "{}"), language = document.documentElement.lang;
  const saying = (english, given = {}) =>
    Object.entries(given).reduce((said, [name, value]) => said.replaceAll(`%(${name})s`, value), words[english] || english);
  window.opsteward = {saying};
  // the reader's own way of writing times, as long as it is of the page's language
  const locale = navigator.language.startsWith(language) ? undefined : language;

  // -- times ---------------------------------------------------------------------------------------------------
  const span = (seconds) => {
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
    }
    return `${Math.max(0, Math.floor(seconds))} s`;
  };
  const whole = new Intl.DateTimeFormat(locale, {dateStyle: "medium", timeStyle: "medium"});
  const today = new Intl.DateTimeFormat(locale, {timeStyle: "medium"});
  const thisYear = new Intl.DateTimeFormat(locale, {month: "short", day: "numeric", hour: "numeric", minute: "2-digit"});
  const instant = (at, now) => {
    if (at.toDateString() === now.toDateString()) return today.format(at);
    return (at.getFullYear() === now.getFullYear() ? thisYear : whole).format(at);
  };
  const tellTimes = () => {
    const now = new Date();
    for (const time of document.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime), seconds = (now - at) / 1000, kind = time.className;
      const said = kind === "at" ? instant(at, now) : kind !== "ago" ? span(seconds)
        : seconds < 5 ? saying("just now") : saying("%(span)s ago", {span: span(seconds)});
      if (time.textContent !== said) time.textContent = said;
      time.title = whole.format(at);
    }
  };

  // -- what is open, typed or chosen stays so when the page is read again ----------------------------------------
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
    !(name === "open" && node.tagName === "DETAILS") && !(node.tagName === "TIME" && name === "title");
  Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => node.id !== "said"; // with its button to undo
  Idiomorph.defaults.ignoreActiveValue = true;
  const typing = () => [...main().querySelectorAll("textarea, input:not([type=hidden]), select")].some((field) =>
    field === document.activeElement || (field.form && field.form.dataset.changed));
  let owed = false;
  const readAgain = () => {
    if (typing()) { owed = true; return; }
    owed = false;
    htmx.ajax("GET", main().dataset.here, {target: "#main", select: "#main", swap: "morph:outerHTML"});
  };
  document.addEventListener("focusout", () => setTimeout(() => { if (owed && !typing()) readAgain(); }, 0));

  // -- the stream: none while the page is not seen, for a browser has few connections -----------------------------
  let stream = null;
  const stale = (yes) => { document.getElementById("stale").hidden = !yes; };
  const follow = () => {
    const {about, since} = main() ? main().dataset : {};
    if (!about || document.hidden || stream) return;
    // the server tells at once of what changed since the page was read, also when the browser opens the stream again
    stream = new EventSource(`/console/stream?${new URLSearchParams({about, since})}`);
    stream.onopen = () => stale(false);
    stream.onerror = () => { stale(true); if (stream && stream.readyState === 2) { stop(); setTimeout(follow, 5000); } };
    stream.addEventListener("change", readAgain);
    stream.addEventListener("signed-out", () => location.assign("/sign-in"));
    stream.addEventListener("end", () => { stop(); stale(true); setTimeout(follow, 2000); });
  };
  const stop = () => { if (stream) stream.close(); stream = null; };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop(); else follow();
  });

  // -- keys: Ctrl-K searches everything, / this list, j and k walk through one, ? tells of them ----------------------
  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!dialog || dialog.open) return false;
    dialog.showModal();
    if (id === "palette") htmx.trigger(dialog.querySelector("input"), "opened");
    return true;
  };
  // Enter is for what is typed: when its results are still to come, it waits for them
  let foundOf = "", waits = false;
  const go = (field) => {
    const first = document.querySelector("#palette a.title");
    waits = foundOf !== field.value.trim();
    if (!waits && first) location.assign(first.href);
  };
  document.addEventListener("htmx:afterSettle", (e) => {
    if (e.detail.target.id !== "palette-found") return;
    foundOf = new URL(e.detail.xhr.responseURL).searchParams.get("q").trim();
    if (waits) go(document.querySelector("#palette input"));
  });
  const walk = (links, step) => {
    const at = links.indexOf(document.activeElement) + step;
    if (links[Math.max(0, at)]) links[Math.max(0, at)].focus();
  };
  document.addEventListener("keydown", (e) => {
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "k") { if (open("palette")) e.preventDefault(); return; }
    const found = e.target.closest && e.target.closest("#palette");
    if (found && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      e.preventDefault();
      walk([found.querySelector("input"), ...found.querySelectorAll("a.title")], e.key === "ArrowDown" ? 1 : -1);
      return;
    }
    if (found && e.key === "Enter" && e.target.matches("input")) {
      e.preventDefault();
      go(e.target);
      return;
    }
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (document.querySelector("dialog[open]")) return;
    if (e.key === "/") {
      const field = main().querySelector("input[type=search]");
      if (field) { e.preventDefault(); field.focus(); } else if (open("palette")) e.preventDefault();
    } else if (e.key === "?") {
      open("keys");
    } else if (e.key === "j" || e.key === "k") {
      walk([...main().querySelectorAll("a.title")], e.key === "j" ? 1 : -1);
    } else if (e.key === "x") {
      const row = document.activeElement && document.activeElement.closest("tr");
      const box = row && row.querySelector("input[name^=pick-]");
      if (box) { e.preventDefault(); box.click(); }
    }
  });
  document.addEventListener("click", (e) => {
    const opens = e.target.closest("[data-opens]");
    if (opens && open(opens.dataset.opens)) e.preventDefault();
    if (e.target.matches("dialog[open]")) e.target.close();  // beside it
  });

  // -- forms -----------------------------------------------------------------------------------------------------
  document.addEventListener("input", (e) => { if (e.target.form) e.target.form.dataset.changed = "yes"; });
  document.addEventListener("submit", (e) => {
    if (e.target.dataset.sent) { e.preventDefault(); return; }  // a double tap
    e.target.dataset.sent = "yes";
    delete e.target.dataset.changed;
    setTimeout(() => { delete e.target.dataset.sent; }, 3000);
  });
  addEventListener("beforeunload", (e) => { if (document.querySelector("form[data-guard][data-changed]")) e.preventDefault(); });
  document.addEventListener("change", (e) => {
    if (e.target.matches(".filters select")) e.target.form.requestSubmit();
  });
  document.addEventListener("click", (e) => {
    const press = e.target.closest("[data-copy]");
    if (press) navigator.clipboard.writeText(press.dataset.copy).then(() => { press.textContent = saying("Copied"); });
  });

  document.addEventListener("htmx:afterSettle", tellTimes);
  document.addEventListener("htmx:responseError", (e) => {
    if (e.detail.xhr.status === 401) location.assign("/sign-in"); else stale(true);
  });
  tellTimes();
  setInterval(() => { if (!document.hidden) tellTimes(); }, 5000);
  follow();
})();

// Sends a file of users to the API, as the person who is signed in, and says how far that is. Then it goes to the page of
// that import. What the API says is shown as text.
(() => {
  const {saying} = window.opsteward;
  const kinds = {
    csv: "text/csv", tsv: "text/csv", txt: "text/csv", ndjson: "application/x-ndjson", jsonl: "application/x-ndjson",
    json: "application/json", ldif: "text/ldif", ldf: "text/ldif", xml: "application/xml",
    vcf: "text/vcard",
  };
  const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const say = (form, words, tone) => {
    const said = form.querySelector("[role=status]");
    said.textContent = words;
    said.className = tone;
  };
  const busy = (form, yes) => {
    for (const press of form.querySelectorAll("[data-send]")) press.disabled = yes;
  };
  const refusal = (request) => {
    try {
      const told = JSON.parse(request.responseText);
      const problems = (told.errors || []).map((e) => [e.field && `${e.field} ${e.problem}`, e.remedy].filter(Boolean).join(": "));
      return [...new Set(problems.length ? problems : [told.detail, told.remedy])].filter(Boolean).join(". ") || told.title;
    } catch {
      return saying("The server answered %(status)s. Try again.", {status: request.status});
    }
  };
  const columns = (lines) => {
    const found = {};
    for (const line of lines.split("\n").filter((one) => one.trim())) {
      const cut = line.lastIndexOf("=");
      if (cut < 1) return [null, saying("“%(line)s” is not: column = field", {line: line.trim().slice(0, 80)})];
      found[line.slice(0, cut).trim()] = line.slice(cut + 1).trim();
    }
    return [found, ""];
  };
  const send = (form, dry) => {
    const file = form.elements.file.files[0];
    if (!file) return say(form, saying("Choose a file first."), "bad-words");
    const kind = form.elements.format.value || kinds[file.name.split(".").pop().toLowerCase()];
    if (!kind) return say(form, saying("Its name does not say what it is: choose the format."), "bad-words");
    const [mapping, wrong] = columns(form.elements.mapping.value);
    if (wrong) return say(form, wrong, "bad-words");
    const asked = new URLSearchParams({mode: form.elements.mode.value, dry_run: dry});
    if (form.elements.enrollment_type.value) asked.set("enrollment_type", form.elements.enrollment_type.value);
    if (Object.keys(mapping).length) asked.set("mapping", JSON.stringify(mapping));
    const request = new XMLHttpRequest();
    request.open("POST", `/api/v1/users/bulk-import?${asked}`);
    request.setRequestHeader("Content-Type", kind);
    request.upload.onprogress = (e) => {
      if (!e.lengthComputable) return;
      const part = Math.floor(100 * e.loaded / e.total);
      say(form, part < 100 ? saying("Sending: %(percent)s %", {percent: part}) : saying("Sent. Looking at it…"), "quiet");
    };
    request.onerror = () => { busy(form, false); say(form, saying("The server can't be reached. Try again."), "bad-words"); };
    request.onload = () => {
      busy(form, false);
      if (request.status === 401) return location.assign("/sign-in");
      if (request.status !== 200 && request.status !== 202) return say(form, refusal(request), "bad-words");
      const job = JSON.parse(request.responseText).job_id;
      delete form.dataset.changed;
      location.assign(`/users/import?job=${encodeURIComponent(job)}#job`);
    };
    busy(form, true);
    say(form, saying("Sending…"), "quiet");
    request.send(file);
  };
  document.addEventListener("click", (e) => {
    const press = e.target.closest && e.target.closest("[data-import] [data-send]");
    if (press) send(press.closest("form"), press.dataset.send === "dry");
  });
  document.addEventListener("submit", (e) => { if (e.target.matches("[data-import]")) e.preventDefault(); });
})();
