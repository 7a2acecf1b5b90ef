// How an answer is drawn: Markdown without anything active, citations as its only links, and what is to be said of it.
/* global marked, DOMPurify */

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

// Raw HTML is shown as the text it is, pictures as their description: neither is ever parsed.
const asText = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
marked.use({ gfm: true, renderer: {
  html: (token) => asText(token.text),
  image: (token) => asText(token.text),
} });

/** A question and, below it, what there is of its answer. `answer` grows; see ragsite.d.ts. */
export function show(log, asked, answer) {
  const box = element("article", "answer", "");
  const body = element("div", "", "");
  box.append(body);
  const question = element("p", "question", asked);
  log.append(question, box);
  let isPlanned = false;

  function render() {
    isPlanned = false;
    const html = marked.parse(answer.text);
    body.replaceChildren(DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true }));
    linkCitations(body, answer.citations);
  }

  return {
    box,
    draw() {
      if (isPlanned) return;
      isPlanned = true;
      requestAnimationFrame(render);
    },
    finish(done) { render(); footer(box, done); },
    remove() { question.remove(); box.remove(); },
  };
}

// The one kind of link an answer has: from [n] to the section that was verified as its source.
function linkCitations(body, citations) {
  const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (!walker.currentNode.parentElement.closest("code")) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = text.data.split(/(\[\d{1,3}\])/);
    if (parts.length === 1) continue;
    text.replaceWith(...parts.map((part) => {
      const citation = /^\[\d+\]$/.test(part) && citations.find((one) => one.number === Number(part.slice(1, -1)));
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

function footer(box, done) {
  const facts = [];
  if (done.status !== "complete") facts.push(done.status);
  if (done.outcome) facts.push(OUTCOMES[done.outcome] || done.outcome);
  for (const what of done.degraded) facts.push(DEGRADED[what] || what);
  if (done.extractive && done.citations.length) facts.push("quotations, no model");
  if (done.cached) facts.push("answered before");
  box.append(...facts.map((fact) => element("span", "label", fact)));
  const unsupported = done.claims.filter((claim) => claim.verdict === "unsupported");
  if (unsupported.length) {
    const list = element("ul", "problem", "");
    list.append(...unsupported.map((claim) =>
      element("li", "", `Not supported: “${done.text.slice(claim.start, claim.end)}” (${claim.reason})`)));
    box.append(list);
  }
  const places = done.citations.length ? done.citations : done.nearest;
  if (!places.length) return;
  if (!done.citations.length) box.append(element("p", "", "Nearest sections:"));
  const list = element("ol", "citations", "");
  list.append(...places.map((place) => {
    const item = element("li", "", "");
    item.append(link(place, place.heading_path.join(" › ") || place.title, ""));
    if (!place.peer_reviewed && place.trust_tier !== "official") item.append(" ", element("span", `label ${place.trust_tier}`, place.trust_tier));
    if (place.quote) item.append(element("q", "", place.quote));
    return item;
  }));
  box.append(list);
}

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
