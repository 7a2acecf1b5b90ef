// The websocket's part of the client, with a server that does what a test says.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Socket } from "../src/ragsite.js";

class Wire {
  static made = [];
  sent = [];
  constructor(url) { Wire.made.push(Object.assign(this, { url })); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.isClosed = true; }
  says(frame) { this.onmessage?.({ data: JSON.stringify({ v: 1, seq: 1, id: null, ...frame }) }); }
  ready() { this.says({ type: "ready", corpora: [{ slug: "a", name: "A" }] }); }
  breaks(code = 1006) { this.onclose?.({ code }); }
}

let states, socket;
const turns = async () => { for (let at = 0; at < 20; at++) await Promise.resolve(); };
async function open(options = {}) {
  socket = new Socket("ws://server/ws/chat/", { WebSocket: Wire, onstate: (state) => states.push(state), ...options });
  await turns();
  return Wire.made.at(-1);
}
async function again() {
  mock.timers.tick(15_000);
  await turns();
  return Wire.made.at(-1);
}
async function told(followed, count) {
  const events = [];
  for await (const event of followed) { events.push(event); if (events.length === count) break; }
  return events;
}
beforeEach(() => { mock.timers.enable({ apis: ["setTimeout"] }); Wire.made = []; states = []; });
afterEach(() => { socket.close(); mock.timers.reset(); });

test("an answer goes on after the last event when its socket is lost", async () => {
  const first = await open();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  const { id } = first.sent[0];
  const { key } = first.sent[0];
  assert.match(key, /^[A-Za-z0-9_-]{1,64}$/);
  assert.deepEqual(first.sent[0], { v: 1, type: "ask", id, key, question: "Why?", corpus: "a" });
  first.says({ type: "start", id, event_id: 1, conversation_id: "c", message_id: "m" });
  first.says({ type: "delta", id, event_id: 2, text: "one " });
  first.breaks();
  const second = await again();
  second.ready();
  assert.deepEqual(second.sent, [{ v: 1, type: "resume", id, message: "m", after: 2 }]);
  second.says({ type: "delta", id, event_id: 2, text: "one " });
  second.says({ type: "delta", id, event_id: 3, text: "two" });
  second.says({ type: "done", id, event_id: 4, text: "one two", citations: [] });
  assert.deepEqual((await told(followed)).map((event) => event.type), ["start", "delta", "delta", "done"]);
  assert.equal(followed.answer.text, "one two");
  assert.deepEqual(states, ["ready", "away", "ready"]);
});

test("a question that another process has begun is asked for again in a while", async () => {
  const first = await open();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "error", id: followed.id, code: "idempotency_in_progress", detail: "…" });
  assert.equal(followed.hasEnded, false);
  mock.timers.tick(1000);
  assert.deepEqual(first.sent[1], first.sent[0]);
});

test("a question of which nothing was heard is asked again, with its key", async () => {
  const first = await open();
  first.ready();
  socket.ask({ question: "Why?", corpus: "a" });
  first.breaks();
  const second = await again();
  second.ready();
  assert.deepEqual(second.sent, first.sent);
});

test("a question that is asked without a connection is sent with the next one", async () => {
  const first = await open();
  socket.ask({ question: "Why?", corpus: "a" });
  assert.deepEqual(first.sent, []);
  first.ready();
  assert.equal(first.sent[0].type, "ask");
});

test("a socket that does not answer a ping is left", async () => {
  const first = await open();
  first.ready();
  mock.timers.tick(25_000);
  assert.equal(first.sent.at(-1).type, "ping");
  mock.timers.tick(10_000);
  assert.equal(first.isClosed, true);
  assert.notEqual(await again(), first);
});

test("an answered ping keeps the socket", async () => {
  const first = await open();
  first.ready();
  mock.timers.tick(25_000);
  first.says({ type: "pong", id: "ping" });
  mock.timers.tick(20_000);
  assert.equal(first.isClosed, undefined);
});

test("an expired credential ends the answer and all attempts", async () => {
  const first = await open();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "error", id: first.sent[0].id, code: "unauthorized", detail: "…" });
  first.breaks(4401);
  assert.equal((await told(followed)).at(-1).code, "unauthorized");
  assert.equal(await again(), first);
  assert.deepEqual(states, ["ready", "expired"]);
});

test("a page that a credential is not for is no reason to try again", async () => {
  const first = await open();
  first.breaks(4403);
  assert.equal(await again(), first);
  assert.deepEqual(states, ["expired"]);
});

