// Suspends the policy for a while, so that no rule starts a recording, and resumes it.

import { Command } from "./actions.js";
import { curlOf, timeOfDay, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { now } from "./ticker.js";

const HOURS = [1, 2, 4, 8, 12, 24];
const SUSPEND = "/v1/policy/suspend";
const RESUME = "/v1/policy/resume";

export class Suspension extends Component {
  constructor() {
    super();
    this.state = { hours: "2", note: "", fault: "" };
  }

  /** @param {"suspend" | "resume"} action @param {string} path @param {object} body */
  plan(action, path, body) {
    this.setState({ fault: "" });
    this.props.outgoing.add(
      (/** @type {import("./words.js").Say} */ say, /** @type {number} */ seconds) => say("pendingPolicy", { action: say(action), seconds }),
      () => this.send(path, body),
    );
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async send(path, body) {
    const { api, say, onDone } = this.props;
    try {
      await api.post(path, body);
    } catch (error) {
      const fault = textOf(error, say);
      this.setState({ fault });
      return fault;
    }
    onDone();
  }

  render() {
    const { say, suspended, caller, onClose } = this.props;
    const { fault } = this.state;
    const mayNot = !caller.scopes.includes("policy");
    return html`<${Panel} name="suspension" title=${say("suspend")} say=${say} notices=${this.props.notices} onClose=${onClose}>
      <div><p>${say("suspendAbout")}</p><p class="hint">${say("suspendAfter")}</p></div>
      ${suspended && this.standing(mayNot)}
      ${this.form(mayNot)}
      ${mayNot && html`<p class="hint">${marked(say("mayNotPolicy"))}</p>`}
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
    <//>`;
  }

  /** @param {boolean} mayNot */
  standing(mayNot) {
    const { say, suspended, language } = this.props;
    const time = timeOfDay(Date.parse(suspended.until), language, now());
    return html`<section class="ask"><p><strong>◆ ${say("suspendedUntil", { time })}</strong></p>
      <p class="hint">${visible(suspended.who)} ${suspended.note && html`<q>${visible(suspended.note)}</q>`}</p>
      <div class="buttons"><button class="main" disabled=${mayNot} onClick=${() => this.plan("resume", RESUME, {})}>${say("resume")}</button></div>
      <${Command} say=${say} text=${curlOf(location.origin, RESUME, {})} /></section>`;
  }

  /** @param {boolean} mayNot */
  form(mayNot) {
    const { say } = this.props;
    const { hours, note } = this.state;
    const body = { for: `${hours}h`, ...(note ? { note } : {}) };
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.plan("suspend", SUSPEND, body);
    };
    return html`<form class="ask" onSubmit=${submit}>
      <label>${say("suspendFor")} <select value=${hours} onChange=${(/** @type {Event} */ event) => this.setState({ hours: /** @type {HTMLSelectElement} */ (event.target).value })}>
        ${HOURS.map((count) => html`<option value=${count}>${say("hours", { count })}</option>`)}</select></label>
      <label>${say("reasonShown")} <input value=${note} maxlength="200" onInput=${(/** @type {Event} */ event) => this.setState({ note: /** @type {HTMLInputElement} */ (event.target).value })} /></label>
      <p class="hint">${say("inTen")}</p>
      <div class="buttons"><button class="main stop" disabled=${mayNot}>${say("suspend")}</button></div>
      <${Command} say=${say} text=${curlOf(location.origin, SUSPEND, body)} />
    </form>`;
  }
}
