import assert from "node:assert/strict";
import { test } from "node:test";
import { codes } from "../index.js";
import { record, setGlobal, settle, start, startOpen, state } from "./helpers.js";

/** A fetch whose answers the test gives, in order: `answer(200)`, `answer(new Error())`. */
function fakeFetch() {
  const requests = [];
  const fetch = (url, init) => new Promise((resolve, reject) => {
    requests.push({ url, ...init, answer: (what) => (what instanceof Error ? reject(what) : resolve({ status: what })) });
    init.signal.addEventListener("abort", () => reject(init.signal.reason));
  });
  return { fetch, requests };
}

function startWithTicket(t, url) {
  const { fetch, requests } = fakeFetch();
  const client = startOpen(t, { fetch }, url);
  const login = client.ss.rpc("app.login");
  login.catch(() => {}); // some tests end before it does
  client.socket().session({ ticket: "t1" });
  client.socket().reply(1, true);
  return { ...client, login, requests, session: record(client.ss, "session") };
}

/** The client asked for another ticket: the id of that request. */
function asked(socket) {
  const { id, method, params } = socket.sent.at(-1);
  assert.deepEqual({ method, params }, { method: "rpc.ticket", params: undefined });
  return id;
}

/** How often it asked. */
const asks = (socket) => socket.sent.filter(({ method }) => method === "rpc.ticket").length;

/** The server sends another ticket, as it was asked. */
function sendTicket(socket, ticket) {
  const id = asked(socket);
  socket.session({ ticket });
  socket.reply(id, true);
}

test("a ticket is posted next to the socket, even from a page that is left", (t) => {
  const { requests } = startWithTicket(t, "wss://test.example/app/rpc?x=1");
  const { url, method, headers, body, keepalive } = requests[0];
  assert.deepEqual({ url, method, headers, body, keepalive }, {
    url: "https://test.example/app/rpc/session", method: "POST",
    headers: { "content-type": "application/json" }, body: '{"ticket":"t1"}', keepalive: true,
  });
});

test("the path cannot send a ticket to another host", (t) => {
  const { requests } = startWithTicket(t, "ws://test.example//evil.example");
  assert.equal(new URL(requests[0].url).host, "test.example");
});

test("credentials are same-origin at home, and included elsewhere", (t) => {
  setGlobal(t, "location", new URL("http://test.example/page"));
  const home = startWithTicket(t, "/rpc");
  assert.equal(home.requests[0].url, "http://test.example/rpc/session");
  assert.equal(home.requests[0].credentials, "same-origin");
  t.mock.reset();
  t.mock.timers.reset();
  const away = startWithTicket(t, "ws://api.example/rpc");
  assert.equal(away.requests[0].credentials, "include");
});

test("what comes after the ticket waits for the cookie, then arrives in order", async (t) => {
  const { ss, socket, login, requests, session } = startWithTicket(t);
  const seen = [];
  login.then(() => seen.push("login"));
  ss.event.on("news", (n) => seen.push(n));
  socket().event("news", 1);
  socket().event("news", 2);
  assert.equal(await state(login), "pending");
  assert.deepEqual([seen, session], [[], []]);
  requests[0].answer(204);
  await settle();
  assert.equal(await login, true);
  socket().event("news", 3);
  assert.deepEqual(seen.filter((one) => one !== "login"), [1, 2, 3]);
  assert.deepEqual(session, [["session", { reason: "rotated" }]]);
});

test("what came before the ticket does not wait", async (t) => {
  const { fetch } = fakeFetch();
  const { ss, socket } = startOpen(t, { fetch });
  const before = ss.rpc("a.before");
  socket().reply(1, "here");
  socket().session({ ticket: "t1" });
  assert.equal(await before, "here");
});

test("calls go out while the ticket is exchanged", (t) => {
  const { ss, socket } = startWithTicket(t);
  ss.rpc("a.meanwhile").catch(() => {});
  assert.equal(socket().sent.at(-1).method, "a.meanwhile");
});

test("close from a listener drops what was held after it", async (t) => {
  const { ss, socket, login, requests } = startWithTicket(t);
  const heard = t.mock.fn(() => ss.close());
  ss.event.on("news", heard);
  socket().event("news");
  socket().event("news");
  requests[0].answer(200);
  assert.equal(await login, true);
  assert.equal(heard.mock.callCount(), 1);
});

