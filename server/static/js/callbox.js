/** The box that calls any action by name, and shows its reply. */

import { sentence } from "./log.js";

// What the server offers, each with params to begin with; those of server/rpc/.
const METHODS = {
  "account.end": "",
  "account.login": '["ada"]',
  "account.logout": "",
  "account.who": "",
  "app.echo": '[{"hello": "world"}]',
  "app.wait": "[1.5]",
  "cart.add": '["apple", 2]',
  "cart.get": "",
  "orders.history": "",
  "orders.place": "",
};

/** @param {{socket: object, http: object}} transports those of transports.js */
export function startCallBox(transports) {
  const form = document.getElementById("call");
  const { method, params } = form.elements;
  document.getElementById("methods").append(...Object.keys(METHODS).map((name) => new Option(name, name)));

  method.addEventListener("input", () => {
    const untouched = params.value === "" || Object.values(METHODS).includes(params.value);
    if (untouched && method.value in METHODS) params.value = METHODS[method.value];
    complain(params, "");
  });
  params.addEventListener("input", () => complain(params, ""));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const parsed = parse(params.value);
    complain(params, parsed.problem ?? "");
    document.getElementById("reply").hidden = true; // the last one answers another question
    if (parsed.problem) return params.focus();
    if (!method.value.trim()) return method.reportValidity();
    form.setAttribute("aria-busy", "true");
    await call(transports[form.elements.over.value], method.value.trim(), parsed.value);
    form.removeAttribute("aria-busy");
  });
}

let latest = 0;

async function call(transport, method, params) {
  const number = ++latest; // a reply that comes late must not take the place of a newer one
  const show = (...reply) => number === latest && showReply(...reply);
  const start = performance.now();
  const took = () => `${transport.name}, ${Math.max(1, Math.round(performance.now() - start))} ms`;
  try {
    const result = await transport.call(method, params);
    show("Result", result, took());
  } catch (error) {
    const { code, message, data } = error;
    show(sentence(error), { code, message, data }, took(), true);
  }
}

function showReply(title, value, time, failed = false) {
  const reply = document.getElementById("reply");
  reply.hidden = false;
  reply.classList.toggle("failed", failed);
  reply.querySelector(".reply-title").textContent = title;
  reply.querySelector(".reply-time").textContent = time;
  reply.querySelector("pre").textContent = JSON.stringify(value, null, 2);
}

/** {value} for what JSON-RPC takes as params, {problem} for anything else. */
function parse(text) {
  if (!text.trim()) return { value: undefined };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: `This is not JSON: ${error.message}` };
  }
  if (typeof value !== "object" || value === null) return { problem: "Params are an array or an object." };
  return { value };
}

function complain(params, problem) {
  const error = document.getElementById("params-error");
  error.textContent = problem;
  error.hidden = !problem;
  params.setAttribute("aria-invalid", String(Boolean(problem)));
}
