/** One side of the page: the session as one transport sees it, and what one can do with it. */

import { sentence } from "./log.js";

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class Side {
  #root;
  #transport;
  #rows = new Map(); // item -> its row, kept so that a button that was pressed keeps the focus
  #last = Promise.resolve();

  /**
   * @param {HTMLElement} container where the card goes
   * @param {object} transport one of transports.js
   * @param {() => void} ended called when the session was ended from here
   */
  constructor(container, transport, ended) {
    this.#transport = transport;
    this.#root = document.getElementById("side").content.cloneNode(true).firstElementChild;
    this.#root.dataset.side = transport.name;
    this.#root.setAttribute("aria-label", `Over ${transport.name}`);
    this.#root.querySelector("h2").textContent = transport.name;
    this.#part("source").textContent = transport.source;
    this.#listen(ended);
    container.append(this.#root);
  }

  /** The session as this side sees it now. Waits for what the visitor did here before. */
  read() {
    return this.#inTurn(() => this.#transport.who());
  }

  show(state) {
    this.#problem("");
    this.#part("user").textContent = state.user ?? "Anonymous";
    this.#part("user").classList.toggle("muted", state.user === null);
    this.#part("key").textContent = `${state.key}…`;
    this.#showTime("created", state.created);
    this.#showTime("expires", state.expires);
    this.#part("store").textContent = state.store;
    this.#showCart(Object.entries(state.cart));
    this.#enable(true);
    this.#part("logout").disabled = state.user === null;
    this.#part("end").disabled = state.created === null;
  }

  /** Says why there is nothing newer to see. With `stop` the buttons wait too. */
  fail(error, stop = false) {
    this.#problem(sentence(error));
    if (stop) this.#enable(false);
  }

  // ---------------------------------------------------------------- what the visitor does

  #listen(ended) {
    this.#onSubmit("login", (name) => this.#do(() => this.#transport.logIn(name)));
    this.#onSubmit("add", (item) => this.#do(() => this.#transport.changeCart(item, 1)));
    this.#part("logout").addEventListener("click", () => this.#do(() => this.#transport.logOut()));
    this.#part("end").addEventListener("click", async () => {
      if (await this.#do(() => this.#transport.end())) ended();
    });
    this.#part("cart").addEventListener("click", ({ target }) => {
      if (target.dataset.by) this.#step(target.closest("li"), target.dataset.by);
    });
  }

  #onSubmit(form, act) {
    this.#part(form).addEventListener("submit", async (event) => {
      event.preventDefault();
      const input = event.target.querySelector("input");
      const value = input.value;
      if (await act(value) && input.value === value) input.value = "";
    });
  }

  #step(row, by) {
    const { item } = row.dataset;
    const all = -Number(row.querySelector("output").value);
    return this.#do(() => this.#transport.changeCart(item, by === "all" ? all : Number(by)));
  }

  /** One thing after the other; the reply is the session as it is then. Whether it went well. */
  async #do(act) {
    try {
      const state = await this.#inTurn(act);
      this.#problem("");
      if (state) this.show(state);
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  #inTurn(act) {
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => {});
    return turn;
  }

  // ---------------------------------------------------------------- what the visitor sees

  #part(name) {
    return this.#root.querySelector(`[data-part="${name}"]`);
  }

  #enable(on) {
    for (const control of this.#root.querySelectorAll("button, input")) control.disabled = !on;
  }

  #showTime(part, time) {
    this.#part(part).textContent = time === null ? "Not stored yet" : date.format(new Date(time));
    this.#part(part).dateTime = time ?? "";
  }

  #problem(text) {
    this.#part("error").textContent = text;
    this.#part("error").hidden = !text;
  }

  #showCart(entries) {
    const items = new Set(entries.map(([item]) => item));
    for (const [item, row] of this.#rows) if (!items.has(item)) this.#removeRow(item, row);
    for (const [item, count] of entries) this.#row(item).querySelector("output").value = count;
    this.#part("empty").hidden = entries.length > 0;
  }

  #row(item) {
    if (!this.#rows.has(item)) {
      const row = document.getElementById("item").content.cloneNode(true).firstElementChild;
      row.dataset.item = item;
      row.querySelector(".item-name").textContent = item;
      const labels = { "-1": "One less", 1: "One more", all: "Remove all" };
      for (const button of row.querySelectorAll("button")) {
        button.setAttribute("aria-label", `${labels[button.dataset.by]}: ${item}`);
      }
      this.#part("cart").append(row);
      this.#rows.set(item, row);
    }
    return this.#rows.get(item);
  }

  #removeRow(item, row) {
    if (row.contains(document.activeElement)) this.#part("add").querySelector("input").focus();
    row.remove();
    this.#rows.delete(item);
  }
}
