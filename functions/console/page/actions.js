// The actions on a stream. Each shows the command that does the same.

import { curlOf, pathOf, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { textOf } from "./signin.js";
import { now } from "./ticker.js";

const ACTIONS = ["start", "stop", "extend", "restart"];
const HOURS = [1, 2, 4, 8];
const HOUR_MS = 3_600_000;

/**
 * Shows the field of a note.
 * @param {{label: string, value: string, onInput: (note: string) => void}} props
 */
export const NoteField = ({ label, value, onInput }) => html`<label>${label}
  <input value=${value} maxlength="200" onInput=${(/** @type {Event} */ event) => onInput(/** @type {HTMLInputElement} */ (event.target).value)} /></label>`;

/**
 * Asks for a note, and calls `onSubmit` with the body of the request. It keeps its own note.
 * @extends {Component}
 */
export class NoteForm extends Component {
  constructor() {
    super();
    this.state = { note: "" };
  }

  render() {
    const { say, action, label, of, path, fields, mayNot, isAtOnce, onSubmit } = this.props;
    const { note } = this.state;
    const body = note ? { ...fields, note } : fields;
    const submit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      onSubmit(body);
    };
    return html`<form onSubmit=${submit}>
      <${NoteField} label=${label} value=${note} onInput=${(/** @type {string} */ written) => this.setState({ note: written })} />
      ${!isAtOnce && html`<p class="hint">${say("inTen")}</p>`}
      <button class=${action} disabled=${mayNot}>${say(action)}</button>
      <${Command} say=${say} of=${of} text=${curlOf(location.origin, path, body)} /></form>`;
  }
}

/**
 * Shows a command, and copies it.
 * @extends {Component}
 */
export class Command extends Component {
  constructor() {
    super();
    this.state = { isCopied: false };
  }

  async copy() {
    await navigator.clipboard.writeText(this.props.text);
    this.setState({ isCopied: true });
  }

  render() {
    const { say, text, of } = this.props;
    return html`<details class="command"><summary>${say("sameAs")}${of && `: ${of}`}</summary>
      <pre tabindex="0"><code>${text}</code></pre>
      <button onClick=${() => this.copy()}>${say(this.state.isCopied ? "copied" : "copy")}</button></details>`;
  }
}

export class Actions extends Component {
  constructor() {
    super();
    this.state = { chosen: "", note: "", hours: "", isSent: false, answer: "", fault: "" };
  }

  /** Return the body of the request. @returns {Record<string, string>} */
  body() {
    const { chosen, note, hours } = this.state;
    /** @type {Record<string, string>} */
    const body = {};
    if (chosen === "start" && hours) body.max_duration = `${hours}h`;
    if (chosen === "extend") {
      const until = Date.parse(this.props.standing?.until ?? "") || now();
      body.until = new Date(until + Number(hours || 1) * HOUR_MS).toISOString();
    }
    if (note) body.note = note;
    return body;
  }

  /**
   * Send a start at once, because each second may be lost; send any other action after ten seconds.
   * @param {SubmitEvent} event
   */
  submit(event) {
    event.preventDefault();
    const { chosen } = this.state;
    const path = `${pathOf(this.props.stream)}/${chosen}`;
    const body = this.body();
    this.setState({ chosen: "", note: "", hours: "", answer: "", fault: "" });
    if (chosen === "start") return this.send(path, body);
    const stream = visible(this.props.stream);
    this.props.outgoing.add(
      (/** @type {import("./words.js").Say} */ say, /** @type {number} */ seconds) => say("pending", { action: say(chosen), stream, seconds }),
      () => this.send(path, body),
    );
  }

  /**
   * @param {string} path
   * @param {Record<string, string>} body
   */
  async send(path, body) {
    const { api, say, onDone } = this.props;
    this.setState({ isSent: true });
    try {
      /** @type {import("./api.js").Standing} */
      const standing = await api.post(path, body, { "Idempotency-Key": crypto.randomUUID() });
      this.setState({ isSent: false, answer: standing.reason.text });
    } catch (error) {
      const fault = textOf(error, say);
      this.setState({ isSent: false, fault });
      onDone();
      return fault;
    }
    onDone();
  }

  render() {
    const { say, caller } = this.props;
    const { chosen, answer, fault, isSent } = this.state;
    const mayNot = !caller.scopes.includes("control");
    return html`<section class="actions">
      <div class="buttons">${ACTIONS.map((action) => html`<button key=${action} class=${action} disabled=${mayNot || isSent}
        aria-expanded=${chosen === action} onClick=${() => this.setState({ chosen: chosen === action ? "" : action, hours: "" })}>${say(action)}</button>`)}</div>
      ${mayNot && html`<p class="hint">${marked(say("mayNot"))}</p>`}
      ${chosen && this.form()}
      <div role="status">${answer && html`<p class="answer">✓ ${marked(answer)}</p>`}${fault && html`<p class="fault">▲ ${marked(fault)}</p>`}</div>
    </section>`;
  }

  form() {
    const { say, stream } = this.props;
    const { chosen, note, hours } = this.state;
    const path = `${pathOf(stream)}/${chosen}`;
    return html`<form class="ask" onSubmit=${(/** @type {SubmitEvent} */ event) => this.submit(event)}>
      <h3>${say(`${chosen}Title`)}</h3>
      ${(chosen === "start" || chosen === "extend") && html`<label>${say(chosen === "start" ? "howLong" : "by")}
        <select value=${hours} onChange=${(/** @type {Event} */ event) => this.setState({ hours: /** @type {HTMLSelectElement} */ (event.target).value })}>
          ${chosen === "start" && html`<option value="">${say("byRule")}</option>`}
          ${HOURS.map((count) => html`<option value=${count}>${say("hours", { count })}</option>`)}</select></label>`}
      <${NoteField} label=${say("note")} value=${note} onInput=${(/** @type {string} */ written) => this.setState({ note: written })} />
      ${chosen !== "start" && html`<p class="hint">${say("inTen")}</p>`}
      <div class="buttons"><button class="main ${chosen}">${say(chosen)}</button>
        <button type="button" onClick=${() => this.setState({ chosen: "" })}>${say("cancel")}</button></div>
      <${Command} say=${say} text=${curlOf(location.origin, path, this.body())} />
    </form>`;
  }
}
