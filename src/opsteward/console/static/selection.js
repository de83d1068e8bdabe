// Choosing several in a list: how many are chosen, all or none, and by keys. Without it the boxes and the form do as well.
(() => {
  const {saying} = window.opsteward;
  const boxes = () => [...document.querySelectorAll("[data-pick]")];
  const tell = () => {
    const form = document.getElementById("selection");
    if (!form) return;
    const all = boxes(), chosen = all.filter((box) => box.checked).length;
    const whole = form.querySelector("[data-pick-all]");
    whole.hidden = false;
    whole.checked = chosen > 0 && chosen === all.length;
    whole.indeterminate = chosen > 0 && chosen < all.length;
    form.querySelector("[data-picked]").textContent =
      chosen ? saying("%(chosen)s of %(all)s selected", {chosen, all: all.length}) : saying("Select all %(all)s, or some", {all: all.length});
    for (const press of form.querySelectorAll("[data-needs-pick]")) press.disabled = !chosen;
    // the page waits with reading itself again as long as something is chosen
    if (!chosen && !form.elements.reason.value) delete form.dataset.changed; else form.dataset.changed = "yes";
  };
  const choose = (some, yes) => { for (const box of some) box.checked = yes; tell(); };
  let last = null;
  document.addEventListener("click", (e) => {
    if (!e.target.matches || !e.target.matches("[data-pick]")) return;
    const all = boxes(), from = all.indexOf(last), to = all.indexOf(e.target);
    if (e.shiftKey && from >= 0) choose(all.slice(Math.min(from, to), Math.max(from, to) + 1), e.target.checked);
    last = e.target;
  });
  document.addEventListener("change", (e) => {
    if (e.target.matches("[data-pick-all]")) choose(boxes(), e.target.checked);
    else if (e.target.matches("[data-pick]")) tell();
  });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
    if (e.target.matches("textarea, select, input:not([type=checkbox])") || !boxes().length) return;
    if (e.key === "A") {
      choose(boxes(), !boxes().every((box) => box.checked));
    } else if (e.key === "x") {
      const here = document.activeElement.closest("article, tr");
      const box = here && here.querySelector("[data-pick]");
      if (box) choose([box], !box.checked);
    }
  });
  document.addEventListener("htmx:afterSettle", tell);
  addEventListener("pageshow", tell);
  tell();
})();
