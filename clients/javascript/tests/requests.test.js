// How requests are tried again, with a fetch that does what a test says.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { Client, ConnectionLost } from "../src/ragsite.js";

const json = (body, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const events = (...told) => new Response(
  told.map(([id, event]) => `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`).join(""), { status: 200 });
const START = { type: "start", conversation_id: "c", message_id: "m" };
const DONE = { type: "done", text: "one two", citations: [] };

let waits;
beforeEach(() => {
  waits = [];
  const real = globalThis.setTimeout;
  mock.method(globalThis, "setTimeout", (done, ms, ...more) => { waits.push(ms); return real(done, ms > 40_000 ? ms : 0, ...more); });
});
afterEach(() => mock.restoreAll());

function server(...answers) {
  const asked = [];
  const fetch = async (url, init) => {
    asked.push({ url, ...init });
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { asked, fetch };
}

test("a question whose answer was lost is sent again with the same key, until it is there", async () => {
  const { asked, fetch } = server(new TypeError("fetch failed"),
    json({ code: "idempotency_in_progress" }, 409, { "Retry-After": "2" }), json(DONE, 201));
  const done = await new Client("https://server", { fetch }).ask("Why?", { conversation: "c" });
  assert.equal(done.text, "one two");
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map(({ headers }) => headers["Idempotency-Key"])).size, 1);
  assert.ok(waits.includes(2000));
});

test("an answer that was cut off in its middle is asked for again", async () => {
  const cut = new ReadableStream({ start(controller) { controller.error(new TypeError("terminated")); } });
  const { asked, fetch } = server(new Response(cut, { status: 201 }), json(DONE, 201));
  assert.equal((await new Client("https://server", { fetch }).ask("Why?", { conversation: "c" })).text, "one two");
  assert.equal(asked[0].headers["Idempotency-Key"], asked[1].headers["Idempotency-Key"]);
});

test("two questions have two keys, and what is only read has none", async () => {
  const { asked, fetch } = server(json(DONE, 201), json(DONE, 201), json({}));
  const client = new Client("https://server", { fetch });
  await client.ask("Why?", { conversation: "c" });
  await client.ask("Why?", { conversation: "c" });
  await client.chunk("a/b");
  assert.notEqual(asked[0].headers["Idempotency-Key"], asked[1].headers["Idempotency-Key"]);
  assert.equal(asked[2].headers["Idempotency-Key"], undefined);
  assert.equal(asked[2].url, "https://server/api/v1/chunks/a%2Fb/");
});

test("a key cannot be foreseen from the time and the chance of everyday use", async () => {
  mock.method(Math, "random", () => 0.5);
  mock.method(Date, "now", () => 1);
  const { asked, fetch } = server(json(DONE, 201), json(DONE, 201));
  const client = new Client("https://server", { fetch });
  for (const conversation of ["c", "d"]) await client.ask("Why?", { conversation });
  assert.notEqual(asked[0].headers["Idempotency-Key"], asked[1].headers["Idempotency-Key"]);
});

test("a stream that ends before its answer goes on after the last event", async () => {
  const { asked, fetch } = server(events([1, START], [2, { type: "delta", text: "one " }]), new TypeError("reset"),
    events([2, { type: "delta", text: "one " }], [3, { type: "delta", text: "two" }], [4, DONE]));
  const stream = new Client("https://server", { fetch }).stream("Why?", { conversation: "c" });
  const kinds = [];
  for await (const event of stream) kinds.push(event.type);
  assert.deepEqual(kinds, ["start", "delta", "delta", "done"]);
  assert.deepEqual(asked.map(({ method, headers }) => [method, headers["Last-Event-ID"]]),
    [["POST", undefined], ["GET", "2"], ["GET", "2"]]);
});

test("a refusal that names a time is waited for, and one that asks for too much patience is not", async () => {
  const busy = (seconds) => json({ code: "rate_limited", detail: "Too many." }, 429, { "Retry-After": String(seconds), "X-Request-ID": "r" });
  const { fetch } = server(busy(7), json({ passages: [] }), busy(60));
  const client = new Client("https://server", { fetch });
  await client.search("lamp", { corpus: "a" });
  assert.ok(Math.max(...waits) >= 7000);
  await assert.rejects(client.search("lamp", { corpus: "a" }), { code: "rate_limited", retryAfter: 60, requestId: "r" });
});

test("what the server says of a model is not tried again; what a proxy says is", async () => {
  const { asked, fetch } = server(new Response("<h1>Bad gateway</h1>", { status: 502 }), json({ code: "model_unavailable" }, 502));
  await assert.rejects(new Client("https://server", { fetch }).ask("Why?", { conversation: "c" }), { code: "model_unavailable" });
  assert.equal(asked.length, 2);
});

test("a signal ends all attempts", async () => {
  const control = new AbortController();
  const fetch = async () => { control.abort(); throw control.signal.reason; };
  const stream = new Client("https://server", { fetch }).stream("Why?", { conversation: "c", signal: control.signal });
  await assert.rejects(stream.finish(), { name: "AbortError" });
});

test("a server that stays away is an error in the end", async () => {
  const { asked, fetch } = server(...Array.from({ length: 9 }, () => new TypeError("fetch failed")));
  await assert.rejects(new Client("https://server", { fetch, attempts: 3 }).chunk("a"), ConnectionLost);
  assert.equal(asked.length, 3);
});
