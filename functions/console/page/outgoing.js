// The requests that are sent after ten seconds, unless somebody cancels them or leaves the page.

import { html } from "./html.js";
import { marked } from "./marked.js";
import { Ticking } from "./ticker.js";

const DELAY_MS = 10_000;
const LEFT = "live-record not sent";

/** `send` returns why the request was refused: its panel may be closed by then.
 * @typedef {{id: number, at: number, text: (say: import("./words.js").Say, seconds: number) => string, send: () => Promise<string | void>, timer: number}} Item */

export class Outgoing {
  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {Item[]} */
    this.items = [];
    this.word = "";
    this.fault = "";
    this.left = sessionStorage.getItem(LEFT) ?? "";
    sessionStorage.removeItem(LEFT);
    this.next = 1;
    addEventListener("beforeunload", (event) => this.items.length && event.preventDefault());
    addEventListener("pagehide", () => this.abandon());
  }

  /**
   * @param {Item["text"]} text
   * @param {Item["send"]} send
   */
  add(text, send) {
    const id = this.next++;
    const timer = window.setTimeout(() => this.due(id), DELAY_MS);
    this.word = this.fault = "";
    this.items.push({ id, at: Date.now() + DELAY_MS, text, send, timer });
    this.changed();
  }

  /** @param {number} id */
  async due(id) {
    const item = this.items.find((each) => each.id === id);
    this.items = this.items.filter((each) => each.id !== id);
    this.changed();
    const fault = await item?.send();
    if (!fault) return;
    this.fault = fault;
    this.changed();
  }

  /** @param {number} id */
  drop(id) {
    for (const each of this.items) if (each.id === id) clearTimeout(each.timer);
    this.items = this.items.filter((each) => each.id !== id);
    this.word = "notSent";
    this.changed();
  }

  dropAll() {
    for (const each of this.items) clearTimeout(each.timer);
    this.items = [];
  }

  /** Cancel all requests, and show which when the page comes back. */
  abandon() {
    if (!this.items.length) return;
    sessionStorage.setItem(LEFT, this.items.map((each) => each.text((key, about) => `${about?.stream ?? about?.count ?? key}`, 0)).join(", "));
    this.dropAll();
  }

  /** @param {import("./words.js").Say} say */
  bar(say) {
    const close = () => {
      this.left = this.word = this.fault = "";
      this.changed();
    };
    const news = this.fault ? html`▲ ${marked(this.fault)}` : this.left ? say("leftBefore", { what: this.left }) : this.word ? say(this.word) : "";
    return html`<aside class="outgoing" aria-live="polite">
      ${this.items.map((item) => html`<p key=${item.id} class="going">
        <${Ticking} of=${() => html`<span aria-live="off">${item.text(say, Math.max(Math.ceil((item.at - Date.now()) / 1000), 0))}</span>`} />
        <button onClick=${() => this.drop(item.id)}>${say("dont")}</button></p>`)}
      ${news && html`<p class="news"><span>${news}</span> <button class="plain" onClick=${close} aria-label=${say("close")}>✕</button></p>`}
    </aside>`;
  }
}
