/**
 * The client of rpc_sessions: JSON-RPC 2.0 over one WebSocket that reconnects by itself.
 *
 *     import { connect } from "/rpc/client.js";
 *     const ss = connect();
 *     await ss.rpc("app.echo", "hello");
 *
 * Read it from top to bottom: errors, settings, listeners, one call, the session's ticket, the client.
 */

const STABLE_MS = 5_000; // a connection open this long starts the backoff afresh
const HOLD_MS = 5_000; // incoming messages wait at most this long for a ticket's cookie
const TICKET_RETRY_MS = 300; // between the two tries to exchange a ticket
const MORE_TICKETS = 2; // to try in place of one that brought no cookie
const LONGEST_TIMER_MS = 2 ** 31 - 1; // setTimeout fires at once beyond it
const OPEN = 1; // WebSocket.OPEN; an injected class need not have the constant
const FORBIDDEN_ORIGIN = 4403;
const SESSION_ENDED = 4401;

const CLOSE_CODES = {
  1001: "the server is going away",
  1009: "a message was larger than the server accepts",
  4008: "this client read too slowly",
  [SESSION_ENDED]: "the session ended",
  [FORBIDDEN_ORIGIN]: "the server refuses this origin",
  4408: "the connection was idle for too long",
};

// ---------------------------------------------------------------- errors

/** The codes this client gives itself; every other `RpcError.code` came from the server. */
export const codes = Object.freeze({
  TIMEOUT: -32002, // no reply in time (the server's own deadline has the same code)
  CLOSED: -32097, // close() was called, or the server refuses this origin for good
  QUEUE_FULL: -32098, // too many calls wait for the connection; this one was not sent
  DISCONNECTED: -32099, // sent, then the connection was lost: whether it ran is unknown
});

/** What a failed call rejects with. */
export class RpcError extends Error {
  /**
   * @param {number} code JSON-RPC's, the server's, or one of `codes`
   * @param {string} message
   * @param {*} [data] what the server added; for DISCONNECTED `{closeCode, reason}`
   * @param {string} [method] the method that was called
   */
  constructor(code, message, data, method) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
    this.method = method;
  }
}

function connectionLost({ code, reason }) {
  const why = CLOSE_CODES[code] ?? (reason || "the network failed");
  return new RpcError(codes.DISCONNECTED, `connection lost: ${why} (${code})`, { closeCode: code, reason });
}

/** Runs a function of the user's. What it throws, at once or later, is reported and goes no further. */
function safely(fn, ...args) {
  new Promise((resolve) => resolve(fn(...args))).catch((error) => {
    (globalThis.reportError ?? console.error)(error);
  });
}

// ---------------------------------------------------------------- settings

function settings({
  WebSocket = globalThis.WebSocket,
  fetch,
  tickets = Boolean(fetch) || inBrowser(),
  timeout = 30_000,
  queue = 100,
  backoff: { min = 250, max = 15_000 } = {},
  ...unknown
} = {}) {
  refuseUnknown(unknown);
  checkTimeout(timeout);
  if (!(queue >= 0)) throw new TypeError("queue must be a number of calls, 0 or more");
  if (!(min > 0 && max >= min)) throw new TypeError("backoff must be {min, max} in ms, with 0 < min <= max");
  if (typeof WebSocket !== "function") {
    throw new TypeError('there is no WebSocket here: import one from "ws" and connect(url, { WebSocket })');
  }
  return { WebSocket, fetch: fetch ?? globalThis.fetch, tickets, timeout, queue, backoff: { min, max } };
}

const inBrowser = () => globalThis.location !== undefined; // workers have it too; Node has not

function refuseUnknown(options) {
  const [name] = Object.keys(options);
  if (name !== undefined) throw new TypeError(`unknown option ${JSON.stringify(name)}`);
}

function checkTimeout(timeout) {
  if (typeof timeout !== "number" || !(timeout >= 0)) throw new TypeError("timeout must be milliseconds; 0 means none");
}

