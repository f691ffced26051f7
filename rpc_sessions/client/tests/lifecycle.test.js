import assert from "node:assert/strict";
import { test } from "node:test";
import { codes } from "../index.js";
import { record, setGlobal, settle, start, startOpen, state } from "./helpers.js";

const HALF = 0.5; // what Math.random gives in these tests

test("ready the first time, reconnect every later time", async (t) => {
  const { ss, socket, tick } = start(t);
  const seen = record(ss, "ready", "reconnect", "disconnect");
  assert.equal(ss.connected, false);
  socket().open();
  assert.equal(ss.connected, true);
  for (let i = 0; i < 2; i += 1) {
    socket().drop(1001, "bye");
    assert.equal(ss.connected, false);
    tick(15_000);
    socket().open();
  }
  const lost = ["disconnect", { code: 1001, reason: "bye", willReconnect: true }];
  assert.deepEqual(seen, [["ready"], lost, ["reconnect"], lost, ["reconnect"]]);
});

test("an attempt that fails is a disconnect, and the first success after it is ready", (t) => {
  const { ss, socket, tick } = start(t);
  const seen = record(ss, "ready", "reconnect", "disconnect");
  socket().drop();
  tick(125);
  socket().open();
  assert.deepEqual(seen, [["disconnect", { code: 1006, reason: "", willReconnect: true }], ["ready"]]);
});

test("off and once work for the lifecycle", (t) => {
  const { ss, socket, tick } = startOpen(t);
  const [gone, once] = [t.mock.fn(), t.mock.fn()];
  ss.on("disconnect", gone);
  ss.off("disconnect", gone);
  ss.once("disconnect", once);
  socket().drop();
  tick(125);
  socket().drop();
  assert.deepEqual([gone.mock.callCount(), once.mock.callCount()], [0, 1]);
});

test("a listener that throws does not keep the client from reconnecting", async (t) => {
  setGlobal(t, "reportError", () => {});
  const { ss, sockets, socket, tick } = startOpen(t);
  ss.once("disconnect", () => { throw new Error("the user's"); });
  socket().drop();
  tick(125);
  assert.equal(sockets.length, 2);
});

test("a WebSocket error is an error event, with the cause where there is one", (t) => {
  const { ss, socket } = start(t);
  const seen = record(ss, "error");
  const cause = new Error("ECONNREFUSED");
  socket().onerror({ error: cause });
  socket().onerror({});
  assert.equal(seen[0][1], cause);
  assert.ok(seen[1][1] instanceof Error);
});

// ---------------------------------------------------------------- backoff

/** The delay before the next attempt, in ms, found by ticking. */
function delay({ sockets, tick }) {
  const before = sockets.length;
  let ms = 0;
  while (sockets.length === before && ms < 60_000) {
    tick(1);
    ms += 1;
  }
  return ms;
}

test("the backoff doubles up to its cap, and is drawn between 0 and it", (t) => {
  const client = start(t);
  const delays = [];
  for (let i = 0; i < 9; i += 1) {
    client.socket().drop();
    delays.push(delay(client));
  }
  assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000].map((cap) => cap * HALF));
});

test("full jitter: the draw scales the whole delay", (t) => {
  const client = start(t, { backoff: { min: 1000 } });
  for (const draw of [0.01, 0.99]) {
    t.mock.method(Math, "random", () => draw);
    client.socket().drop();
    assert.equal(delay(client), draw === 0.01 ? 10 : 1980);
  }
});

test("the backoff can be set, one bound alone too", (t) => {
  const client = start(t, { backoff: { max: 300 } });
  const delays = [1, 2].map(() => (client.socket().drop(), delay(client)));
  assert.deepEqual(delays, [125, 150]);
});

test("a server that accepts and closes is not hammered", (t) => {
  const client = start(t);
  const delays = [];
  for (let i = 0; i < 3; i += 1) {
    client.socket().open();
    client.tick(4999);
    client.socket().drop();
    delays.push(delay(client));
  }
  assert.deepEqual(delays, [125, 250, 500]);
});

test("a stable connection starts the backoff afresh", (t) => {
  const client = start(t);
  for (let i = 0; i < 5; i += 1) {
    client.socket().drop();
    delay(client);
  }
  client.socket().open();
  client.tick(5000);
  client.socket().drop();
  assert.equal(delay(client), 125);
  client.socket().drop(); // that attempt failed: the earlier stability counts no more
  assert.equal(delay(client), 250);
});

