import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError, codes } from "../index.js";
import { settle, start, startOpen, state } from "./helpers.js";

const methods = (socket) => socket.sent.map((message) => (Array.isArray(message) ? "batch" : message.method));

test("what is called before the connection opens goes out in order when it does", async (t) => {
  const { ss, socket } = start(t);
  const replies = [ss.rpc("a.one"), ss.call("a.two", { x: 1 })];
  ss.notify("a.three");
  ss.batch([["a.four"]]).catch(() => {});
  assert.deepEqual(socket().sent, []);
  socket().open();
  assert.deepEqual(methods(socket()), ["a.one", "a.two", "a.three", "batch"]);
  socket().reply(1, 1);
  socket().reply(2, 2);
  assert.deepEqual(await Promise.all(replies), [1, 2]);
});

test("a call over the bound is rejected at once, the others stay", async (t) => {
  const { ss, socket } = start(t, { queue: 2 });
  ss.rpc("a.one").catch(() => {});
  ss.notify("a.two");
  await assert.rejects(ss.rpc("a.three"), { name: "RpcError", code: codes.QUEUE_FULL });
  assert.throws(() => ss.notify("a.four"), (error) => error instanceof RpcError && error.code === codes.QUEUE_FULL);
  socket().open();
  assert.deepEqual(methods(socket()), ["a.one", "a.two"]);
});

test("the bound is 100 calls by default", async (t) => {
  const { ss } = start(t);
  for (let i = 0; i < 100; i += 1) ss.notify("a.b");
  assert.throws(() => ss.notify("a.b"), { code: codes.QUEUE_FULL });
});

test("a batch counts each of its calls", async (t) => {
  const { ss } = start(t, { queue: 3 });
  ss.batch([["a.a"], ["a.b"]]).catch(() => {});
  await assert.rejects(ss.batch([["a.c"], ["a.d"]]), { code: codes.QUEUE_FULL });
  assert.equal(await state(ss.rpc("a.e").catch(() => {})), "pending");
});

test("a queue of 0 sends while connected and refuses otherwise", async (t) => {
  const { ss, socket } = start(t, { queue: 0 });
  await assert.rejects(ss.rpc("a.b"), { code: codes.QUEUE_FULL });
  socket().open();
  const reply = ss.rpc("a.b");
  socket().reply(2, "ok");
  assert.equal(await reply, "ok");
});

test("the queue bounds no calls in flight", (t) => {
  const { ss, socket } = startOpen(t, { queue: 1 });
  for (let i = 0; i < 5; i += 1) ss.rpc("a.b").catch(() => {});
  assert.equal(socket().sent.length, 5);
});

test("a dropped connection rejects what was sent, keeps what was not, and sends nothing twice", async (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  const sent = ss.rpc("a.sent");
  socket().drop();
  const waits = ss.rpc("a.waits");
  ss.notify("a.note");
  await assert.rejects(sent, { name: "RpcError", code: codes.DISCONNECTED, method: "a.sent", data: { closeCode: 1006, reason: "" } });
  tick(125);
  socket().open();
  assert.equal(sockets.length, 2);
  assert.deepEqual(methods(sockets[1]), ["a.waits", "a.note"]);
  socket().reply(2, "done");
  assert.equal(await waits, "done");
});

test("a call made while the socket is closing waits for the next one", async (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  socket().readyState = 2;
  assert.equal(ss.connected, false);
  const reply = ss.rpc("a.b");
  socket().drop(1001, "bye");
  assert.equal(await state(reply), "pending");
  tick(125);
  socket().open();
  assert.deepEqual([sockets[0].sent.length, methods(sockets[1])], [0, ["a.b"]]);
  reply.catch(() => {});
});

test("the reply of a lost connection cannot reach a call of the next", async (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  ss.rpc("a.first").catch(() => {});
  socket().drop();
  tick(125);
  socket().open();
  const second = ss.rpc("a.second");
  assert.notEqual(sockets[1].sent[0].id, sockets[0].sent[0].id);
  socket().reply(sockets[0].sent[0].id, "stale");
  assert.equal(await state(second), "pending");
  second.catch(() => {});
});

test("1009 says that a message was too large", async (t) => {
  const { ss, socket } = startOpen(t);
  const reply = ss.rpc("a.b", "x".repeat(100_000));
  socket().drop(1009);
  await assert.rejects(reply, { code: codes.DISCONNECTED, message: /a message was larger than the server accepts \(1009\)/ });
});

test("close rejects what was sent and what waits", async (t) => {
  const { ss, socket, tick } = startOpen(t);
  const sent = ss.rpc("a.sent");
  socket().readyState = 2;
  const [waits, batch] = [ss.rpc("a.waits"), ss.batch([["a.b"]])];
  ss.close();
  for (const reply of [sent, waits]) await assert.rejects(reply, { name: "RpcError", code: codes.CLOSED });
  assert.equal((await batch)[0].reason.code, codes.CLOSED);
  tick(60_000); // no timer is left to reject twice or to reconnect
  await settle();
});

test("a closed client refuses calls", async (t) => {
  const { ss } = startOpen(t);
  ss.close();
  await assert.rejects(ss.rpc("a.b"), { code: codes.CLOSED });
  await assert.rejects(ss.batch([["a.b"]]), { code: codes.CLOSED });
  assert.throws(() => ss.notify("a.b"), { name: "RpcError", code: codes.CLOSED });
});