/** ws(s):// for what the user gave: a path, a ws(s) or http(s) URL; a URL without a path means its /rpc. */
function socketUrl(given = "/rpc") {
  if (typeof given !== "string" && !(given instanceof URL)) throw new TypeError("connect(url, options): url must be a string");
  const url = parseUrl(given);
  url.protocol = url.protocol.replace(/^http/, "ws");
  url.hash = ""; // browsers refuse a WebSocket URL with one
  if (url.pathname === "/") url.pathname = "/rpc";
  if (!/^wss?:$/.test(url.protocol)) throw new TypeError(`connect() takes ws, wss, http or https, not ${url.protocol}`);
  return url;
}

function parseUrl(given) {
  try {
    return new URL(given, globalThis.location?.href);
  } catch {
    throw new TypeError(`connect() needs a full URL here, like ws://localhost:3000/rpc, not ${JSON.stringify(given)}`);
  }
}

/** Where tickets go: the same server, next to the socket. */
function ticketUrl(socket) {
  const url = new URL(socket.href.replace(/^ws/, "http"));
  url.pathname = url.pathname.replace(/\/?$/, "/session");
  url.search = "";
  return url;
}

/** Full jitter, so that a thousand clients of one restarted server do not come back in the same instant. */
function backoffDelay({ min, max }, attempt) {
  return Math.random() * Math.min(max, min * 2 ** attempt);
}

// ---------------------------------------------------------------- listeners

class Emitter {
  #listeners = new Map(); // name -> array, replaced and never changed, so that emit() may be re-entered
  #names;

  /** @param {string[]} [names] the only names there are; without it any name goes */
  constructor(names) {
    this.#names = names;
  }

  on(name, fn) {
    return this.#add(name, { fn, once: false });
  }

  once(name, fn) {
    return this.#add(name, { fn, once: true });
  }

  off(name, fn) {
    this.#keep(name, (listener) => listener.fn !== fn);
  }

  emit(name, ...args) {
    for (const listener of this.#listeners.get(name) ?? []) {
      if (listener.once) this.#keep(name, (other) => other !== listener);
      safely(listener.fn, ...args);
    }
  }

  #add(name, listener) {
    if (typeof listener.fn !== "function") throw new TypeError("a listener must be a function");
    if (this.#names && !this.#names.includes(name)) throw new TypeError(`no event ${name}; there are ${this.#names.join(", ")}`);
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return () => this.#keep(name, (other) => other !== listener);
  }

  #keep(name, wanted) {
    const left = (this.#listeners.get(name) ?? []).filter(wanted);
    if (left.length) this.#listeners.set(name, left);
    else this.#listeners.delete(name);
  }
}

// ---------------------------------------------------------------- one call

