// A plain chat over the websocket, protocol version 1 (docs/api.md).
"use strict";

const log = document.getElementById("log");
const statusLine = document.getElementById("status");
const form = document.getElementById("ask");
const question = document.getElementById("question");
const corpus = document.getElementById("corpus");
const send = document.getElementById("send");
const stop = document.getElementById("stop");

const STAGES = { searching: "Searching…", writing: "Writing…", rewriting: "Putting it into other words…",
  checking: "Checking…" };
const OUTCOMES = {
  answered: "answered", partial: "partly supported: see the marked sentences",
  not_in_content: "not in the content", refused: "refused",
  degraded: "with less than the usual means",
};
const DEGRADED = {
  no_vectors: "found by words alone, without the embedding model",
  no_model: "no language model could answer, so the sources are quoted",
  not_reranked: "not reranked",
};
// No images, no links of the model's own, nothing that loads: only shapes of text.
const ALLOWED = {
  ALLOWED_TAGS: ["p", "br", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "hr"],
  ALLOWED_ATTR: [],
};

const EXPIRED = 4401; // close code: another attempt would be refused too

let socket, conversation = null, current = null, asked = 0, retry = 500;

// Raw HTML is shown as the text it is, pictures as their description: neither is ever parsed.
const asText = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
marked.use({ gfm: true, renderer: {
  html: (token) => asText(token.text),
  image: (token) => asText(token.text),
} });

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/chat/`);
  socket.onmessage = (message) => receive(JSON.parse(message.data));
  socket.onclose = (event) => {
    busy(false);
    if (event.code === EXPIRED) { current = null; say("Your visit has expired; reload the page."); return; }
    if (current) { problem("The connection was lost. Ask again."); current = null; }
    say("Not connected; trying again…");
    setTimeout(connect, retry * (0.5 + Math.random()));
    retry = Math.min(retry * 2, 15000);
  };
}

function receive(frame) {
  if (frame.type === "ready") {
    retry = 500;
    const chosen = corpus.value;
    corpus.replaceChildren(...frame.corpora.map((c) => new Option(c.name, c.slug)));
    if (chosen) corpus.value = chosen;
    say(frame.corpora.length ? "" : "There is nothing to ask yet, or nothing public: sign in.");
    busy(false);
    return;
  }
  if (frame.type === "error") {
    if (frame.code === "unauthorized") return; // the socket is being closed, and says so
    problem(frame.detail + (frame.retry_after ? ` (in ${Math.ceil(frame.retry_after)} s)` : ""));
    finish();
    return;
  }
  if (!current || frame.id !== current.id) return;
  if (frame.type === "start") conversation = frame.conversation_id;
  if (frame.type === "stage") say(STAGES[frame.stage] || "");
  if (frame.type === "delta") { current.text += frame.text; draw(); }
  if (frame.type === "restart") { current.text = ""; current.citations.clear(); draw(); }
  if (frame.type === "citation") { current.citations.set(frame.number, frame); draw(); }
  if (frame.type === "done") {
    current.text = frame.text;
    current.citations.clear();
    for (const citation of frame.citations) current.citations.set(citation.number, citation);
    render(current);
    footer(current, frame);
    finish();
  }
}

function draw() {
  const answer = current;
  if (answer.planned) return;
  answer.planned = true;
  requestAnimationFrame(() => { answer.planned = false; render(answer); });
}

function render(answer) {
  const html = marked.parse(answer.text);
  answer.body.replaceChildren(DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true }));
  linkCitations(answer);
}

// The one kind of link an answer has: from [n] to the section that was verified as its source.
function linkCitations(answer) {
  const walker = document.createTreeWalker(answer.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("code")) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = text.data.split(/(\[\d{1,3}\])/);
    if (parts.length === 1) continue;
    text.replaceWith(...parts.map((part) => {
      const citation = /^\[\d+\]$/.test(part) && answer.citations.get(Number(part.slice(1, -1)));
      return citation ? link(citation, part, `cite ${citation.trust_tier}`) : part;
    }));
  }
}

function link(place, text, className) {
  const a = document.createElement("a");
  const address = new URL(place.link || place.url, location.href);
  if (address.protocol === "https:" || address.protocol === "http:") a.href = address.href;
  a.textContent = text;
  a.className = className;
  a.title = place.heading_path.join(" › ") + (place.trust_tier === "retracted" ? " (retracted)" : "");
  a.target = "_blank";
  a.rel = "noopener noreferrer";
  return a;
}

function footer(answer, done) {
  const facts = [];
  if (done.status !== "complete") facts.push(done.status);
  if (done.outcome) facts.push(OUTCOMES[done.outcome] || done.outcome);
  for (const what of done.degraded) facts.push(DEGRADED[what] || what);
  if (done.extractive && done.citations.length) facts.push("quotations, no model");
  if (done.cached) facts.push("answered before");
  answer.element.append(...facts.map((fact) => element("span", "label", fact)));
  const unsupported = done.claims.filter((claim) => claim.verdict === "unsupported");
  if (unsupported.length) {
    const list = element("ul", "problem", "");
    list.append(...unsupported.map((claim) =>
      element("li", "", `Not supported: “${done.text.slice(claim.start, claim.end)}” (${claim.reason})`)));
    answer.element.append(list);
  }
  const places = done.citations.length ? done.citations : done.nearest;
  if (!places.length) return;
  if (!done.citations.length) answer.element.append(element("p", "", "Nearest sections:"));
  const list = element("ol", "citations", "");
  list.append(...places.map((place) => {
    const item = element("li", "", "");
    item.append(link(place, place.heading_path.join(" › ") || place.title, ""));
    if (!place.peer_reviewed && place.trust_tier !== "official") item.append(" ", element("span", `label ${place.trust_tier}`, place.trust_tier));
    if (place.quote) item.append(element("q", "", place.quote));
    return item;
  }));
  answer.element.append(list);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function say(text) { statusLine.textContent = text; }
function problem(text) { log.append(element("p", "problem", text)); }
function busy(is) { send.disabled = is; stop.hidden = !is; }
function finish() { current = null; busy(false); say(""); question.focus(); }

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || current || socket.readyState !== WebSocket.OPEN) return;
  const id = String(++asked);
  const box = element("article", "answer", "");
  const body = element("div", "", "");
  box.append(body);
  log.append(element("p", "question", text), box);
  current = { id, text: "", citations: new Map(), element: box, body, planned: false };
  const frame = { v: 1, type: "ask", id, question: text };
  if (conversation) frame.conversation = conversation; else frame.corpus = corpus.value;
  socket.send(JSON.stringify(frame));
  question.value = "";
  busy(true);
  box.scrollIntoView({ block: "start" });
});

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
});
stop.addEventListener("click", () => {
  if (current) socket.send(JSON.stringify({ v: 1, type: "stop", id: current.id }));
});
function startAgain() { conversation = null; log.replaceChildren(); question.focus(); }
document.getElementById("again").addEventListener("click", startAgain);
corpus.addEventListener("change", startAgain);

connect();
