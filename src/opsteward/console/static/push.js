// Asks this browser to take messages, or no more, and sends what it says by the forms of the page.
(() => {
  const card = document.getElementById("browser");
  if (!card) return;
  const say = (words) => { card.querySelector("[role=status]").textContent = words; };
  const form = (name, shown) => { const one = document.getElementById(name); one.hidden = !shown; return one; };
  const bytes = (words) => Uint8Array.from(atob(words.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const known = async (endpoint) => {
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
    const hex = [...new Uint8Array(hash)].map((one) => one.toString(16).padStart(2, "0")).join("");
    return card.dataset.known.split(" ").includes(hex);
  };
  const ours = (one) => {
    const key = new Uint8Array(one.options.applicationServerKey || []), wanted = bytes(card.dataset.key);
    return key.length === wanted.length && key.every((byte, place) => byte === wanted[place]);
  };
  const present = async () => {
    const worker = await navigator.serviceWorker.getRegistration("/console/");
    return worker ? worker.pushManager.getSubscription() : null;
  };
  const active = (worker) => new Promise((go) => {
    const begun = worker.installing || worker.waiting;
    if (worker.active || !begun) go(); else begun.addEventListener("statechange", () => { if (worker.active) go(); });
  });
  const show = async () => {
    if (!isSecureContext) return say(card.dataset.insecure);
    if (!("serviceWorker" in navigator) || !("PushManager" in window)) return say(card.dataset.unable);
    if (Notification.permission === "denied") return say(card.dataset.denied);
    const one = await present(), on = Boolean(one) && ours(one) && await known(one.endpoint);
    say(on ? card.dataset.on : card.dataset.off);
    form("push-on", !on);
    form("push-off", on);
  };
  const begin = async (to) => {
    if (await Notification.requestPermission() !== "granted") return show();
    const worker = await navigator.serviceWorker.register("/console/worker.js");
    await active(worker);
    let one = await worker.pushManager.getSubscription();
    if (one && !ours(one)) { await one.unsubscribe(); one = null; }
    one = one || await worker.pushManager.subscribe({userVisibleOnly: true, applicationServerKey: bytes(card.dataset.key)});
    const {endpoint, keys} = one.toJSON();
    to.elements.endpoint.value = endpoint;
    to.elements.p256dh.value = keys.p256dh;
    to.elements.auth.value = keys.auth;
    to.requestSubmit();
  };
  const stop = async (to) => {
    const one = await present();
    if (one) { to.elements.endpoint.value = one.endpoint; await one.unsubscribe(); }
    to.requestSubmit();
  };
  card.addEventListener("click", (e) => {
    const press = e.target.closest("[data-push]");
    if (!press) return;
    press.disabled = true;
    const does = press.dataset.push === "on" ? begin : stop;
    does(press.form).catch((error) => say(`${card.dataset.failed} (${error.message})`)).finally(() => { press.disabled = false; });
  });
  show().catch(() => say(card.dataset.unable));
})();
