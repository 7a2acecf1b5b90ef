// Shows how far a run is, for as long as it is not finished and somebody looks.
"use strict";

const live = document.getElementById("live");
const bar = live.querySelector("progress");
const ITEMS_EVERY = 5000; // milliseconds
const PATIENCE = 300; // seconds: a run that nobody takes up must not keep a database awake
let itemsAt = 0;
let wait = 0;

function show(sight) {
  for (const place of live.querySelectorAll("[data-live]")) {
    const text = sight.texts[place.dataset.live];
    if (place.textContent !== text) place.textContent = text; // what is new is read aloud
  }
  if (sight.total === null) bar.removeAttribute("value");
  else [bar.max, bar.value] = [Math.max(sight.total, 1), sight.done];
}

// The table is made by the server; it takes the place of this one when other documents failed.
async function showItems(troubled) {
  const items = document.getElementById("items");
  const busy = items.contains(document.activeElement);
  if (String(troubled) === items.dataset.troubled || busy) return;
  if (Date.now() - itemsAt < ITEMS_EVERY) return;
  itemsAt = Date.now();
  const page = await (await fetch(location.href)).text();
  const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("items");
  if (fresh) items.replaceWith(document.adoptNode(fresh));
}

async function look() {
  const reply = await fetch(live.dataset.address, { cache: "no-store" });
  if (reply.status === 403 || reply.status === 404) return location.reload(); // the token is old
  const sight = await reply.json();
  if (sight.finished) return location.reload();
  show(sight);
  await showItems(sight.troubled);
  const idle = sight.status === live.dataset.status && sight.status !== "running";
  wait = idle ? Math.max(Math.min(wait * 1.5, PATIENCE), sight.again_in) : sight.again_in;
  live.dataset.status = sight.status;
  setTimeout(next, wait * 1000);
}

function next() {
  if (document.hidden) document.addEventListener("visibilitychange", next, { once: true });
  else look().catch(() => setTimeout(next, 5000)); // the server is away
}

if (live.dataset.address) next();
