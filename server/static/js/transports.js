/**
 * The two ways to the server. Both do the same: who, logIn, logOut, end, changeCart, and any call at all.
 * Each resolves to the result, or rejects with an error that has a message and mostly a code. All of it is logged.
 */

import { RpcError } from "/rpc/client.js";

/** No code of the server: it was not reached. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer");
  }
}

export function overHttp(log) {
  const send = (method, path, body) => log.call("HTTP", `${method} ${path}`, body, () => request(method, path, body));
  return {
    name: "HTTP",
    source: "GET /who",
    who: () => send("GET", "/who"),
    logIn: (name) => send("POST", "/login", { name }),
    logOut: () => send("POST", "/logout"),
    end: () => send("POST", "/end"),
    changeCart: (item, by) => send("POST", "/cart", { item, by }),
    call: (method, params) => log.call("HTTP", method, params, () => post(method, params)),
  };
}

export function overSocket(ss, log) {
  const send = (method, ...params) => log.call("WS", method, params, () => ss.rpc(method, ...params));
  return {
    name: "WebSocket",
    source: "account.who",
    who: () => send("account.who"),
    logIn: (name) => send("account.login", name),
    logOut: () => send("account.logout"),
    end: () => send("account.end"),
    changeCart: (item, by) => send("cart.add", item, by),
    call: (method, params) => log.call("WS", method, params, () => ss.call(method, params)),
  };
}

/** A route of the server: JSON in, JSON out; an error is {"error": {code, message}}. */
async function request(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const reply = await fetch(path, { method, headers, body: JSON.stringify(body), cache: "no-store" }).catch(() => {
    throw new Unreachable();
  });
  const value = await reply.json().catch(() => null); // 204, or a page of some proxy's
  if (value?.error) throw new RpcError(value.error.code, value.error.message, value.error.data);
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  return value;
}

/** JSON-RPC over HTTP: the same message as on the socket. */
async function post(method, params) {
  return (await request("POST", "/rpc", { jsonrpc: "2.0", id: 1, method, params })).result;
}
