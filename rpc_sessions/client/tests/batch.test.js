import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError, codes } from "../index.js";
import { record, settle, start, startOpen, state } from "./helpers.js";

const TWO = [["app.add", 1, 2], ["app.echo", "x"]];

test("a batch is one message, and outcomes come in the order given", async (t) => {
  const { ss, socket } = startOpen(t);
  const outcomes = ss.batch(TWO);
  assert.deepEqual(socket().sent, [[
    { jsonrpc: "2.0", id: 1, method: "app.add", params: [1, 2] },
    { jsonrpc: "2.0", id: 2, method: "app.echo", params: ["x"] },
  ]]);
  socket().say([{ jsonrpc: "2.0", id: 2, result: "x" }, { jsonrpc: "2.0", id: 1, result: 3 }]);
  assert.deepEqual(await outcomes, [{ status: "fulfilled", value: 3 }, { status: "fulfilled", value: "x" }]);
});

test("one bad item loses no other", async (t) => {
  const { ss, socket } = startOpen(t);
  const outcomes = ss.batch(TWO);
  socket().say([{ jsonrpc: "2.0", id: 1, error: { code: -32602, message: "no" } }, { jsonrpc: "2.0", id: 2, result: "x" }]);
  const [first, second] = await outcomes;
  assert.equal(first.status, "rejected");
  assert.ok(first.reason instanceof RpcError);
  assert.deepEqual([first.reason.code, first.reason.method], [-32602, "app.add"]);
  assert.deepEqual(second, { status: "fulfilled", value: "x" });
});

test("an item the server forgot times out; the others have their results", async (t) => {
  const { ss, socket, tick } = startOpen(t);
  const outcomes = ss.batch(TWO, { timeout: 50 });
  socket().say([{ jsonrpc: "2.0", id: 2, result: "x" }]);
  assert.equal(await state(outcomes), "pending");
  tick(50);
  const [first, second] = await outcomes;
  assert.equal(first.reason.code, codes.TIMEOUT);
  assert.equal(second.value, "x");
  assert.deepEqual(socket().sent.slice(1), [{ jsonrpc: "2.0", method: "rpc.cancel", params: { id: 1 } }]);
});

test("an empty batch is an empty array, and sends nothing", async (t) => {
  const { ss, socket } = startOpen(t);
  assert.deepEqual(await ss.batch([]), []);
  assert.deepEqual(socket().sent, []);
});

for (const items of [undefined, "app.add", [["a.b"], "a.c"], [{ method: "a.b" }], (b) => b]) {
  test(`batch(${JSON.stringify(items)}) is a TypeError`, async (t) => {
    const { ss, socket } = startOpen(t);
    await assert.rejects(ss.batch(items), TypeError);
    assert.deepEqual(socket().sent, []);
  });
}

test("abort settles every item and cancels each", async (t) => {
  const { ss, socket } = startOpen(t);
  const controller = new AbortController();
  const outcomes = ss.batch(TWO, { signal: controller.signal });
  controller.abort();
  assert.deepEqual((await outcomes).map(({ reason }) => reason.name), ["AbortError", "AbortError"]);
  assert.deepEqual(socket().sent.slice(1).map(({ params }) => params.id), [1, 2]);
});

test("a batch aborted in the queue is not sent", async (t) => {
  const { ss, socket } = start(t, { queue: 2 });
  const controller = new AbortController();
  const outcomes = ss.batch(TWO, { signal: controller.signal });
  controller.abort();
  await outcomes;
  socket().open();
  assert.deepEqual(socket().sent, []);
});

test("a dropped connection rejects the items without a reply", async (t) => {
  const { ss, socket } = startOpen(t);
  const outcomes = ss.batch(TWO);
  socket().reply(1, 3);
  socket().drop();
  const [first, second] = await outcomes;
  assert.equal(first.value, 3);
  assert.equal(second.reason.code, codes.DISCONNECTED);
});

// ---------------------------------------------------------------- an error with no id

test("one error for the whole batch rejects all its items", async (t) => {
  const { ss, socket } = startOpen(t);
  const outcomes = ss.batch(TWO);
  socket().fail(null, -32600, "batch too large");
  for (const { reason } of await outcomes) assert.deepEqual([reason.code, reason.message], [-32600, "batch too large"]);
});

test("an invalid request can only be a batch, so single calls in flight go on", async (t) => {
  const { ss, socket } = startOpen(t);
  const errors = record(ss, "error");
  const [single, outcomes] = [ss.rpc("a.b"), ss.batch(TWO)];
  socket().fail(null, -32600, "batch too large");
  assert.deepEqual((await outcomes).map(({ status }) => status), ["rejected", "rejected"]);
  assert.equal(await state(single), "pending");
  socket().reply(1, "fine");
  assert.equal(await single, "fine");
  assert.deepEqual(errors, []);
});

test("a batch that was answered is not blamed", async (t) => {
  const { ss, socket } = startOpen(t);
  const [answered, refused] = [ss.batch(TWO), ss.batch(TWO)];
  socket().reply(1, 3); // the first of the first
  socket().fail(null, -32600, "batch too large");
  assert.deepEqual((await refused).map(({ status }) => status), ["rejected", "rejected"]);
  socket().reply(2, "x");
  assert.deepEqual((await answered).map(({ status }) => status), ["fulfilled", "fulfilled"]);
});

test("an error two messages can be meant by is an event; timeouts decide", async (t) => {
  const { ss, socket, tick } = startOpen(t, { timeout: 100 });
  const errors = record(ss, "error");
  const both = [ss.batch(TWO), ss.batch(TWO)];
  socket().fail(null, -32600, "batch too large");
  await settle();
  assert.deepEqual(errors.map(([, error]) => [error.code, error.message]), [[-32600, "batch too large"]]);
  assert.deepEqual([await state(both[0]), await state(both[1])], ["pending", "pending"]);
  tick(100);
  assert.deepEqual([await state(both[0]), await state(both[1])], ["fulfilled", "fulfilled"]);
});

test("a single call alone in flight takes the error without an id", async (t) => {
  const { ss, socket } = startOpen(t);
  const reply = ss.rpc("a.b", "\ud800");
  socket().fail(null, -32700, "parse error");
  await assert.rejects(reply, { code: -32700, method: "a.b" });
});

test("with nothing in flight it is an event", async (t) => {
  const { ss, socket } = startOpen(t);
  const errors = record(ss, "error");
  socket().fail(null, -32700, "parse error");
  await settle();
  assert.equal(errors[0][1].code, -32700);
});
