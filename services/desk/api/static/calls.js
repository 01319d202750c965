// Shows calls as they come in. Without it the page is what it was when it was opened.
"use strict";
const board = document.getElementById("calls");
const link = document.getElementById("link");
const announce = document.getElementById("announce");
const title = document.title;
let said = new Set([...board.querySelectorAll("[data-announce]")].map((item) => item.id));

const show = (content) => {
  const next = new DOMParser().parseFromString(content, "text/html").body;
  // Whoever is on a link by keyboard stays on it.
  const held = board.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  board.replaceChildren(...next.childNodes);
  if (held) [...board.querySelectorAll("a")].find((one) => one.getAttribute("href") === held)?.focus({ preventScroll: true });
  const ringing = [...board.querySelectorAll("[data-announce]")];
  const words = ringing.filter((item) => !said.has(item.id)).map((item) => item.dataset.announce);
  said = new Set(ringing.map((item) => item.id));
  if (words.length) announce.textContent = words.join(". ");
  document.title = ringing.length ? `(${ringing.length}) ${title}` : title;
};

const leave = () => location.assign("/sign-in?next=" + encodeURIComponent(location.pathname));

const follow = () => {
  const source = new EventSource(board.dataset.stream);
  source.addEventListener("calls", (event) => { link.textContent = "Live."; show(event.data); });
  source.addEventListener("end", () => { source.close(); leave(); });
  source.onerror = () => {
    link.textContent = "Not connected; trying again.";
    // After a refusal the browser does not try again by itself: look once, then follow anew.
    if (source.readyState === EventSource.CLOSED) setTimeout(look, 10000);
  };
};

const look = async () => {
  try {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
    if (answer.status === 401) { leave(); return; }
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("calls").innerHTML);
  } catch { /* The next time will tell. */ }
  follow();
};

if (board && "EventSource" in window) follow();
