/** What the page says about itself: the state of the socket, a banner for trouble, a notice for news. */

const STATES = { waiting: "Connecting", open: "Connected", lost: "Reconnecting", closed: "Disconnected" };
const NOTICE_MS = 8_000;
let noticeTimer;

/** @param {keyof STATES} state */
export function showSocket(state) {
  const pill = document.getElementById("socket");
  pill.textContent = STATES[state];
  pill.dataset.state = state;
}

/** A sentence on what is wrong, until it is right again: "" hides it. */
export function showTrouble(text) {
  const banner = document.getElementById("banner");
  if (banner.textContent === text) return; // said once, not at every attempt
  banner.textContent = text;
  banner.hidden = !text;
}

/** A sentence that goes away by itself. */
export function showNotice(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (notice.hidden = true), NOTICE_MS);
}

/** Whether both sides see one session. @param {string|undefined} http @param {string|undefined} socket their keys */
export function showSame(http, socket) {
  const same = document.getElementById("same");
  const state = !http || !socket ? "unknown" : http === socket ? "same" : "different";
  same.dataset.state = state;
  same.firstElementChild.textContent = {
    same: "Both sides see the same session",
    different: "The two sides see different sessions: reload the page to join them",
    unknown: "The session cannot be seen from both sides now",
  }[state];
}