test("when the network comes back there is no wait", (t) => {
  const listeners = new EventTarget();
  setGlobal(t, "addEventListener", listeners.addEventListener.bind(listeners));
  const { ss, sockets, socket, tick } = start(t); // waits 125 ms, then 250
  const online = () => listeners.dispatchEvent(new Event("online"));
  online(); // connecting already
  assert.equal(sockets.length, 1);
  socket().drop();
  online();
  assert.equal(sockets.length, 2);
  socket().drop();
  tick(200); // the wait that was cut short must not end this one
  assert.equal(sockets.length, 2);
  ss.close();
  online();
  assert.equal(sockets.length, 2);
});

// ---------------------------------------------------------------- close codes

test("4401 is a session event, and the client comes back soon", async (t) => {
  const client = startOpen(t);
  const { ss, socket, sockets } = client;
  const seen = record(ss, "disconnect", "session", "reconnect");
  const reply = ss.rpc("a.b");
  client.tick(5000);
  socket().drop(4401, "session ended");
  await assert.rejects(reply, { code: codes.DISCONNECTED, message: /the session ended \(4401\)/ });
  assert.equal(delay(client), 125);
  socket().open();
  assert.equal(sockets.length, 2);
  assert.deepEqual(seen, [
    ["disconnect", { code: 4401, reason: "session ended", willReconnect: true }],
    ["session", { reason: "ended" }],
    ["reconnect"],
  ]);
});

test("4403 is for good", async (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  const seen = record(ss, "disconnect");
  const sent = ss.rpc("a.sent");
  socket().readyState = 2;
  const waits = ss.rpc("a.waits");
  socket().drop(4403, "origin");
  for (const reply of [sent, waits]) await assert.rejects(reply, { code: codes.CLOSED, message: /refuses this origin/ });
  await assert.rejects(ss.rpc("a.b"), { code: codes.CLOSED, message: /refuses this origin/ });
  tick(60_000);
  assert.equal(sockets.length, 1);
  assert.deepEqual(seen, [["disconnect", { code: 4403, reason: "origin", willReconnect: false }]]);
});

for (const code of [1000, 1001, 1005, 1006, 1009, 1011, 1012, 4008, 4408]) {
  test(`after ${code} the client reconnects`, (t) => {
    const { sockets, socket, tick } = startOpen(t);
    socket().drop(code);
    tick(125);
    assert.equal(sockets.length, 2);
  });
}

// ---------------------------------------------------------------- close()

test("close is for good and says so once", async (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  const seen = record(ss, "disconnect", "reconnect", "error");
  const heard = t.mock.fn();
  ss.event.on("news", heard);
  ss.close();
  ss.close();
  assert.equal(socket().closeCalls, 1);
  socket().event("news"); // what still comes is not heard
  socket().raw("{");
  socket().onerror({});
  socket().drop(1000);
  tick(60_000);
  assert.equal(sockets.length, 1);
  assert.equal(heard.mock.callCount(), 0);
  assert.deepEqual(seen, [["disconnect", { code: 1000, reason: "the client was closed", willReconnect: false }]]);
});

test("close before the connection opened", async (t) => {
  const { ss, socket } = start(t);
  const seen = record(ss, "ready");
  const reply = ss.rpc("a.b");
  ss.close();
  socket().open();
  await assert.rejects(reply, { code: codes.CLOSED });
  assert.deepEqual([seen, socket().sent], [[], []]);
});

test("close while waiting to reconnect", (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  socket().drop();
  ss.close();
  tick(60_000);
  assert.equal(sockets.length, 1);
});

test("close from a disconnect listener", (t) => {
  const { ss, sockets, socket, tick } = startOpen(t);
  ss.on("disconnect", () => ss.close());
  socket().drop();
  tick(60_000);
  assert.equal(sockets.length, 1);
});

test("close from an event listener drops what came after it", async (t) => {
  const { ss, socket } = startOpen(t);
  const heard = t.mock.fn(() => ss.close());
  ss.event.on("news", heard);
  const reply = ss.rpc("a.b");
  socket().event("news");
  socket().event("news");
  assert.equal(await state(reply), "rejected");
  assert.equal(heard.mock.callCount(), 1);
  await settle();
});
