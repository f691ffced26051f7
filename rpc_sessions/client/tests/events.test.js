import assert from "node:assert/strict";
import { test } from "node:test";
import { setGlobal, settle, startOpen } from "./helpers.js";

test("an event gives its params to every listener of its name", (t) => {
  const { ss, socket } = startOpen(t);
  const [one, two, other] = [t.mock.fn(), t.mock.fn(), t.mock.fn()];
  ss.event.on("news", one);
  ss.event.on("news", two);
  ss.event.on("weather", other);
  socket().event("news", "hello", { n: 1 });
  for (const fn of [one, two]) assert.deepEqual(fn.mock.calls.map((call) => call.arguments), [["hello", { n: 1 }]]);
  assert.equal(other.mock.callCount(), 0);
});

test("off, and the function on() returns, take a listener off", (t) => {
  const { ss, socket } = startOpen(t);
  const [one, two, stays] = [t.mock.fn(), t.mock.fn(), t.mock.fn()];
  ss.event.on("news", one);
  const stop = ss.event.on("news", two);
  ss.event.on("news", stays);
  ss.event.off("news", one);
  stop();
  ss.event.off("news", () => {}); // never added
  ss.event.off("nothing", one);
  socket().event("news");
  assert.deepEqual([one, two, stays].map((fn) => fn.mock.callCount()), [0, 0, 1]);
});

test("once is once, and off works on it too", (t) => {
  const { ss, socket } = startOpen(t);
  const [once, gone] = [t.mock.fn(), t.mock.fn()];
  ss.event.once("news", once);
  ss.event.once("news", gone);
  ss.event.off("news", gone);
  socket().event("news", 1);
  socket().event("news", 2);
  assert.deepEqual(once.mock.calls.map((call) => call.arguments), [[1]]);
  assert.equal(gone.mock.callCount(), 0);
});

test("a listener that takes itself off does not skip the next", (t) => {
  const { ss, socket } = startOpen(t);
  const next = t.mock.fn();
  const stop = ss.event.on("news", () => stop());
  ss.event.on("news", next);
  socket().event("news");
  assert.equal(next.mock.callCount(), 1);
});

test("a listener added by a listener hears the next event first", (t) => {
  const { ss, socket } = startOpen(t);
  const late = t.mock.fn();
  const add = (n) => n === 1 && ss.event.on("news", late);
  ss.event.on("news", add);
  socket().event("news", 1);
  socket().event("news", 2);
  assert.deepEqual(late.mock.calls.map((call) => call.arguments), [[2]]);
});

test("a listener that throws, or rejects, is reported and stops nobody else", async (t) => {
  const report = t.mock.fn();
  setGlobal(t, "reportError", report);
  const { ss, socket } = startOpen(t);
  const next = t.mock.fn();
  ss.event.on("news", () => { throw new Error("thrown"); });
  ss.event.on("news", async () => { throw new Error("rejected"); });
  ss.event.on("news", next);
  socket().event("news");
  socket().event("news");
  await settle();
  assert.equal(next.mock.callCount(), 2);
  assert.deepEqual(new Set(report.mock.calls.map((call) => call.arguments[0].message)), new Set(["thrown", "rejected"]));
});

test("without reportError the console is told", async (t) => {
  const error = t.mock.method(console, "error", () => {});
  setGlobal(t, "reportError", undefined);
  const { ss, socket } = startOpen(t);
  ss.event.on("news", () => { throw new Error("thrown"); });
  socket().event("news");
  await settle();
  assert.equal(error.mock.calls[0].arguments[0].message, "thrown");
});

test("rpc.* is the server's own and is no event", (t) => {
  const { ss, socket } = startOpen(t);
  const fn = t.mock.fn();
  for (const name of ["rpc.session", "rpc.anything"]) ss.event.on(name, fn);
  socket().session({ changed: ["cart"] });
  socket().event("rpc.anything", 1);
  assert.equal(fn.mock.callCount(), 0);
});

test("an event whose params are no list comes as one argument", (t) => {
  const { ss, socket } = startOpen(t);
  const fn = t.mock.fn();
  ss.event.on("news", fn);
  socket().say({ jsonrpc: "2.0", method: "news", params: { a: 1 } });
  assert.deepEqual(fn.mock.calls[0].arguments, [{ a: 1 }]);
});

test("events called like members of an object are just names", (t) => {
  const { ss, socket } = startOpen(t);
  const fn = t.mock.fn();
  ss.event.on("constructor", fn);
  socket().event("__proto__", 1);
  socket().event("toString", 1);
  socket().event("constructor", 1);
  assert.equal(fn.mock.callCount(), 1);
});

test("events and replies keep their order", async (t) => {
  const { ss, socket } = startOpen(t);
  const seen = [];
  ss.event.on("news", (n) => seen.push(n));
  const reply = ss.rpc("a.b").then(() => seen.push("reply"));
  socket().event("news", 1);
  socket().reply(1, null);
  await reply;
  socket().event("news", 2);
  assert.deepEqual(seen, [1, "reply", 2]);
});

test("a listener that is no function is refused", (t) => {
  const { ss } = startOpen(t);
  assert.throws(() => ss.event.on("news"), TypeError);
  assert.throws(() => ss.event.once("news", "fn"), TypeError);
  assert.throws(() => ss.on("ready", null), TypeError);
});

test("a lifecycle name that does not exist is refused", (t) => {
  const { ss } = startOpen(t);
  assert.throws(() => ss.on("redy", () => {}), /no event redy; there are ready, disconnect, reconnect, session, error/);
});