/** A request, or without an id a notification, as text. Encoding at once finds bad arguments before anything is queued. */
function encode(method, params, id) {
  if (typeof method !== "string" || method === "") throw new TypeError("method must be a name, like \"app.echo\"");
  if (params !== undefined && (params === null || typeof params !== "object")) {
    throw new TypeError("params must be an array, or an object of named params");
  }
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** What a message says; undefined if it is not JSON. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A call that waits for its reply; it is settled once and then lets go of its timer and its signal. */
class Call {
  settled = false;
  message = null; // the Message that carries it
  #disarm = () => {};
  #resolve;
  #reject;

  constructor(id, method) {
    this.id = id;
    this.method = method;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Calls `giveUp(reason)` after `timeout` ms, or when `signal` aborts, unless settled before. */
  arm(timeout, signal, giveUp) {
    const late = () => giveUp(new RpcError(codes.TIMEOUT, `timed out after ${timeout} ms`));
    const abort = () => giveUp(signal.reason);
    const timer = timeout > 0 && timeout <= LONGEST_TIMER_MS ? setTimeout(late, timeout) : undefined;
    signal?.addEventListener("abort", abort);
    this.#disarm = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  }

  resolve(value) {
    this.#settle();
    this.#resolve(value);
  }

  reject(error) {
    this.#settle();
    if (error instanceof RpcError) error.method = this.method;
    this.#reject(error);
  }

  #settle() {
    this.settled = true;
    this.#disarm();
  }
}

/** One WebSocket message to send: a notification (no calls), a call, or a batch. */
class Message {
  answered = false;

  constructor(text, calls, isBatch = false) {
    this.text = text;
    this.calls = calls;
    this.isBatch = isBatch;
    for (const call of calls) call.message = this;
  }

  get size() {
    return this.calls.length || 1;
  }

  get wanted() {
    return this.calls.length === 0 || this.calls.some((call) => !call.settled);
  }
}

// ---------------------------------------------------------------- the session's ticket

/**
 * Trades a one-time ticket for the cookie of the new session id.
 * @returns {Promise<"rotated"|"refused"|"failed">} "failed": the server could not be reached, or failed itself
 */
async function exchange(ticket, url, fetch, signal) {
  const outcome = await postTicket(ticket, url, fetch, signal);
  if (outcome !== "failed") return outcome;
  await sleep(TICKET_RETRY_MS, signal);
  return signal.aborted ? "failed" : postTicket(ticket, url, fetch, signal);
}

async function postTicket(ticket, url, fetch, signal) {
  const credentials = url.origin === globalThis.location?.origin ? "same-origin" : "include";
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ ticket });
  try { // keepalive: a page that is left at once, after a log-in, still gets its cookie
    const { status } = await fetch(url.href, { method: "POST", credentials, headers, body, signal, keepalive: true });
    if (status >= 200 && status < 300) return "rotated";
    return status >= 400 && status < 500 ? "refused" : "failed";
  } catch {
    return "failed";
  }
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
}

/** While incoming messages wait for a ticket's cookie. It hears them first: there may be another ticket among them. */
class Hold {
  #timer;
  #tickets = [];
  #asked; // the id of the request for another ticket
  wake = () => {};

  constructor(late) {
    this.#timer = setTimeout(late, HOLD_MS);
  }

