// Keeps a list fresh while the page is open. Everything works without it.
"use strict";
const fresh = document.querySelector("[data-refresh]");
const live = document.getElementById("live");
if (fresh && live) {
  const announce = document.getElementById("announce");
  const links = (within) => [...within.querySelectorAll("th a")].map((one) => one.getAttribute("href"));
  // What tells a link or button from the others, whatever else has changed.
  const sign = (one) => one.getAttribute("href") ?? (one.form && one.form.getAttribute("action"));
  const leave = () => location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search));
  let waiting = 0;

  const refresh = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (answer.status === 401) { leave(); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      if (!next) return;
      // Whoever is on a link or button by keyboard stays on it; where it would go, the list stays until they have left it.
      const held = live.contains(document.activeElement) ? sign(document.activeElement) : null;
      const same = (one) => sign(one) === held;
      if (held !== null && ![...next.querySelectorAll("a, button")].some(same)) return;
      const before = new Set(links(live));
      live.replaceChildren(...next.childNodes);
      if (held !== null) [...live.querySelectorAll("a, button")].find(same)?.focus({ preventScroll: true });
      fresh.replaceChildren(...page.querySelector("[data-refresh]").childNodes);
      const added = links(live).filter((one) => !before.has(one)).length;
      const gone = before.size + added - links(live).length;
      const words = [[added, "more"], [gone, "fewer"]].filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
      if (announce && words.length) announce.textContent = "The list has changed: " + words.join(", ") + ".";
    } catch { /* The next time will tell. */ }
  };
  // Many changes at once are one look.
  const soon = () => { waiting ||= setTimeout(() => { waiting = 0; refresh(); }, 500); };

  setInterval(refresh, Number(fresh.dataset.refresh) * 1000);
  document.addEventListener("visibilitychange", refresh);
  if (fresh.dataset.stream && "EventSource" in window) {
    let lives = 0;
    const source = new EventSource(fresh.dataset.stream);
    source.addEventListener("changed", soon);
    // After a time without it something may have been missed.
    source.addEventListener("live", () => { fresh.dataset.live = "true"; if (lives++) soon(); });
    source.addEventListener("away", () => { delete fresh.dataset.live; });
    source.onerror = () => { delete fresh.dataset.live; };
    source.addEventListener("end", () => { source.close(); leave(); });
  }
}

// The bell: how many notifications are unread, and that a link from their list has been read.
const bell = document.querySelector("[data-count]");
if (bell) {
  const shown = bell.querySelector(".count");
  const told = document.getElementById("told");
  let before = shown.hidden ? 0 : parseInt(shown.textContent, 10);
  const count = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(bell.dataset.count, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (!answer.ok) return;
      const { unread } = await answer.json();
      shown.hidden = unread === 0;
      shown.firstElementChild.textContent = unread < 100 ? unread : "99+";
      if (unread > before && told) told.textContent = unread === 1 ? "1 unread notification." : `${unread} unread notifications.`;
      before = unread;
    } catch { /* The next time will tell. */ }
  };
  setInterval(count, 60000);
  document.addEventListener("visibilitychange", count);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-read]");
    if (link) navigator.sendBeacon("/notifications/read", new URLSearchParams({ one: link.dataset.read }));
  });
}
