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
