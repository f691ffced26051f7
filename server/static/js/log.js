/** The log of calls and events: newest first, bounded. */

const MOST_ROWS = 60;
const LONGEST_NOTE = 80;
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export class Log {
  #list;

  constructor(list) {
    this.#list = list;
  }

  /**
   * Makes a call and shows it: what went out, then how it ended and after how many ms.
   * @param {"HTTP"|"WS"} transport
   * @returns {Promise<*>} what `make()` returns; it rejects alike
   */
  async call(transport, name, params, make) {
    const row = this.#add(transport, "out", name, brief(params));
    const start = performance.now();
    const ms = () => `${Math.max(1, Math.round(performance.now() - start))} ms`;
    row.dataset.state = "pending";
    try {
      const result = await make();
      row.dataset.state = "done";
      return result;
    } catch (error) {
      row.dataset.state = "failed";
      row.querySelector(".log-note").textContent = sentence(error);
      throw error;
    } finally {
      row.querySelector(".log-ms").textContent = ms();
    }
  }

  /** Shows what came in unasked: an event, or the socket's own news. */
  event(transport, name, note = "", failed = false) {
    this.#add(transport, "in", name, note).dataset.state = failed ? "failed" : "done";
  }

  clear() {
    this.#list.replaceChildren();
  }

  #add(transport, direction, name, note) {
    const row = document.createElement("li");
    const arrow = direction === "out" ? "→" : "←";
    row.append(
      part("time", "log-time", clock.format(new Date())),
      part("span", `tag tag-${transport.toLowerCase()}`, transport),
      part("span", "log-arrow", arrow, direction === "out" ? "call" : "event"),
      part("span", "log-name", name),
      part("span", "log-note", note),
      part("span", "log-ms", ""),
    );
    this.#list.prepend(row);
    while (this.#list.children.length > MOST_ROWS) this.#list.lastElementChild.remove();
    return row;
  }
}

function part(tag, className, text, label) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  if (label) {
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", label);
  }
  return element;
}

function brief(params) {
  const text = params === undefined || (Array.isArray(params) && !params.length) ? "" : JSON.stringify(params);
  return text.length > LONGEST_NOTE ? `${text.slice(0, LONGEST_NOTE)}…` : text;
}

/** An error as one line: "log in first (-32001)". */
export function sentence(error) {
  return error.code === undefined ? error.message : `${error.message} (${error.code})`;
}
