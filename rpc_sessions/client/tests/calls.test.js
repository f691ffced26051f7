import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { RpcError, codes } from "../index.js";
import { record, setGlobal, settle, start, startOpen, state } from "./helpers.js";

test("rpc sends positional params and resolves with the result", async (t) => {
  const { ss, socket } = startOpen(t);
  const reply = ss.rpc("app.echo", "hello", { deep: [1] });
  assert.deepEqual(socket().sent, [{ jsonrpc: "2.0", id: 1, method: "app.echo", params: ["hello", { deep: [1] }] }]);
  socket().reply(1, "hello");
  assert.equal(await reply, "hello");
});

for (const result of [null, 0, "", false]) {
  test(`the result ${JSON.stringify(result)} is a result`, async (t) => {
    const { ss, socket } = startOpen(t);
    const reply = ss.rpc("app.nothing");
    socket().reply(1, result);
    assert.equal(await reply, result);
  });
}

test("replies find their calls in any order", async (t) => {
  const { ss, socket } = startOpen(t);
  const replies = [ss.rpc("a.a"), ss.rpc("a.b"), ss.rpc("a.c")];
  for (const id of [3, 1, 2]) socket().reply(id, `result ${id}`);
  assert.deepEqual(await Promise.all(replies), ["result 1", "result 2", "result 3"]);
});

test("an error reply rejects with an RpcError that says code, message, data and method", async (t) => {
  const { ss, socket } = startOpen(t);
  const reply = ss.rpc("app.secret");
  socket().fail(1, -32001, "log in first", { hint: 7 });
  await assert.rejects(reply, (error) => {
    assert.ok(error instanceof RpcError && error instanceof Error);
    const { name, code, message, data, method } = error;
    assert.deepEqual({ name, code, message, data, method },
      { name: "RpcError", code: -32001, message: "log in first", data: { hint: 7 }, method: "app.secret" });
    return true;
  });
});

test("a callback gets (null, result), and rpc returns nothing", async (t) => {
  const { ss, socket } = startOpen(t);
  const callback = t.mock.fn();
  assert.equal(ss.rpc("app.echo", 1, callback), undefined);
  assert.deepEqual(socket().sent[0].params, [1]);
  socket().reply(1, "one");
  await settle();
  assert.deepEqual(callback.mock.calls[0].arguments, [null, "one"]);
});

test("a callback gets (error), and nothing is rejected unhandled", async (t) => {
  const { ss, socket } = startOpen(t);
  const unhandled = t.mock.fn();
  process.on("unhandledRejection", unhandled);
  t.after(() => process.off("unhandledRejection", unhandled));
  const callback = t.mock.fn();
  ss.rpc("app.echo", callback);
  ss.rpc("app.echo", 1n, callback);
  socket().fail(1, -32603, "no");
  await settle();
  const [first, second] = callback.mock.calls.map((call) => call.arguments[0]);
  assert.ok(first instanceof TypeError);
  assert.equal(second.code, -32603);
  assert.equal(unhandled.mock.callCount(), 0);
});

for (const answer of ["reply", "fail"]) {
  test(`a callback that throws on a ${answer} is reported and called once`, async (t) => {
    const report = t.mock.fn();
    setGlobal(t, "reportError", report);
    const { ss, socket } = startOpen(t);
    const callback = t.mock.fn(() => { throw new Error("the user's"); });
    ss.rpc("app.echo", callback);
    socket()[answer](1, -32603);
    await settle();
    assert.equal(callback.mock.callCount(), 1);
    assert.equal(report.mock.calls[0].arguments[0].message, "the user's");
  });
}

test("call takes named params, or none", (t) => {
  const { ss, socket } = startOpen(t);
  ss.call("app.add", { a: 1, b: 2 }).catch(() => {});
  ss.call("app.now").catch(() => {});
  assert.deepEqual(socket().sent[0].params, { a: 1, b: 2 });
  assert.equal("params" in socket().sent[1], false);
});

const cycle = {};
cycle.self = cycle;
for (const [what, value] of [["a BigInt", 1n], ["a cycle", cycle], ["a toJSON that throws", { toJSON() { throw new TypeError("no"); } }]]) {
  test(`${what} rejects at once with TypeError and sends nothing`, async (t) => {
    const { ss, socket } = startOpen(t);
    await assert.rejects(ss.rpc("app.echo", value), TypeError);
    await assert.rejects(ss.batch([["app.echo", 1], ["app.echo", value]]), TypeError);
    assert.throws(() => ss.notify("app.echo", value), TypeError);
    assert.deepEqual(socket().sent, []);
  });
}

test("a bad argument takes no place in the queue", async (t) => {
  const { ss, socket } = start(t, { queue: 1 });
  await assert.rejects(ss.rpc("app.echo", 1n), TypeError);
  const good = ss.rpc("app.echo", "good");
  socket().open();
  socket().reply(2, "good");
  assert.equal(await good, "good");
});

