// A plain chat over the websocket. ragsite.js speaks its protocol, connects again by itself and goes on with the answer.
import { Client } from "../ragsite/ragsite.js";
import { element, show } from "./drawing.js";
import { asking, begun, forget, remembered } from "./remembered.js";

const log = document.getElementById("log");
const statusLine = document.getElementById("status");
const away = document.getElementById("away");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const corpus = document.getElementById("corpus");
const send = document.getElementById("send");
const stop = document.getElementById("stop");

const STAGES = { queued: "Waiting for a free place…", searching: "Searching…", writing: "Writing…",
  rewriting: "Putting it into other words…", checking: "Checking…" };
const OFFLINE = "You are offline. What you have asked goes on, and is shown once you are back.";
const LOST = "The connection was lost. What you have asked goes on; trying again…";

let conversation = null, current = null, isKnown = false;
const socket = new Client(location.origin).socket({ onstate });

function onstate(state, corpora) {
  away.textContent = navigator.onLine ? LOST : OFFLINE;
  away.hidden = state !== "away";
  if (state === "expired") say("Your visit has expired; reload the page.");
  if (state !== "ready") return;
  const chosen = corpus.value || remembered.corpus;
  corpus.replaceChildren(...corpora.map((c) => new Option(c.name, c.slug)));
  if (corpora.some((c) => c.slug === chosen)) corpus.value = chosen;
  say(corpora.length ? "" : "There is nothing to ask yet, or nothing public: sign in.");
  if (!isKnown) showAgain();
  isKnown = true;
}

// A browser may notice long before the socket does.
addEventListener("offline", () => { away.textContent = OFFLINE; away.hidden = false; });
addEventListener("online", () => { away.hidden = true; socket.ping(); });

async function follow(asked, followed) {
  current = followed;
  busy(true);
  const shown = show(log, asked, followed.answer);
  shown.box.scrollIntoView({ block: "start" });
  for await (const event of followed) {
    if (event.type === "start") begun(event, asked);
    if (event.type === "start") conversation = event.conversation_id;
    if (event.type === "stage") say((STAGES[event.stage] || "") + (event.position ? ` (${event.position})` : ""));
    if (["delta", "citation", "restart"].includes(event.type)) shown.draw();
    if (event.type === "done") shown.finish(event);
  }
  current = null;
  busy(false);
  const { error, messageId } = followed.answer;
  if (!error || error.code !== "unauthorized") say("");
  return { error, shown, hasBegun: Boolean(messageId) };
}

async function ask(asked) {
  asking(corpus.value, asked);
  const where = conversation ? { conversation } : { corpus: corpus.value };
  const { error, hasBegun } = await follow(asked, socket.ask({ question: asked, ...where }));
  if (error) problem(error);
  if (error && !hasBegun) question.value ||= asked; // nothing of it was saved
  question.focus();
}

// After a reload: all of what was asked in this tab is read again, and the rest of what is still being written.
async function showAgain() {
  conversation = remembered.conversation;
  question.value ||= remembered.pending;
  for (const { asked, message } of remembered.turns) {
    const { error, shown } = await follow(asked, socket.resume(message));
    if (error?.code === "not_found") { shown.remove(); forget(); conversation = null; } else if (error) problem(error);
  }
}

function say(text) { statusLine.textContent = text; }
function busy(is) { send.disabled = is; stop.hidden = !is; }
function problem({ detail, retry_after: seconds }) {
  log.append(element("p", "problem", detail + (seconds ? ` (in ${Math.ceil(seconds)} s)` : "")));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = question.value.trim();
  if (!asked || current || !corpus.value) return;
  question.value = "";
  ask(asked);
});
question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
});
stop.addEventListener("click", () => current?.cancel());
function startAgain() {
  current?.cancel();
  forget();
  conversation = null;
  log.replaceChildren();
  question.focus();
}
document.getElementById("again").addEventListener("click", startAgain);
corpus.addEventListener("change", startAgain);
