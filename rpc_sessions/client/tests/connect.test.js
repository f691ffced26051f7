import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import * as api from "../index.js";
import { setGlobal, start } from "./helpers.js";

test("the module exports connect, RpcError and codes", () => {
  assert.deepEqual(Object.keys(api).sort(), ["RpcError", "codes", "connect"]);
});

for (const [given, expected] of [
  ["ws://a.example:3000/rpc", "ws://a.example:3000/rpc"],
  ["wss://a.example/other", "wss://a.example/other"],
  ["http://a.example:3000/rpc", "ws://a.example:3000/rpc"],
  ["https://a.example/rpc?v=1#top", "wss://a.example/rpc?v=1"],
  ["http://a.example:3000", "ws://a.example:3000/rpc"],
  [new URL("https://a.example"), "wss://a.example/rpc"],
]) {
  test(`${given} connects to ${expected}`, (t) => {
    assert.equal(start(t, {}, given).socket().url, expected);
  });
}

for (const [page, given, expected] of [
  ["https://a.example/shop/cart", undefined, "wss://a.example/rpc"],
  ["http://localhost:3000/", undefined, "ws://localhost:3000/rpc"],
  ["http://localhost:3000/shop/", "/legacy/rpc", "ws://localhost:3000/legacy/rpc"],
]) {
  test(`on ${page}, ${given} connects to ${expected}`, (t) => {
    setGlobal(t, "location", new URL(page));
    const { WebSocket, urls } = recorder();
    const ss = api.connect(given, { WebSocket });
    t.after(() => ss.close());
    assert.deepEqual(urls, [expected]);
  });
}

function recorder() {
  const urls = [];
  class WebSocket {
    constructor(url) { urls.push(url); }
    close() {}
  }
  return { WebSocket, urls };
}

for (const [given, message] of [
  [undefined, /needs a full URL here, like ws:/],
  ["/rpc", /needs a full URL here/],
  ["ftp://a.example/", /takes ws, wss, http or https, not ftp:/],
  [{ timeout: 5 }, /url must be a string/],
  [null, /url must be a string/],
]) {
  test(`connect(${JSON.stringify(given)}) in Node is a TypeError`, () => {
    const { WebSocket, urls } = recorder();
    assert.throws(() => api.connect(given, { WebSocket }), (error) => error instanceof TypeError && message.test(error.message));
    assert.deepEqual(urls, []);
  });
}

for (const [options, message] of [
  [{ timeOut: 5 }, /unknown option "timeOut"/],
  [{ timeout: -1 }, /timeout must be milliseconds/],
  [{ timeout: "5" }, /timeout must be milliseconds/],
  [{ queue: -1 }, /queue must be/],
  [{ queue: NaN }, /queue must be/],
  [{ backoff: { min: 0 } }, /backoff must be/],
  [{ backoff: { min: 500, max: 100 } }, /backoff must be/],
  [{ WebSocket: "ws" }, /there is no WebSocket here/],
]) {
  test(`the options ${JSON.stringify(options)} are a TypeError`, () => {
    const { WebSocket } = recorder();
    assert.throws(() => api.connect("ws://a.example/rpc", { WebSocket, ...options }),
      (error) => error instanceof TypeError && message.test(error.message));
  });
}

test("where there is no WebSocket the error says what to do", (t) => {
  setGlobal(t, "WebSocket", undefined);
  assert.throws(() => api.connect("ws://a.example/rpc"), /import one from "ws" and connect\(url, \{ WebSocket \}\)/);
});

test("the global WebSocket is the default", (t) => {
  const { WebSocket, urls } = recorder();
  setGlobal(t, "WebSocket", WebSocket);
  api.connect("ws://a.example/rpc").close();
  assert.equal(urls.length, 1);
});

test("after close() no timer is left, so a Node process ends by itself", () => {
  const script = `
    import { connect } from ${JSON.stringify(new URL("../index.js", import.meta.url).href)};
    const sockets = [];
    class WebSocket { constructor() { this.readyState = 1; sockets.push(this); } send() {} close() {} }
    const [calling, reconnecting] = [1, 2].map(() => connect("ws://a.example/rpc", { WebSocket, fetch: async () => ({ status: 503 }) }));
    calling.rpc("a.b").catch((error) => console.log(error.code));
    sockets[0].onmessage({ data: '{"method": "rpc.session", "params": {"ticket": "t1"}}' }); // waits, and will try again
    sockets[1].onclose({ code: 1006 });
    setImmediate(() => {
      console.log(timers());
      calling.close();
      reconnecting.close();
      setImmediate(() => console.log(timers()));
    });
    function timers() { return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length; }`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 60_000, encoding: "utf8" });
  assert.deepEqual([child.status, child.stdout.split("\n"), child.stderr], [0, ["4", "-32097", "0", ""], ""]);
});