test("a credential that ends soon is renewed on the same socket, while an answer goes on", async () => {
  let made = 0;
  const first = await open({ credentials: async () => ({ visitor_token: `t${++made}` }) });
  first.ready();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "expires", expires_at: "2030-01-01T00:00:00+00:00" });
  await turns();
  assert.deepEqual(first.sent.at(-1), { v: 1, type: "authenticate", id: "authenticate", visitor_token: "t2" });
  first.says({ type: "ready", id: "authenticate", corpora: [] });
  assert.deepEqual(first.sent.map((frame) => frame.type), ["authenticate", "ask", "authenticate"]);
  assert.equal(followed.hasEnded, false);
});

test("a refused credential is renewed once, and the answer goes on with the new one", async () => {
  const asked = [];
  const first = await open({ credentials: async (isRefused) => {
    asked.push(isRefused);
    return { authorization: `Bearer ${asked.length}` };
  } });
  first.ready();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "start", id: followed.id, event_id: 1, conversation_id: "c", message_id: "m" });
  first.says({ type: "error", id: null, code: "unauthorized", detail: "…" });
  first.breaks(4401);
  await turns();
  const second = Wire.made.at(-1);
  second.ready();
  second.ready();
  assert.deepEqual(second.sent.map((frame) => frame.authorization ?? frame.type), ["Bearer 2", "resume"]);
  second.breaks(4401);
  await turns();
  Wire.made.at(-1).ready(); // and this one is refused at once
  Wire.made.at(-1).breaks(4401);
  assert.equal((await told(followed)).at(-1).code, "unauthorized");
  assert.equal(Wire.made.length, 3);
  assert.deepEqual(asked, [false, true, true]);
  assert.deepEqual(states, ["ready", "ready", "expired"]);
});

test("a credential that cannot be had is tried again; one that is refused is not", async () => {
  const failures = [new TypeError("fetch failed"), Object.assign(new Error(), { status: 401 }), Object.assign(new Error(), { status: 401 })];
  await open({ credentials: async () => { throw failures.shift(); } });
  assert.deepEqual([states, Wire.made], [["away"], []]);
  await again();
  assert.deepEqual([states, failures, Wire.made], [["away", "expired"], [], []]);
});

test("a visitor without a credential or a cookie stays the same on the next connection", async () => {
  const known = [];
  const first = await open({ onvisitor: (token) => known.push(token) });
  first.says({ type: "ready", corpora: [], visitor_token: "t" });
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "start", id: followed.id, event_id: 1, conversation_id: "c", message_id: "m" });
  first.breaks();
  const second = await again();
  second.says({ type: "ready", corpora: [], visitor_token: "another" });
  second.says({ type: "ready", id: "authenticate", corpora: [], visitor_token: null });
  assert.deepEqual(second.sent, [{ v: 1, type: "authenticate", id: "authenticate", visitor_token: "t" },
    { v: 1, type: "resume", id: followed.id, message: "m", after: 1 }]);
  assert.deepEqual(known, ["t"]);
});

test("a credential is shown first, on each connection", async () => {
  const first = await open({ credentials: async () => ({ visitor_token: "t" }) });
  first.ready();
  assert.deepEqual(first.sent, [{ v: 1, type: "authenticate", id: "authenticate", visitor_token: "t" }]);
  assert.deepEqual(states, []);
  first.says({ type: "ready", id: "authenticate", corpora: [] });
  assert.deepEqual(states, ["ready"]);
  const followed = socket.ask({ question: "Why?", corpus: "a" });
  first.says({ type: "start", id: followed.id, event_id: 1, conversation_id: "c", message_id: "m" });
  first.breaks();
  const second = await again();
  second.ready();
  second.says({ type: "ready", id: "authenticate", corpora: [] });
  assert.deepEqual(second.sent.map((frame) => frame.type), ["authenticate", "resume"]);
});

test("a refusal of the protocol ends the answer; a stop that came too late does not", async () => {
  const first = await open();
  first.ready();
  const followed = socket.ask({ question: "Why?", corpus: "nothing" });
  followed.cancel();
  assert.deepEqual(first.sent.at(-1), { v: 1, type: "stop", id: followed.id });
  first.says({ type: "error", id: followed.id, code: "nothing_to_stop", detail: "…" });
  assert.equal(followed.hasEnded, false);
  first.says({ type: "error", id: followed.id, code: "unknown_corpus", detail: "…" });
  assert.equal((await told(followed)).at(-1).code, "unknown_corpus");
});
