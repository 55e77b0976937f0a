// Counts up the times that are shown with seconds. One timer serves all; only their texts change.

import { Component, html } from "./html.js";
import { lasted } from "./format.js";

/** @type {Set<() => void>} */
const listeners = new Set();
/** ms by which the store's clock is ahead of this machine's. */
let ahead = 0;

/** @param {number} ms */
export function setAhead(ms) {
  ahead = ms;
}

/** Return the time by the clock of the store. */
export function now() {
  return Date.now() + ahead;
}

setInterval(() => listeners.forEach((tell) => tell()), 1_000);

/** Shows the time since `since`, or the result of `of` for the present time. */
export class Ticking extends Component {
  constructor() {
    super();
    this.tell = () => this.forceUpdate();
  }

  componentDidMount() {
    listeners.add(this.tell);
  }

  componentWillUnmount() {
    listeners.delete(this.tell);
  }

  /** @param {{since?: string, of?: (now: number) => any}} props */
  render({ since, of }) {
    if (of) return of(now());
    return html`<time>${lasted(now() - Date.parse(since ?? ""))}</time>`;
  }
}