test("two tickets are exchanged one after the other", async (t) => {
  const { ss, socket, requests, session } = startWithTicket(t);
  const heard = t.mock.fn();
  ss.event.on("news", heard);
  socket().session({ ticket: "t2" });
  socket().event("news");
  assert.equal(requests.length, 1);
  requests[0].answer(200);
  await settle();
  assert.equal(requests[1].body, '{"ticket":"t2"}');
  assert.equal(heard.mock.callCount(), 0);
  requests[1].answer(200);
  await settle();
  assert.equal(heard.mock.callCount(), 1);
  assert.equal(session.length, 2);
});

test("a slow exchange holds messages for 5 s only, and its cookie still counts", async (t) => {
  const { login, requests, session, tick } = startWithTicket(t);
  tick(4999);
  assert.equal(await state(login), "pending");
  tick(1);
  assert.equal(await login, true);
  assert.deepEqual(session, []);
  requests[0].answer(200);
  await settle();
  assert.deepEqual(session, [["session", { reason: "rotated" }]]);
});

test("a late first exchange does not release what the second holds", async (t) => {
  const { ss, socket, requests, tick } = startWithTicket(t);
  tick(5000);
  socket().session({ ticket: "t2" });
  const heard = t.mock.fn();
  ss.event.on("news", heard);
  socket().event("news");
  requests[0].answer(200);
  await settle();
  assert.equal(heard.mock.callCount(), 0);
  requests[1].answer(200);
  await settle();
  assert.equal(heard.mock.callCount(), 1);
});

for (const bad of [new TypeError("network"), 500, 503]) {
  test(`after ${bad} the exchange is tried once more`, async (t) => {
    const { login, requests, session, tick } = startWithTicket(t);
    requests[0].answer(bad);
    await settle();
    assert.equal(await state(login), "pending");
    assert.equal(requests.length, 1);
    tick(300);
    await settle();
    assert.equal(requests[1].body, '{"ticket":"t1"}');
    requests[1].answer(200);
    assert.equal(await login, true);
    assert.deepEqual(session, [["session", { reason: "rotated" }]]);
  });
}

test("an exchange that fails twice is told, and the connection goes on", async (t) => {
  const { socket, login, requests, session, tick } = startWithTicket(t);
  requests[0].answer(new TypeError("network"));
  await settle();
  tick(300);
  await settle();
  requests[1].answer(new TypeError("network"));
  await settle();
  socket().reply(asked(socket()), false);
  assert.equal(await login, true);
  assert.deepEqual(session, [["session", { reason: "failed" }]]);
  assert.equal(socket().closeCalls, 0);
  assert.equal(requests.length, 2);
});

for (const status of [403, 404, 410]) {
  test(`a ticket refused with ${status}: the reply arrives, the socket closes and comes back`, async (t) => {
    const { ss, sockets, socket, login, requests, session, tick } = startWithTicket(t);
    requests[0].answer(status);
    await settle();
    socket().reply(asked(socket()), false);
    assert.equal(await login, true);
    assert.deepEqual(session, [["session", { reason: "refused" }]]);
    assert.equal(socket().closeCalls, 1);
    assert.equal(requests.length, 1);
    socket().drop(1005);
    tick(125);
    socket().open();
    assert.equal(sockets.length, 2);
    assert.equal(ss.connected, true);
  });
}

test("a drop during the exchange waits its turn: replies that came first are delivered", async (t) => {
  const { ss, sockets, socket, login, requests, tick } = startWithTicket(t);
  const unanswered = ss.rpc("a.unanswered");
  socket().drop();
  tick(1000);
  assert.equal(sockets.length, 1); // reconnecting now would carry the old cookie
  assert.equal(ss.connected, false);
  requests[0].answer(200);
  assert.equal(await login, true);
  await assert.rejects(unanswered, { code: codes.DISCONNECTED });
  tick(125);
  assert.equal(sockets.length, 2);
});

test("close during the exchange aborts it and says nothing more", async (t) => {
  const { ss, login, requests, session, tick } = startWithTicket(t);
  ss.close();
  await assert.rejects(login, { code: codes.CLOSED });
  assert.equal(requests[0].signal.aborted, true);
  await settle();
  tick(60_000);
  await settle();
  assert.equal(requests.length, 1);
  assert.deepEqual(session, []);
});

test("close between the two tries makes no second", async (t) => {
  const { ss, requests, tick } = startWithTicket(t);
  requests[0].answer(new TypeError("network"));
  await settle();
  ss.close();
  tick(60_000);
  await settle();
  assert.equal(requests.length, 1);
});