  hear(message) {
    const ticket = ticketIn(message);
    if (ticket !== undefined) this.#tickets.push(ticket);
    if (ticket !== undefined || message?.id === this.#asked) this.wake();
  }

  /** The tickets that came meanwhile, oldest first; each only once. */
  take() {
    return this.#tickets.splice(0);
  }

  /** Resolves when there is a ticket, or the answer to request `id`, or nothing more to wait for. */
  answer(id) {
    this.#asked = id;
    return new Promise((resolve) => (this.wake = resolve));
  }

  end() {
    clearTimeout(this.#timer);
    this.wake();
  }
}

function ticketIn(message) {
  const ticket = message?.method === "rpc.session" ? message.params?.ticket : undefined;
  return typeof ticket === "string" ? ticket : undefined;
}

// ---------------------------------------------------------------- the client

class Client {
  /** Events the server publishes: `ss.event.on("news", (...params) => {})`, `once`, `off`. */
  event = new Emitter();

  #lifecycle = new Emitter(["ready", "disconnect", "reconnect", "session", "error"]);
  #settings;
  #url;
  #socket;
  #nextId = 1; // never starts again, so a late reply cannot meet a newer call
  #queue = []; // messages not sent yet
  #pending = new Map(); // id -> call, sent
  #inbox = []; // what the socket told us, in order, not acted on yet
  #hold = null; // the Hold the inbox waits for
  #spent = new Set(); // tickets in the inbox that were exchanged before their turn
  #retryTimer = null;
  #attempts = 0; // since the last stable connection
  #openedAt = Infinity;
  #wasReady = false;
  #closed = null; // why, once it is for good
  #lifetime = new AbortController();

  constructor(url, options) {
    this.#settings = settings(options);
    this.#url = socketUrl(url);
    this.#open();
    // The network is back: no need to sit out the backoff. Node has no such event.
    globalThis.addEventListener?.("online", () => this.#retryNow(), { signal: this.#lifetime.signal });
  }

  /** Whether messages go out at once; otherwise they wait in the queue. */
  get connected() {
    return this.#socket.readyState === OPEN;
  }

  /**
   * Listens to this connection: "ready", "reconnect" (no arguments), "disconnect" `{code, reason, willReconnect}`,
   * "session" `{reason, keys?}`, "error" (an Error no call can be blamed for).
   * @returns {() => void} takes the listener off again
   * @throws {TypeError} for any other name
   */
  on(name, fn) {
    return this.#lifecycle.on(name, fn);
  }

  /** Like `on`, for the next time only. */
  once(name, fn) {
    return this.#lifecycle.once(name, fn);
  }

  /** Takes a listener off. */
  off(name, fn) {
    this.#lifecycle.off(name, fn);
  }

  /**
   * Calls a method with positional params.
   * @param {string} method like "app.echo"
   * @param {...*} args what JSON can hold; a function at the end is a callback `(error, result)`
   * @returns {Promise<*>|undefined} the result, or undefined when there is a callback
   * Rejects with RpcError, or at once with TypeError for arguments that JSON cannot hold.
   */
  rpc(method, ...args) {
    const callback = typeof args.at(-1) === "function" ? args.pop() : null;
    const reply = this.call(method, args);
    if (!callback) return reply;
    reply.then((result) => safely(callback, null, result), (error) => safely(callback, error));
  }

  /**
   * Calls a method, with options.
   * @param {string} method
   * @param {Array|Object} [params] positional or named
   * @param {{timeout?: number, signal?: AbortSignal}} [options] timeout in ms from now, 0 for none
   * @returns {Promise<*>} the result. Rejects as `rpc` does, and with `signal.reason` when aborted.
   */
  async call(method, params, options) {
    const call = new Call(this.#nextId++, method);
    this.#post(new Message(encode(method, params, call.id), [call]), options);
    return call.promise;
  }

  /**
   * Sends several calls as one message: `const [sum, echo] = await ss.batch([["app.add", 1, 2], ["app.echo", "x"]])`.
   * @param {Array<[string, ...*]>} items method and positional params of each call
   * @param {{timeout?: number, signal?: AbortSignal}} [options] for all of them
   * @returns {Promise<PromiseSettledResult<*>[]>} in the order given, as of Promise.allSettled: one bad item loses no
   * other. Rejects only if nothing was sent: bad arguments, a full queue, a closed client.
   */
  async batch(items, options) {
    if (!Array.isArray(items) || !items.every(Array.isArray)) throw new TypeError('batch() takes [["app.add", 1, 2], ...]');
    if (items.length === 0) return []; // JSON-RPC has no empty batch
    const calls = items.map(([method]) => new Call(this.#nextId++, method));
    const texts = items.map(([method, ...params], i) => encode(method, params, calls[i].id));
    this.#post(new Message(`[${texts.join()}]`, calls, true), options);
    return Promise.allSettled(calls.map((call) => call.promise));
  }

  /**
   * Sends a notification: nothing tells whether it arrived.
   * @throws {RpcError} the queue is full, or the client closed
   * @throws {TypeError} arguments that JSON cannot hold
   */
  notify(method, ...args) {
    this.#post(new Message(encode(method, args), []));
  }

  /** Ends the connection for good. Calls that wait reject with `codes.CLOSED`; no timer or listener is left. */
  close() {
    if (this.#closed) return;
    this.#finish("the client was closed");
    this.#socket.close();
    this.#emit("disconnect", { code: 1000, reason: "the client was closed", willReconnect: false });
  }

  // -------------------------------------------------------------- going out

  #post(message, { timeout = this.#settings.timeout, signal, ...unknown } = {}) {
    refuseUnknown(unknown);
    checkTimeout(timeout);
    signal?.throwIfAborted();
    this.#admit(message);
    for (const call of message.calls) call.arm(timeout, signal, (reason) => this.#giveUp(call, reason));
    this.#queue.push(message);
    this.#flush();
  }

  #admit({ size }) {
    if (this.#closed) throw new RpcError(codes.CLOSED, this.#closed);
    if (this.connected) return;
    const waiting = this.#queue.reduce((sum, message) => sum + message.size, size);
    if (waiting <= this.#settings.queue) return;
    throw new RpcError(codes.QUEUE_FULL, `not connected, and no more than ${this.#settings.queue} calls may wait`);
  }

  #flush() {
    while (this.connected && this.#queue.length) {
      const message = this.#queue.shift();
      for (const call of message.calls) this.#pending.set(call.id, call);
      this.#socket.send(message.text);
    }
  }

  #giveUp(call, reason) {
    call.reject(reason);
    const sent = this.#pending.delete(call.id);
    if (!sent) this.#queue = this.#queue.filter((message) => message.wanted);
    else if (this.connected) this.#socket.send(encode("rpc.cancel", { id: call.id }));
  }

  // -------------------------------------------------------------- coming in

  /** Everything from the socket, its end too, passes here in order, and waits while a ticket is exchanged. */
  #receive(act) {
    if (this.#closed) return;
    this.#inbox.push(act);
    this.#deliver();
  }

  #deliver() {
    while (this.#hold === null && this.#inbox.length) this.#inbox.shift()();
  }

  #arrived(text) {
    const message = parse(text);
    this.#hold?.hear(message);
    this.#receive(() => this.#read(message));
  }

  #read(message) {
    if (message === undefined) return this.#malformed();
    for (const item of Array.isArray(message) ? message : [message]) this.#dispatch(item);
  }

  #dispatch(item) {
    if (typeof item !== "object" || item === null) this.#malformed();
    else if (typeof item.method === "string") this.#notified(item.method, item.params);
    else if (this.#pending.has(item.id)) this.#replied(this.#pending.get(item.id), item);
    else if (item.id === null && item.error) this.#blame(item.error);
    // else: the reply to a call given up, or to nobody
  }

  #malformed() {
    this.#emit("error", new RpcError(-32700, "the server sent something that is not JSON-RPC"));
  }

  #replied(call, { result, error }) {
    this.#pending.delete(call.id);
    call.message.answered = true;
    if (error) call.reject(new RpcError(error.code, error.message, error.data));
    else if (result !== undefined) call.resolve(result);
    else call.reject(new RpcError(-32603, "the server's reply has neither result nor error"));
  }

  /**
   * An error without an id is about a whole message, but does not say which: batch too large, not JSON.
   * It rejects the calls of a message only if no other can be meant; else it is an "error" event and timeouts decide.
   */
  #blame({ code, message, data }) {
    const sent = new Set([...this.#pending.values()].map((call) => call.message));
    const invalid = code === -32600; // of what this client sends, only a batch can be an invalid request
    const suspects = [...sent].filter((one) => !one.answered && (one.isBatch || !invalid));
    if (suspects.length !== 1) return this.#emit("error", new RpcError(code, message, data));
    this.#rejectAll(suspects[0].calls, () => new RpcError(code, message, data));
  }

  #notified(method, params) {
    if (method === "rpc.session") this.#sessionChanged(params ?? {});
    if (method.startsWith("rpc.")) return; // the server's own
    this.event.emit(method, ...(Array.isArray(params) ? params : [params]));
  }

  #sessionChanged({ changed, ticket }) {
    if (Array.isArray(changed)) this.#emit("session", { reason: "changed", keys: changed });
    if (typeof ticket !== "string" || !this.#settings.tickets || this.#spent.delete(ticket)) return;
    this.#renewCookie(ticket, this.#socket);
  }

  /** Until the cookie is here the inbox waits, so that what follows `await ss.rpc("app.login")` already has it. */
  async #renewCookie(ticket, socket) {
    const hold = (this.#hold = new Hold(() => this.#release(hold)));
    let reason = await this.#exchange(ticket);
    for (let more = MORE_TICKETS; more > 0 && reason !== "rotated"; more--) {
      const another = await this.#anotherTicket(hold, socket);
      if (another === undefined) break;
      reason = await this.#exchange(another);
    }
    if (this.#closed) return;
    this.#emit("session", { reason });
    if (reason === "refused") socket.close(); // come back with whatever cookie the browser has now
    this.#release(hold);
  }

  #exchange(ticket) {
    const { fetch } = this.#settings; // called bare: browsers refuse it as anybody's method
    return exchange(ticket, ticketUrl(this.#url), fetch, this.#lifetime.signal);
  }

  /** The newest ticket that came meanwhile, or another one: the server may have taken a ticket whose cookie was lost. */
  async #anotherTicket(hold, socket) {
    let tickets = hold.take();
    if (tickets.length === 0 && hold === this.#hold && socket.readyState === OPEN) {
      const id = this.#nextId++;
      socket.send(encode("rpc.ticket", undefined, id));
      await hold.answer(id);
      tickets = hold.take();
    }
    if (hold !== this.#hold) return undefined; // too late: they are exchanged when their turn comes
    for (const ticket of tickets) this.#spent.add(ticket);
    return tickets.at(-1);
  }

  #release(hold) {
    if (hold !== this.#hold) return; // a newer exchange holds
    this.#hold = null;
    hold.end();
    this.#deliver();
  }

  // -------------------------------------------------------------- open, lost, closed

  #open() {
    const { WebSocket } = this.#settings;
    const socket = new WebSocket(this.#url.href);
    this.#socket = socket;
    this.#openedAt = Infinity;
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#arrived(data);
    socket.onclose = (event) => {
      this.#receive(() => this.#lost(event));
      this.#hold?.wake(); // it brings no other ticket
    };
    socket.onerror = ({ error }) => this.#failed(error);
  }

  #opened() {
    if (this.#closed) return;
    this.#openedAt = Date.now();
    this.#flush();
    this.#emit(this.#wasReady ? "reconnect" : "ready");
    this.#wasReady = true;
  }

  #failed(error) {
    if (!this.#closed) this.#emit("error", error ?? new Error("the WebSocket failed"));
  }

  #lost({ code, reason }) {
    const willReconnect = code !== FORBIDDEN_ORIGIN;
    if (willReconnect) this.#rejectAll([...this.#pending.values()], () => connectionLost({ code, reason }));
    else this.#finish(CLOSE_CODES[code]);
    this.#emit("disconnect", { code, reason, willReconnect });
    if (code === SESSION_ENDED) this.#emit("session", { reason: "ended" });
    if (!this.#closed) this.#retry(); // a listener may have closed it
  }

  #retry() {
    if (Date.now() - this.#openedAt >= STABLE_MS) this.#attempts = 0;
    const delay = backoffDelay(this.#settings.backoff, this.#attempts++);
    this.#retryTimer = setTimeout(() => this.#retryNow(), delay);
  }

  #retryNow() {
    if (this.#retryTimer === null) return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#open();
  }

  #finish(why) {
    this.#closed = why;
    this.#lifetime.abort();
    clearTimeout(this.#retryTimer);
    this.#inbox = [];
    if (this.#hold) this.#release(this.#hold);
    const waiting = this.#queue.flatMap((message) => message.calls);
    this.#rejectAll([...this.#pending.values(), ...waiting], () => new RpcError(codes.CLOSED, why));
  }

  #rejectAll(calls, makeError) {
    for (const call of calls) {
      this.#pending.delete(call.id);
      call.reject(makeError());
    }
  }

  #emit(name, ...args) {
    this.#lifecycle.emit(name, ...args);
  }
}

/**
 * Connects, and stays connected until `close()`.
 *
 * @param {string|URL} [url] a path, or a ws(s) or http(s) URL; in a browser /rpc of this page's server by default
 * @param {Object} [options]
 * @param {Function} [options.WebSocket] the class to use where there is none (Node 20: the package "ws")
 * @param {Function} [options.fetch] what exchanges tickets; outside a browser giving it turns `tickets` on
 * @param {boolean} [options.tickets] exchange session tickets for cookies; default true in a browser
 * @param {number} [options.timeout] ms a call may take, waiting to be sent included; default 30000, 0 for none
 * @param {number} [options.queue] most calls that wait for the connection; default 100
 * @param {{min?: number, max?: number}} [options.backoff] ms between attempts to reconnect; default 250 to 15000
 * @returns {Client}
 * @throws {TypeError} a bad URL or option, or no WebSocket
 */
export function connect(url, options) {
  return new Client(url, options);
}
