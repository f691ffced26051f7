// rpc-websockets, which reconnects by itself and takes events as notifications.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const { Client } = createRequire(`${process.cwd()}/`)("rpc-websockets");

const client = new Client(process.argv[2], { reconnect: false });
await once(client, "open");

// Results: positional and named params, values of all kinds, many calls at once.
assert.equal(await client.call("app.subtract", [42, 23]), 19);
assert.equal(await client.call("app.subtract", { subtrahend: 23, minuend: 42 }), 19);
for (const value of [null, true, 0, -1.5, "", "né🚀", [], [1, [2]], {}, { a: { b: null } }]) {
  assert.deepEqual(await client.call("app.echo", [value]), value);
}
const many = await Promise.all(Array.from({ length: 30 }, (_, i) => client.call("app.echo", [i])));
assert.deepEqual(many, Array.from({ length: 30 }, (_, i) => i));

// A slow call does not hold up a fast one.
const order = [];
await Promise.all([
  client.call("app.wait", [1]).then((result) => order.push(result)),
  client.call("app.wait", [0]).then((result) => order.push(result)),
]);
assert.deepEqual(order, ["waited 0", "waited 1"]);

// Errors, with code and data.
await assert.rejects(client.call("app.refuse", ["why"]), { code: -32001, message: "not you", data: { reason: "why" } });
await assert.rejects(client.call("app.nothing"), { code: -32601 });
await assert.rejects(client.call("app.subtract", [1]), { code: -32602 });
await assert.rejects(client.call("app.subtract", ["a", "b"]), { code: -32602 });
await assert.rejects(client.call("app.boom"), (error) => error.code === -32603 && !/not for/.test(JSON.stringify(error)));

// Notifications, and events from the server.
await client.notify("app.note", [1, 2]);
await client.notify("app.nothing", []);
assert.deepEqual(await client.call("app.noted"), [[1, 2]]);
const event = once(client, "news");
assert.equal(await client.call("app.announce", ["news", "headline", { n: 1 }]), 1);
assert.deepEqual(await event, [["headline", { n: 1 }]]);

// A session of its own, for as long as it is connected.
assert.equal(await client.call("visits.count"), 1);
assert.equal(await client.call("visits.count"), 2);

client.close();
await once(client, "close");
console.log("rpc-websockets: all is well");
