/** A WebSocket the test drives: it opens, speaks and drops when told to, and keeps what was sent. */
import { connect } from "../index.js";

class FakeSocket {
  readyState = 0;
  sent = [];
  closeCalls = 0;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("sent while not open");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closeCalls += 1;
    this.readyState = 2; // the close event comes when the test calls drop()
  }

  open() {
    this.readyState = 1;
    this.onopen({});
  }

  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }

  raw(data) {
    this.onmessage({ data });
  }

  say(message) {
    this.raw(JSON.stringify(message));
  }

  reply(id, result) {
    this.say({ jsonrpc: "2.0", id, result });
  }

  fail(id, code, message = "", data = undefined) {
    this.say({ jsonrpc: "2.0", id, error: { code, message, data } });
  }

  event(method, ...params) {
    this.say({ jsonrpc: "2.0", method, params });
  }

  session(params) {
    this.say({ jsonrpc: "2.0", method: "rpc.session", params });
  }
}

/** A client on fake sockets and a fake clock: `sockets` are all it opened, `socket()` is the newest. */
export function start(t, options = {}, url = "ws://test.example/rpc") {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  t.mock.method(Math, "random", () => 0.5);
  const sockets = [];
  class WebSocket extends FakeSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const ss = connect(url, { WebSocket, ...options });
  t.after(() => ss.close());
  return { ss, sockets, socket: () => sockets.at(-1), tick: (ms) => t.mock.timers.tick(ms) };
}

/** The same, with the first connection open. */
export function startOpen(t, options, url) {
  const test = start(t, options, url);
  test.socket().open();
  return test;
}

/** Everything the client says on the named lifecycle events, as `[name, ...args]`. */
export function record(ss, ...names) {
  const seen = [];
  for (const name of names) ss.on(name, (...args) => seen.push([name, ...args]));
  return seen;
}

/** Lets promises run; the fake clock does not stop it. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** "pending", or how the promise ended. */
export async function state(promise) {
  let found = "pending";
  promise.then(() => (found = "fulfilled"), () => (found = "rejected"));
  await settle();
  return found;
}

/** Sets a global for one test. */
export function setGlobal(t, name, value) {
  const before = Object.getOwnPropertyDescriptor(globalThis, name);
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
}