test("undefined among the arguments is null, as JSON has it", (t) => {
  const { ss, socket } = startOpen(t);
  ss.rpc("app.echo", undefined, 2).catch(() => {});
  assert.deepEqual(socket().sent[0].params, [null, 2]);
});

for (const method of [undefined, "", 7, null]) {
  test(`the method ${JSON.stringify(method)} is a TypeError`, async (t) => {
    const { ss, socket } = startOpen(t);
    await assert.rejects(ss.rpc(method), TypeError);
    await assert.rejects(ss.batch([[method]]), TypeError);
    assert.throws(() => ss.notify(method), TypeError);
    assert.deepEqual(socket().sent, []);
  });
}

for (const params of ["text", 1, null, true]) {
  test(`the params ${JSON.stringify(params)} are a TypeError`, async (t) => {
    await assert.rejects(startOpen(t).ss.call("app.echo", params), /params must be an array, or an object/);
  });
}

test("arguments are read when the call is made", (t) => {
  const { ss, socket } = start(t);
  const cart = { apples: 1 };
  ss.rpc("app.update", cart).catch(() => {});
  cart.apples = 2;
  socket().open();
  assert.deepEqual(socket().sent[0].params, [{ apples: 1 }]);
});

// ---------------------------------------------------------------- timeouts

test("a call times out after 30 s, tells the server, and ignores the late reply", async (t) => {
  const { ss, socket, tick } = startOpen(t);
  const errors = record(ss, "error");
  const reply = ss.rpc("app.slow");
  tick(29_999);
  assert.equal(await state(reply), "pending");
  tick(1);
  await assert.rejects(reply, { name: "RpcError", code: codes.TIMEOUT, message: /30000 ms/, method: "app.slow" });
  assert.deepEqual(socket().sent[1], { jsonrpc: "2.0", method: "rpc.cancel", params: { id: 1 } });
  socket().reply(1, "late");
  await settle();
  assert.deepEqual(errors, []);
});

test("the timeout can be set for the client and for one call", async (t) => {
  const { ss, tick } = startOpen(t, { timeout: 100 });
  const [usual, longer] = [ss.rpc("a.b"), ss.call("a.b", [], { timeout: 200 })];
  tick(100);
  assert.deepEqual([await state(usual), await state(longer)], ["rejected", "pending"]);
  tick(100);
  assert.equal(await state(longer), "rejected");
});

for (const timeout of [0, Infinity, 2 ** 40]) {
  test(`timeout ${timeout} never fires early`, async (t) => {
    const { ss, tick } = startOpen(t);
    const reply = ss.call("a.b", [], { timeout });
    tick(2 ** 31 - 1);
    assert.equal(await state(reply), "pending");
    reply.catch(() => {});
  });
}

test("the timeout runs from the call, and a call timed out in the queue is never sent", async (t) => {
  const { ss, socket, tick } = start(t, { timeout: 100 });
  const [first, second] = [ss.rpc("a.first"), ss.call("a.second", [], { timeout: 150 })];
  tick(100);
  await assert.rejects(first, { code: codes.TIMEOUT });
  socket().open();
  assert.deepEqual(socket().sent.map((message) => message.method), ["a.second"]);
  tick(50);
  await assert.rejects(second, { code: codes.TIMEOUT });
});

test("a settled call leaves no timer behind", async (t) => {
  const { ss, socket, tick } = startOpen(t);
  const reply = ss.rpc("a.b");
  socket().reply(1, "x");
  await reply;
  tick(60_000);
  assert.equal(socket().sent.length, 1);
});

for (const timeout of [-1, NaN, "5", null]) {
  test(`timeout ${timeout} is refused`, async (t) => {
    const { ss } = startOpen(t);
    await assert.rejects(ss.call("a.b", [], { timeout }), TypeError);
  });
}

test("an unknown call option is refused", async (t) => {
  const { ss, socket } = startOpen(t);
  await assert.rejects(ss.call("a.b", [], { timeOut: 5 }), /unknown option "timeOut"/);
  assert.deepEqual(socket().sent, []);
});

// ---------------------------------------------------------------- abort

test("abort rejects with AbortError and cancels the call on the server", async (t) => {
  const { ss, socket } = startOpen(t);
  const controller = new AbortController();
  const reply = ss.call("app.slow", [], { signal: controller.signal });
  controller.abort();
  await assert.rejects(reply, { name: "AbortError" });
  assert.deepEqual(socket().sent[1], { jsonrpc: "2.0", method: "rpc.cancel", params: { id: 1 } });
});

test("abort rejects with the reason that was given", async (t) => {
  const { ss } = startOpen(t);
  const controller = new AbortController();
  const reply = ss.call("app.slow", [], { signal: controller.signal });
  controller.abort("changed my mind");
  await reply.then(assert.fail, (reason) => assert.equal(reason, "changed my mind"));
});