test("a fetch that throws at once is a failed exchange", async (t) => {
  const { ss, socket, tick } = startOpen(t, { fetch: () => { throw new TypeError("no"); } });
  const session = record(ss, "session");
  socket().session({ ticket: "t1" });
  await settle();
  tick(300);
  await settle();
  socket().reply(asked(socket()), false);
  await settle();
  assert.deepEqual(session, [["session", { reason: "failed" }]]);
});

// ---------------------------------------------------------------- another ticket in its place

for (const [what, answers] of [["refused", [403]], ["failed", [new TypeError("network"), 503]]]) {
  test(`after a ticket that ${what} another is asked for, and what came waits for its cookie`, async (t) => {
    const { ss, socket, login, requests, session, tick } = startWithTicket(t);
    const seen = [];
    login.then(() => seen.push("login"));
    ss.event.on("news", (n) => seen.push(n));
    for (const answer of answers) {
      requests.at(-1).answer(answer);
      await settle();
      tick(300);
      await settle();
    }
    socket().event("news", 1);
    sendTicket(socket(), "t2");
    socket().event("news", 2);
    await settle();
    assert.deepEqual([seen, session], [[], []]);
    assert.equal(requests.at(-1).body, '{"ticket":"t2"}');
    requests.at(-1).answer(204);
    await settle();
    await settle();
    assert.deepEqual(seen.sort(), [1, 2, "login"]);
    assert.deepEqual(session, [["session", { reason: "rotated" }]]);
    assert.equal(requests.length, answers.length + 1, "it was exchanged once");
    assert.equal(socket().closeCalls, 0);
  });
}

test("another is asked for twice, no more", async (t) => {
  const { socket, login, requests, session } = startWithTicket(t);
  for (const ticket of ["t2", "t3"]) {
    requests.at(-1).answer(403);
    await settle();
    sendTicket(socket(), ticket);
    await settle();
    assert.equal(requests.at(-1).body, JSON.stringify({ ticket }));
    assert.equal(await state(login), "pending");
  }
  requests.at(-1).answer(403);
  assert.equal(await login, true);
  assert.deepEqual(session, [["session", { reason: "refused" }]]);
  assert.deepEqual([asks(socket()), requests.length, socket().closeCalls], [2, 3, 1]);
});

for (const code of [-32601, -32010]) {
  test(`a server that answers ${code} has no other ticket`, async (t) => {
    const { socket, login, requests, session } = startWithTicket(t);
    requests[0].answer(403);
    await settle();
    socket().fail(asked(socket()), code);
    assert.equal(await login, true);
    assert.deepEqual(session, [["session", { reason: "refused" }]]);
  });
}

test("a server that does not answer is waited for until the messages are let go; its ticket counts later", async (t) => {
  const { socket, login, requests, session, tick } = startWithTicket(t);
  requests[0].answer(new TypeError("network"));
  await settle();
  tick(300);
  await settle();
  requests[1].answer(503);
  await settle();
  tick(4699);
  assert.equal(await state(login), "pending");
  tick(1);
  assert.equal(await login, true);
  await settle();
  assert.deepEqual(session, [["session", { reason: "failed" }]]);
  sendTicket(socket(), "t2");
  await settle();
  requests[2].answer(204);
  await settle();
  assert.deepEqual(session.at(-1), ["session", { reason: "rotated" }]);
});

test("after the messages were let go nothing more is asked for", async (t) => {
  const { socket, requests, session, tick } = startWithTicket(t);
  tick(5000);
  requests[0].answer(403);
  await settle();
  assert.equal(asks(socket()), 0);
  assert.deepEqual(session, [["session", { reason: "refused" }]]);
  assert.equal(socket().closeCalls, 1);
});

test("a late refusal closes no connection that was opened since", async (t) => {
  const { socket, requests, tick } = startWithTicket(t);
  tick(5000);
  socket().drop();
  tick(125);
  socket().open();
  requests[0].answer(403);
  await settle();
  assert.equal(socket().closeCalls, 0);
});

test("a connection that is lost brings no other ticket: no waiting for it", async (t) => {
  const { sockets, socket, login, requests, session, tick } = startWithTicket(t);
  requests[0].answer(403);
  await settle();
  asked(socket());
  socket().drop();
  assert.equal(await login, true);
  assert.deepEqual(session, [["session", { reason: "refused" }]]);
  tick(125);
  assert.equal(sockets.length, 2);
});

