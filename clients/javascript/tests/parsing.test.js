// What needs no server: how a stream is read, and what its events add up to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Answer, serverSentEvents } from "../src/ragsite.js";

const bytes = (text) => new TextEncoder().encode(text);
const inPieces = (all, size) => new ReadableStream({
  start(controller) {
    for (let at = 0; at < all.length; at += size) controller.enqueue(all.slice(at, at + size));
    controller.close();
  },
});
async function read(text, size) {
  const found = [];
  for await (const event of serverSentEvents(inPieces(bytes(text), size))) found.push(event);
  return found;
}

test("the pieces in which a stream comes make no difference", async () => {
  const text = ": hello\n\nid: 1\nevent: delta\ndata: {\"text\": \"Grüße, 世界 🌍\"}\n\n: keep-alive\n\nid: 2\ndata: a\ndata: b\n\n";
  for (const ending of ["\n", "\r\n", "\r"]) {
    for (const size of [1, 2, 3, 7, 1000]) {
      assert.deepEqual(await read(text.replaceAll("\n", ending), size), [
        { id: "1", data: "{\"text\": \"Grüße, 世界 🌍\"}" },
        { id: "2", data: "a\nb" },
      ], `${JSON.stringify(ending)} ${size}`);
    }
  }
});

test("an event that was cut off is left out", async () => {
  for (const cut of ["id: 2\nda", "id: 2\ndata: {\"te", "id: 2\ndata: x\n"]) {
    assert.deepEqual(await read(`id: 1\ndata: a\n\n${cut}`, 5), [{ id: "1", data: "a" }]);
  }
});

test("a stream that says nothing for long is given up", async () => {
  const silent = new ReadableStream({ start(controller) { controller.enqueue(bytes("id: 1\ndata: a\n\n")); } });
  const found = [];
  for await (const event of serverSentEvents(silent, 50)) found.push(event.id);
  assert.deepEqual(found, ["1"]);
});

test("a restart leaves the second text and its citations alone", () => {
  const answer = new Answer();
  const events = [
    { type: "start", conversation_id: "c", message_id: "m" }, { type: "delta", text: "First [1]" },
    { type: "citation", number: 1 }, { type: "restart", reason: "copied" }, { type: "delta", text: "Second [1]" },
    { type: "citation", number: 1 },
  ];
  events.forEach((event, at) => answer.take(event, at + 1));
  assert.equal(answer.text, "Second [1]");
  assert.equal(answer.citations.length, 1);
  assert.deepEqual([answer.messageId, answer.conversationId, answer.lastEventId], ["m", "c", 6]);
});

test("an event that was told before, or that nobody knows, is left out", () => {
  const answer = new Answer("m", 4);
  assert.equal(answer.take({ type: "delta", text: "again" }, 4), false);
  assert.equal(answer.take({ type: "applause" }, 5), false);
  assert.equal(answer.take({ type: "delta", text: "new" }, 6), true);
  assert.equal(answer.text, "new");
});