test("abort takes a call that waits out of the queue", async (t) => {
  const { ss, socket } = start(t, { queue: 1 });
  const controller = new AbortController();
  const reply = ss.call("app.slow", [], { signal: controller.signal });
  controller.abort();
  await assert.rejects(reply, { name: "AbortError" });
  ss.rpc("app.next").catch(() => {}); // there is room again
  socket().open();
  assert.deepEqual(socket().sent.map((message) => message.method), ["app.next"]);
});

test("a signal that is aborted already sends nothing", async (t) => {
  const { ss, socket } = startOpen(t);
  await assert.rejects(ss.call("a.b", [], { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.deepEqual(socket().sent, []);
});

test("a settled call lets go of its signal", async (t) => {
  const { ss, socket } = startOpen(t);
  const { signal } = new AbortController();
  const reply = ss.call("a.b", [], { signal });
  assert.equal(getEventListeners(signal, "abort").length, 1);
  socket().reply(1, "done");
  await reply;
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("an answered call is forgotten, its result too", async (t) => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc");
  const { ss, socket } = startOpen(t);
  const answered = async () => {
    const reply = ss.rpc("a.b");
    socket().reply(1, { large: true });
    return new WeakRef(await reply);
  };
  const result = await answered();
  await settle();
  gc();
  assert.equal(result.deref(), undefined);
});

test("abort after the reply does nothing", async (t) => {
  const { ss, socket } = startOpen(t);
  const controller = new AbortController();
  const reply = ss.call("a.b", [], { signal: controller.signal });
  socket().reply(1, "done");
  assert.equal(await reply, "done");
  controller.abort();
  assert.equal(socket().sent.length, 1);
});

test("abort while the socket is closing sends nothing", async (t) => {
  const { ss, socket } = startOpen(t);
  const controller = new AbortController();
  const reply = ss.call("a.b", [], { signal: controller.signal });
  socket().readyState = 2;
  controller.abort(); // the fake throws if something is sent now
  await assert.rejects(reply, { name: "AbortError" });
});

// ---------------------------------------------------------------- notifications

test("notify sends without an id and returns nothing", (t) => {
  const { ss, socket } = startOpen(t);
  assert.equal(ss.notify("app.seen", 1, 2), undefined);
  assert.deepEqual(socket().sent, [{ jsonrpc: "2.0", method: "app.seen", params: [1, 2] }]);
});

// ---------------------------------------------------------------- what the server may say wrongly

test("unknown ids are ignored", async (t) => {
  const { ss, socket } = startOpen(t);
  const errors = record(ss, "error");
  const reply = ss.rpc("a.b");
  for (const id of [99, "1", null, undefined, {}]) socket().reply(id, "stray");
  socket().fail(99, -32603, "stray");
  socket().reply(1, "mine");
  socket().reply(1, "twice");
  assert.equal(await reply, "mine");
  assert.deepEqual(errors, []);
});

for (const text of ["", "{", "null", "7", '"x"', "[1]", "not json", Buffer.from([0xff]), undefined]) {
  test(`a malformed message ${JSON.stringify(text)} is an "error" event and breaks nothing`, async (t) => {
    const { ss, socket } = startOpen(t);
    const errors = record(ss, "error");
    const reply = ss.rpc("a.b");
    socket().raw(text);
    socket().reply(1, "fine");
    assert.equal(await reply, "fine");
    assert.equal(errors.length, 1);
    assert.ok(errors[0][1] instanceof RpcError);
  });
}

for (const item of [{}, [], { id: null }, { error: 5 }, { id: null, error: "x" }, { id: null, error: true }, { method: 5 }, { method: "rpc.session" },
  { method: "rpc.session", params: null }, { method: "rpc.session", params: [1] }, { method: "rpc.session", params: { ticket: 5, changed: "k" } },
  { method: "rpc.unheard" }, { method: "news", params: null }]) {
  test(`the odd message ${JSON.stringify(item)} breaks nothing`, async (t) => {
    const fetch = t.mock.fn();
    const { ss, socket } = startOpen(t, { fetch });
    const [first, second] = [ss.rpc("a.b"), ss.rpc("a.c")];
    socket().say(item);
    socket().reply(1, "fine");
    socket().reply(2, "fine too");
    assert.deepEqual(await Promise.all([first, second]), ["fine", "fine too"]);
    assert.equal(fetch.mock.callCount(), 0);
  });
}

for (const body of [{}, { error: null }, { error: 0 }]) {
  test(`a reply with ${JSON.stringify(body)} and no result rejects its call`, async (t) => {
    const { ss, socket } = startOpen(t);
    const reply = ss.rpc("a.b");
    socket().say({ jsonrpc: "2.0", id: 1, ...body });
    await assert.rejects(reply, { code: -32603, message: /neither result nor error/ });
  });
}

for (const error of ["boom", 7, [], { code: "x" }]) {
  test(`the odd error ${JSON.stringify(error)} still rejects its call with an RpcError`, async (t) => {
    const { ss, socket } = startOpen(t);
    const reply = ss.rpc("a.b");
    socket().say({ jsonrpc: "2.0", id: 1, error });
    await assert.rejects(reply, RpcError);
  });
}
