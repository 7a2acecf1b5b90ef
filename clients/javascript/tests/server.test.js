// The client against a running server, RAGSITE_URL; tests/clients/test_javascript.py starts it and cuts connections.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, Client, ConnectionLost } from "../src/ragsite.js";

const { RAGSITE_URL: url, RAGSITE_KEY: apiKey, RAGSITE_ORIGIN: origin } = process.env;
const LAMP = "How often does the lamp turn?";
const on = { skip: url ? false : "no RAGSITE_URL" };

function textOf(events) {
  let text = "";
  for (const event of events) {
    if (event.type === "restart") text = "";
    if (event.type === "delta") text += event.text;
  }
  return text;
}
async function all(iterable) {
  const found = [];
  for await (const one of iterable) found.push(one);
  return found;
}

test("ask", on, async () => {
  const client = new Client(url);
  const done = await client.ask(LAMP, { corpus: "lighthouse" });
  assert.match(done.text, /twelve seconds/);
  const chunk = await client.chunk(done.citations[0].chunk_id);
  assert.equal((await client.document(chunk.document.id)).title, "The lamp");
  const later = new Client(url, { visitorToken: client.visitorToken });
  assert.deepEqual((await all(later.conversations.list())).map((one) => one.id), [done.conversation_id]);
  const roles = (await all(later.conversations.messages(done.conversation_id))).map((one) => one.role);
  assert.deepEqual(roles, ["user", "assistant"]);
  assert.equal((await later.conversations.rename(done.conversation_id, "Lamp")).title, "Lamp");
  await later.conversations.delete(done.conversation_id);
  await assert.rejects(later.conversations.get(done.conversation_id), { name: "ApiError", code: "not_found", status: 404 });
});

test("search", on, async () => {
  const found = await new Client(url).search("lamp", { corpus: "lighthouse", top_k: 2 });
  assert.equal(found.passages.length, 2);
});

test("stream", on, async () => {
  const stream = new Client(url).stream(LAMP, { corpus: "lighthouse" });
  const events = await all(stream);
  assert.equal(events.at(0).type, "start");
  assert.equal(events.at(-1).type, "done");
  assert.equal(events.filter((event) => event.type === "start").length, 1);
  assert.equal(textOf(events), events.at(-1).text);
  assert.equal(stream.answer.text, events.at(-1).text);
  assert.deepEqual(stream.answer.citations, events.at(-1).citations);
});

test("resume", on, async () => {
  const client = new Client(url);
  const first = client.stream(LAMP, { corpus: "lighthouse" });
  for await (const event of first) if (event.type === "delta") break;
  const { messageId, lastEventId, text } = first.answer;
  const rest = await all(client.resume(messageId, lastEventId));
  assert.equal(text + textOf(rest), rest.at(-1).text);
});

test("cancel", on, async () => {
  const client = new Client(url);
  const stream = client.stream(LAMP, { corpus: "lighthouse" });
  const kinds = [];
  for await (const event of stream) {
    kinds.push(event.type);
    if (event.type === "delta" && kinds.filter((kind) => kind === "delta").length === 1) await stream.cancel();
  }
  assert.equal(stream.answer.done.status, "cancelled");
  await assert.rejects(client.cancel(stream.answer.messageId), { code: "finished", status: 409 });
});

test("feedback", on, async () => {
  const client = new Client(url);
  const done = await client.ask(LAMP, { corpus: "lighthouse" });
  assert.deepEqual(await client.feedback(done.message_id, "up", "clear"), { rating: "up", comment: "clear" });
  const kept = await client.conversations.export(done.conversation_id);
  assert.equal(kept.messages.at(-1).feedback.rating, "up");
  assert.match(await client.conversations.export(done.conversation_id, "markdown"), /twelve seconds/);
});

test("credentials", on, async () => {
  assert.match((await new Client(url, { apiKey }).ask(LAMP, { corpus: "lighthouse" })).text, /twelve seconds/);
  await assert.rejects(new Client(url, { apiKey: "wrong" }).ask(LAMP, { corpus: "lighthouse" }),
    (error) => error instanceof ApiError && error.status === 401 && error.code === "authentication_failed");
  let made = 0;
  await assert.rejects(new Client(url, { bearer: () => { made++; return "none"; } }).search("lamp", { corpus: "lighthouse" }),
    { status: 401 });
  assert.equal(made, 2);
});

test("publishable", on, async () => {
  const client = new Client(url, { publishableKey: apiKey, origin });
  const done = await client.ask(LAMP, { corpus: "lighthouse" });
  const first = client.visitorToken;
  await new Promise((resolve) => setTimeout(resolve, 1100)); // a token of the same second is the same
  assert.deepEqual((await all(client.conversations.list())).map((one) => one.id), [done.conversation_id]);
  assert.notEqual(client.visitorToken, first);
});

/** Node says no origin by itself, and without one no socket is accepted. */
class From extends (globalThis.WebSocket ?? Object) {
  static made = [];
  constructor(address) { super(address, { headers: { Origin: origin ?? url } }); From.made.push(this); }
}

test("visitor", on, async () => {
  const client = new Client(url);
  const socket = client.socket({ WebSocket: From });
  const followed = socket.ask({ question: LAMP, corpus: "lighthouse" });
  const events = [];
  for await (const event of followed) {
    events.push(event);
    if (event.type === "start") From.made.at(-1).close();
  }
  socket.close();
  assert.equal(From.made.length, 2);
  assert.equal(events.at(-1).type, "done");
  assert.equal(textOf(events), events.at(-1).text);
  assert.deepEqual((await all(client.conversations.list())).map((one) => one.id), [followed.answer.conversationId]);
});

test("renewed", on, async () => {
  const client = new Client(url, { publishableKey: apiKey, origin }), states = [];
  const socket = client.socket({ WebSocket: From, onstate: (state) => states.push(state) });
  const first = (await all(socket.ask({ question: LAMP, corpus: "lighthouse" }))).at(-1);
  await new Promise((resolve) => setTimeout(resolve, 4500)); // longer than its token is good
  const conversation = first.conversation_id;
  const second = (await all(socket.ask({ question: LAMP, conversation }))).at(-1);
  socket.close();
  assert.equal(second.conversation_id, conversation);
  assert.ok(!states.includes("expired"));
});

test("away", on, async () => {
  await assert.rejects(new Client(url, { attempts: 2 }).ask(LAMP, { corpus: "lighthouse" }), ConnectionLost);
});

test("lost", on, async () => {
  const client = new Client(url);
  const { id: conversation } = await client.conversations.create("lighthouse");
  await client.ask(LAMP, { conversation });
  assert.equal((await all(client.conversations.messages(conversation))).length, 2);
});
