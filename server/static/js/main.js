/** Puts the page together: two sides of one session, kept up to date by the events of the server. */

import { connect } from "/rpc/client.js";
import { startCallBox } from "./callbox.js";
import { Log } from "./log.js";
import { Side } from "./side.js";
import { showNotice, showSame, showSocket, showTrouble } from "./status.js";
import { overHttp, overSocket, Unreachable } from "./transports.js";

const STORE_UNAVAILABLE = -32010;
const AGAIN_MS = 3_000; // while the store is away, or the sides differ
const COOKIE_MS = 250; // a new cookie may still be on its way to this browser, in another tab
const COOKIE_TRIES = 4;
const SESSION_ENDED = 4401;

const log = new Log(document.querySelector("#log ol"));
let connection; // the latest
const ss = connect("/rpc", {
  WebSocket: class extends WebSocket {
    constructor(...args) {
      super(...args);
      connection = this;
    }
  },
});
const http = overHttp(log);
const socket = overSocket(ss, log);

const container = document.getElementById("sides");
const sides = [new Side(container, http, look), new Side(container, socket, look)];
startCallBox({ http, socket });
document.getElementById("clear").addEventListener("click", () => log.clear());

// ---------------------------------------------------------------- looking at the session

let looking = false;
let lookAgain = false;
let timer;
let differSince; // in milliseconds; Infinity once the socket was opened anew for that

/** Reads the session on both sides and shows it. Asked for while it is at work, it looks once more after that. */
async function look() {
  lookAgain = looking;
  if (looking) return;
  looking = true;
  clearTimeout(timer);
  const [overHttp, overWs] = await readBoth();
  looking = false;
  showBoth(overHttp, overWs);
  if (lookAgain) look();
}

async function readBoth() {
  for (let tries = 1; ; tries++) {
    const seen = await Promise.all([read(sides[0]), ss.connected ? read(sides[1]) : { error: notConnected() }]);
    const [first, second] = seen;
    if (first.error || second.error || first.state.key === second.state.key || tries === COOKIE_TRIES) return seen;
    await new Promise((resolve) => setTimeout(resolve, COOKIE_MS));
  }
}

const notConnected = () => new Error("Not connected");

async function read(side) {
  try {
    return { state: await side.read() };
  } catch (error) {
    return { error };
  }
}

function showBoth(...seen) {
  seen.forEach(({ state, error }, i) => (state ? sides[i].show(state) : sides[i].fail(error, true)));
  const [first, second] = seen.map(({ state }) => state?.key);
  showSame(first, second);
  const problem = trouble(seen[0].error, seen[1].error);
  showTrouble(problem);
  const differ = first && second && first !== second;
  if (differ) differSince ??= Date.now();
  else if (first && second) differSince = undefined;
  if (differ && Date.now() - differSince >= AGAIN_MS) return join();
  if ((problem || differ) && ss.connected) timer = setTimeout(look, AGAIN_MS); // else the reconnect looks
}

/** Two tabs that began a session at once have one cookie, that of the last: the socket comes back with it, once. */
function join() {
  differSince = Infinity;
  connection.close();
}

function trouble(http, ws) {
  if (http?.code === STORE_UNAVAILABLE || ws?.code === STORE_UNAVAILABLE) {
    return "The session store does not answer. Nothing is lost; trying again.";
  }
  if (http instanceof Unreachable) return "The server does not answer. Reconnecting.";
  return ss.connected ? "" : "The WebSocket is down, HTTP works. Reconnecting.";
}

// ---------------------------------------------------------------- what the socket tells

function opened(what) {
  showSocket("open");
  log.event("WS", what);
  look();
}

ss.on("ready", () => opened("connected"));
ss.on("reconnect", () => opened("reconnected"));
ss.on("disconnect", ({ code, reason, willReconnect }) => {
  showSocket(willReconnect ? "lost" : "closed");
  log.event("WS", `closed ${code}`, reason, true);
  if (code !== SESSION_ENDED) look(); // that one reconnects at once, as somebody new
});
ss.on("error", () => {}); // a disconnect follows, which says the same
ss.on("session", ({ reason }) => {
  log.event("WS", "session", reason);
  if (reason === "ended") showNotice("The session was ended. You are anonymous now.");
  if (reason === "refused") showNotice("Another tab began a new session, and this one joins it. Please log in again.");
});
ss.event.on("session.changed", (what) => {
  log.event("WS", "session.changed", what);
  look();
});
