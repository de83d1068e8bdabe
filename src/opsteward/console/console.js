// Keeps "3 min ago" true while a page is open. It changes the text node that the page made, so that the page can
// still change it too.
(() => {
  const words = (seconds) => {
    if (seconds < 5) return "just now";
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
    }
    return `${Math.floor(seconds)} s ago`;
  };
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time.ago")) {
      const said = words((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.firstChild && time.firstChild.nodeValue !== said) time.firstChild.nodeValue = said;
    }
  }, 5000);
})();

// Sends a file of users to the API, as the person who is signed in, and says how far that is. Its page is told which
// import it became (`begun`), and shows the rest. What the API says is shown as text.
(() => {
  const kinds = {
    csv: "text/csv", tsv: "text/csv", txt: "text/csv", ndjson: "application/x-ndjson", jsonl: "application/x-ndjson",
    json: "application/json", ldif: "text/ldif", ldf: "text/ldif",
  };
  const size = (bytes) => bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const say = (form, words, tone) => {
    const said = form.querySelector(".said");
    said.textContent = words;
    said.className = `said ${tone}`;
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
      return `The server answered ${request.status}. Try again.`;
    }
  };
  const columns = (lines) => {
    const found = {};
    for (const line of lines.split("\n").filter((one) => one.trim())) {
      const cut = line.lastIndexOf("=");
      if (cut < 1) return [null, `“${line.trim().slice(0, 80)}” is not: column = field`];
      found[line.slice(0, cut).trim()] = line.slice(cut + 1).trim();
    }
    return [found, ""];
  };
  const show = (pane) => {  // what the page will draw of it
    const drawn = new MutationObserver(() => {
      const card = pane.querySelector(".job .figures");
      if (!card) return;
      drawn.disconnect();
      card.closest(".job").scrollIntoView({block: "nearest", behavior: "smooth"});
    });
    drawn.observe(pane, {subtree: true, childList: true});
  };
  const send = (form, dry) => {
    const file = form.elements.file.files[0];
    if (!file) return say(form, "Choose a file first.", "bad-words");
    const kind = form.elements.format.value || kinds[file.name.split(".").pop().toLowerCase()];
    if (!kind) return say(form, "Its name does not say what it is: choose the format.", "bad-words");
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
      say(form, part < 100 ? `Sending: ${part} %` : "Sent. Looking at it…", "quiet");
    };
    request.onerror = () => { busy(form, false); say(form, "The server can't be reached. Try again.", "bad-words"); };
    request.onload = () => {
      busy(form, false);
      if (request.status === 401) return location.assign("/sign-in");
      if (request.status !== 200 && request.status !== 202) return say(form, refusal(request), "bad-words");
      say(form, "", "quiet");
      const job = JSON.parse(request.responseText).job_id;
      history.replaceState(history.state, "", `/users/import?job=${encodeURIComponent(job)}`);
      show(form.closest(".pane"));
      form.dispatchEvent(new CustomEvent("begun", {detail: job}));
    };
    busy(form, true);
    say(form, "Sending…", "quiet");
    request.send(file);
  };
  document.addEventListener("click", (e) => {
    const press = e.target.closest && e.target.closest("[data-import] [data-send]");
    if (press) send(press.closest("form"), press.dataset.send === "dry");
  });
  document.addEventListener("change", (e) => {
    if (e.target.name !== "file" || !e.target.closest("[data-import]")) return;
    const file = e.target.files[0];
    const chosen = e.target.closest("form").querySelector(".chosen");
    chosen.firstChild.nodeValue = file ? `${file.name} (${size(file.size)})` : "Choose a file, or drop it here";
  });
  document.addEventListener("submit", (e) => { if (e.target.matches("[data-import]")) e.preventDefault(); });
})();