test("nothing is asked for over a connection that was lost", async (t) => {
  const { socket, login, requests, session } = startWithTicket(t);
  socket().drop();
  requests[0].answer(403);
  assert.equal(await login, true);
  assert.equal(asks(socket()), 0);
  assert.deepEqual(session, [["session", { reason: "refused" }]]);
});

test("close while another ticket is awaited ends it all", async (t) => {
  const { ss, socket, login, requests, session, tick } = startWithTicket(t);
  requests[0].answer(403);
  await settle();
  const id = asked(socket());
  ss.close();
  await assert.rejects(login, { code: codes.CLOSED });
  socket().session({ ticket: "t2" });
  socket().reply(id, true);
  await settle();
  tick(60_000);
  await settle();
  assert.equal(requests.length, 1);
  assert.deepEqual(session, []);
});

test("close while the other ticket is exchanged ends it all", async (t) => {
  const { ss, socket, requests, session, tick } = startWithTicket(t);
  requests[0].answer(403);
  await settle();
  sendTicket(socket(), "t2");
  await settle();
  ss.close();
  assert.equal(requests[1].signal.aborted, true);
  await settle();
  tick(60_000);
  await settle();
  assert.equal(requests.length, 2);
  assert.deepEqual(session, []);
});

test("a ticket that came meanwhile will do: none is asked for, and none is exchanged twice", async (t) => {
  const { ss, socket, login, requests, session } = startWithTicket(t);
  const again = ss.rpc("app.login");
  socket().session({ ticket: "t2" });
  socket().session({ ticket: "t3" });
  socket().reply(2, "again");
  requests[0].answer(403);
  await settle();
  assert.equal(requests[1].body, '{"ticket":"t3"}'); // the newest fits the cookie of any before it
  requests[1].answer(204);
  assert.deepEqual([await login, await again], [true, "again"]);
  assert.deepEqual([asks(socket()), requests.length], [0, 2]);
  assert.deepEqual(session, [["session", { reason: "rotated" }]]);
});

test("the answer to it is no answer to a call", async (t) => {
  const { ss, socket, requests } = startWithTicket(t);
  const errors = record(ss, "error");
  const call = ss.rpc("a.b");
  requests[0].answer(403);
  await settle();
  sendTicket(socket(), "t2");
  await settle();
  requests[1].answer(204);
  await settle();
  assert.equal(await state(call), "pending");
  socket().reply(2, "mine");
  assert.equal(await call, "mine");
  assert.deepEqual(errors, []);
});

test("fetch is called as a plain function, as browsers demand", async (t) => {
  let self = "not called";
  const fetch = async function () { self = this; return { status: 200 }; };
  const { socket } = startOpen(t, { fetch });
  socket().session({ ticket: "t1" });
  await settle();
  assert.equal(self, undefined);
});

test("session changed elsewhere is told with its keys", (t) => {
  const { ss, socket } = startOpen(t);
  const session = record(ss, "session");
  socket().session({ changed: ["cart", "user"] });
  assert.deepEqual(session, [["session", { reason: "changed", keys: ["cart", "user"] }]]);
});

// ---------------------------------------------------------------- whether tickets are exchanged

/** How many requests a ticket causes under these options; the global fetch counts too. */
async function exchanges(t, options, url) {
  const global = t.mock.fn(async () => ({ status: 200 }));
  setGlobal(t, "fetch", global);
  const { ss, socket } = start(t, options, url);
  socket().open();
  const reply = ss.rpc("a.b");
  socket().session({ ticket: "t1" });
  socket().reply(1, "delivered");
  assert.equal(await reply, "delivered");
  return global.mock.callCount();
}

test("in Node no ticket is exchanged: there is no cookie jar", async (t) => {
  assert.equal(await exchanges(t, {}), 0);
});

test("in Node tickets: true exchanges them", async (t) => {
  assert.equal(await exchanges(t, { tickets: true }), 1);
});

test("in a browser tickets are exchanged", async (t) => {
  setGlobal(t, "location", new URL("http://test.example/"));
  assert.equal(await exchanges(t, {}), 1);
});

test("tickets: false leaves them alone, a given fetch or not", async (t) => {
  setGlobal(t, "location", new URL("http://test.example/"));
  const fetch = t.mock.fn();
  assert.equal(await exchanges(t, { tickets: false, fetch }), 0);
  assert.equal(fetch.mock.callCount(), 0);
});
