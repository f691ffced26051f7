// json-rpc-2.0, which knows no transport: over a WebSocket of ws, and over fetch.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { JSONRPCClient, JSONRPCServer, JSONRPCServerAndClient } = require("json-rpc-2.0");
const { WebSocket } = require("ws");
const url = process.argv[2];

async function calls(client) {
  assert.equal(await client.request("app.subtract", [42, 23]), 19);
  assert.equal(await client.request("app.subtract", { subtrahend: 23, minuend: 42 }), 19);
  assert.deepEqual(await client.request("app.echo", [{ "né🚀": [null, 1.5] }]), { "né🚀": [null, 1.5] });
  await assert.rejects(client.request("app.refuse", ["why"]), { code: -32001, message: "not you", data: { reason: "why" } });
  await assert.rejects(client.request("app.nothing", []), { code: -32601 });
  await assert.rejects(client.request("app.subtract", [1]), { code: -32602 });
  await assert.rejects(client.request("app.boom", []), { code: -32603 });
}

async function batch(client) {
  const replies = await client.requestAdvanced([
    { jsonrpc: "2.0", id: 901, method: "app.wait", params: [0.05] },
    { jsonrpc: "2.0", id: 902, method: "app.nothing" },
    { jsonrpc: "2.0", id: "three", method: "app.echo", params: ["x"] },
  ]);
  const byId = Object.fromEntries(replies.map((reply) => [reply.id, reply.result ?? reply.error.code]));
  assert.deepEqual(byId, { 901: "waited 0.05", 902: -32601, three: "x" });
}

// Over WebSocket, both ways: the server's events arrive as notifications.
const socket = new WebSocket(url);
await once(socket, "open");
const both = new JSONRPCServerAndClient(
  new JSONRPCServer(),
  new JSONRPCClient((payload) => socket.send(JSON.stringify(payload))),
);
socket.on("message", (data) => both.receiveAndSend(JSON.parse(data.toString())));
await calls(both);
await batch(both.client);
const news = new Promise((resolve) => both.addMethod("news", resolve));
assert.equal(await both.request("app.announce", ["news", "headline"]), 1);
assert.deepEqual(await news, ["headline"]);
both.notify("app.note", ["by WebSocket"]);
assert.deepEqual(await both.request("app.noted", []), [["by WebSocket"]]);
assert.equal(await both.request("visits.count", []), 1);
assert.equal(await both.request("visits.count", []), 2);
socket.close();
await once(socket, "close");

// Over HTTP POST.
const http = new JSONRPCClient(async (payload) => {
  const response = await fetch(url.replace("ws:", "http:"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(payload),
  });
  if (response.status === 200) http.receive(await response.json());
  else assert.equal(response.status, 204); // a notification
});
await calls(http);
await batch(http);
http.notify("app.note", ["by HTTP"]);
assert.equal(await http.request("app.wait", [0.05]), "waited 0.05");
let noted = [];
while (noted.length < 2) noted = await http.request("app.noted", []); // nothing answers a notification
assert.deepEqual(noted, [["by WebSocket"], ["by HTTP"]]);
console.log("json-rpc-2.0: all is well");
