// Shows what Opsteward tells this browser, also while no page of it is open. It keeps nothing and answers no request.
self.addEventListener("push", (e) => {
  let told = {};
  try { told = e.data.json(); } catch { /* a message without words is told too */ }
  e.waitUntil(self.registration.showNotification(told.title || "Opsteward", {
    body: told.body || "", tag: told.tag || "opsteward", renotify: true, data: {path: told.path || "/"},
    icon: "{asset:icon-192.png}",
  }));
});
self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  const to = new URL(e.notification.data.path, self.location.origin);
  if (to.origin !== self.location.origin) return;
  e.waitUntil(self.clients.matchAll({type: "window", includeUncontrolled: true}).then((open) => {
    const there = open.find((one) => new URL(one.url).pathname === to.pathname);
    return there ? there.focus() : self.clients.openWindow(to.href);
  }));
});
