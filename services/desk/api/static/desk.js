// Keeps a list fresh while the page is open. Everything works without it.
"use strict";
const fresh = document.querySelector("[data-refresh]");
const live = document.getElementById("live");
if (fresh && live) {
  const refresh = async () => {
    // Not under somebody's hands, and not while nobody looks.
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (answer.status === 401) { location.assign("/sign-in?next=" + encodeURIComponent(location.pathname + location.search)); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("live");
      if (!next || live.contains(document.activeElement)) return;
      live.replaceChildren(...next.childNodes);
      fresh.replaceChildren(...page.querySelector("[data-refresh]").childNodes);
    } catch { /* The next time will tell. */ }
  };
  setInterval(refresh, Number(fresh.dataset.refresh) * 1000);
  document.addEventListener("visibilitychange", refresh);
}
