// Lists the open alerts, and acknowledges one, with a note. An acknowledged alert is neither
// repeated nor escalated.

import { NoteForm } from "./actions.js";
import { timeOfDay, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { now, Ticking } from "./ticker.js";
import { Name } from "./wall.js";

/** @typedef {{alerts: import("./api.js").Alert[], beyond: Record<string, number>, isLoaded: boolean, fault: string}} State */

export class Alerts extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { alerts: [], beyond: {}, isLoaded: false, fault: "" };
  }

  componentDidMount() {
    this.load();
  }

  /** @param {{version: string}} before */
  componentDidUpdate(before) {
    if (before.version !== this.props.version) this.load();
  }

  async load() {
    try {
      const { alerts, beyond } = await this.props.api.get("/v1/alerts");
      this.setState({ alerts, beyond, isLoaded: true, fault: "" });
    } catch (error) {
      this.setState({ fault: textOf(error, this.props.say) });
    }
  }

  /**
   * @param {import("./api.js").Alert} alert
   * @param {string} path
   * @param {object} body
   */
  plan({ name, subject }, path, body) {
    const stream = visible(subject || name);
    this.props.outgoing.add(
      (/** @type {import("./words.js").Say} */ say, /** @type {number} */ seconds) => say("pending", { action: say("ack"), stream, seconds }),
      () => this.acknowledge(path, body),
    );
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async acknowledge(path, body) {
    const { api, say } = this.props;
    try {
      await api.post(path, body);
    } catch (error) {
      const fault = textOf(error, say);
      this.setState({ fault });
      return fault;
    }
    this.load();
  }

  render() {
    const { say, onClose } = this.props;
    /** @type {State} */
    const { alerts, beyond, isLoaded, fault } = this.state;
    return html`<${Panel} name="alerts" title=${say("alerts")} say=${say} notices=${this.props.notices} onClose=${onClose}>
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      ${isLoaded && !alerts.length && html`<p>${say("alertsNone")}</p>`}
      <ul class="alertList">${alerts.map((alert) => this.alert(alert))}
        ${Object.entries(beyond).map(([kind, count]) => html`<li key=${kind}>${say("beyond", { count, kind })}</li>`)}</ul>
    <//>`;
  }

  /** @param {import("./api.js").Alert} alert */
  alert(alert) {
    const { say, language, caller, onOpen } = this.props;
    const isStream = alert.subject.split("/").length > 2;
    const path = `/v1/alerts/${encodeURIComponent(alert.id)}/ack`;
    const { acknowledged_at: at, acknowledged_by: name, note } = alert;
    return html`<li key=${alert.id} class=${alert.severity}>
      <p><span class="sign" aria-hidden="true">${alert.severity === "critical" ? "▲" : "◆"}</span>
        <strong>${say(`severity_${alert.severity}`)}: ${alert.name}</strong> <${Ticking} since=${alert.since} /></p>
      ${isStream ? html`<button class="plain" onClick=${() => onOpen(alert.subject)}><${Name} stream=${alert.subject} /></button>` : alert.subject && html`<bdi>${visible(alert.subject)}</bdi>`}
      <p>${marked(alert.text)}</p>
      <p class="why">${marked(alert.fix)}</p>
      ${at
        ? html`<p class="hint">✓ ${say("acked", { name: visible(name ?? ""), time: timeOfDay(Date.parse(at), language, now()) })} ${note && html`<q>${visible(note)}</q>`}</p>`
        : html`<${NoteForm} say=${say} action="ack" label=${say("ackNote")} path=${path} fields=${{}} mayNot=${!caller.scopes.includes("control")}
          onSubmit=${(/** @type {object} */ body) => this.plan(alert, path, body)} />`}
    </li>`;
  }
}
