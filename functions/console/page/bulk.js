// Starts or stops many streams by a pattern, after showing which.

import { Command, NoteField } from "./actions.js";
import { globOf, pathOf } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { Name } from "./wall.js";

const MAX_STREAMS = 500;
const PAGE_ROWS = 200;
const AT_ONCE = 4;

/**
 * @typedef {{pattern: string, found: import("./api.js").Standing[] | null, isMore: boolean, note: string,
 *   done: number, failed: number, why: string, count: number, fault: string}} State
 */

export class Bulk extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { pattern: "", found: null, isMore: false, note: "", done: 0, failed: 0, why: "", count: 0, fault: "" };
  }

  /** @param {SubmitEvent} event */
  async preview(event) {
    event.preventDefault();
    const { api, say } = this.props;
    const pattern = /** @type {HTMLInputElement} */ (document.getElementById("pattern")).value.trim();
    const glob = globOf(pattern);
    const [domain, app] = pattern.split("/");
    const plain = (/** @type {string} */ text) => !/[*?[]/.test(text);
    const filter = { ...(plain(domain) ? { domain } : {}), ...(plain(domain) && plain(app) ? { app } : {}) };
    /** @type {import("./api.js").Standing[]} */
    const found = [];
    let cursor = "";
    this.setState({ pattern, found: null, fault: "", count: 0 });
    try {
      do {
        const query = new URLSearchParams({ limit: String(PAGE_ROWS), ...filter, ...(cursor ? { cursor } : {}) });
        const page = await api.get(`/v1/recordings?${query}`);
        found.push(...page.recordings.filter((/** @type {import("./api.js").Standing} */ row) => glob.test(row.stream)));
        cursor = page.next ?? "";
      } while (cursor && found.length <= MAX_STREAMS);
      this.setState({ found: found.slice(0, MAX_STREAMS), isMore: found.length > MAX_STREAMS });
    } catch (error) {
      this.setState({ fault: textOf(error, say) });
    }
  }

  /** @param {"start" | "stop"} action */
  plan(action) {
    const { outgoing } = this.props;
    const streams = (this.state.found ?? []).map((/** @type {import("./api.js").Standing} */ row) => row.stream);
    /** @type {Record<string, string>} */
    const body = this.state.note ? { note: this.state.note } : {};
    outgoing.add(
      (/** @type {import("./words.js").Say} */ say, /** @type {number} */ seconds) => say("pendingMany", { action: say(action), count: streams.length, seconds }),
      () => this.send(action, streams, body),
    );
  }

  /**
   * @param {string} action
   * @param {string[]} streams
   * @param {Record<string, string>} body
   */
  async send(action, streams, body) {
    const { api, say } = this.props;
    const rest = [...streams];
    let failed = 0;
    let why = "";
    this.setState({ count: streams.length, done: 0, failed: 0, why: "" });
    const work = async () => {
      for (let stream = rest.shift(); stream !== undefined; stream = rest.shift()) {
        try {
          await api.post(`${pathOf(stream)}/${action}`, body, { "Idempotency-Key": crypto.randomUUID() });
        } catch (error) {
          failed += 1;
          why = textOf(error, say);
        }
        this.setState((/** @type {{done: number}} */ state) => ({ done: state.done + 1, failed, why }));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return failed ? say("someFailed", { count: failed, why }) : "";
  }

  render() {
    const { say, caller, stage, onClose } = this.props;
    /** @type {State} */
    const { pattern, found, isMore, note, fault, count, done, failed, why } = this.state;
    const mayNot = !caller.scopes.includes("control");
    return html`<${Panel} name="bulk" title=${say("bulkTitle")} say=${say} notices=${this.props.notices} onClose=${onClose}>
      <form class="ask" onSubmit=${(/** @type {SubmitEvent} */ event) => this.preview(event)}>
        <p class="hint" id="bulkHint">${marked(say("bulkHint"))}</p>
        <label for="pattern">${say("pattern")}</label>
        <input id="pattern" required pattern=".+/.+/.+" aria-describedby="bulkHint" placeholder="live.example.com/app/*" autocomplete="off" spellcheck=${false} />
        <button class="main">${say("preview")}</button>
      </form>
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      <div role="status">
        ${found && html`<p>${isMore ? say("tooMany", { count: MAX_STREAMS }) : found.length ? say("found", { count: found.length }) : say("foundNone")}</p>`}
        ${count > 0 && html`<p>${done < count ? say("progress", { done, count, failed }) : say("finished")} ${failed > 0 && html`<span class="fault">▲ ${marked(say("failed", { why }))}</span>`}</p>`}
      </div>
      ${found && html`<ul class="listed">${found.map((row) => html`<li key=${row.stream}><${Name} stream=${row.stream} /> <span class="why">${say(`phase_${row.phase}`)}</span></li>`)}</ul>`}
      ${found && found.length > 0 && html`<form class="ask" onSubmit=${(/** @type {SubmitEvent} */ event) => event.preventDefault()}>
        <${NoteField} label=${say("note")} value=${note} onInput=${(/** @type {string} */ written) => this.setState({ note: written })} />
        <p class="hint">${marked(say(mayNot ? "mayNot" : "inTen"))}</p>
        <div class="buttons">${/** @type {const} */ (["start", "stop"]).map((action) => html`<button type="button" class=${action} disabled=${mayNot || isMore}
          onClick=${() => this.plan(action)}>${say(action)} (${found.length})</button>`)}</div>
        ${["start", "stop"].map((action) => html`<${Command} say=${say} of=${say(action)} text=${`live-record ${action} '${pattern.replaceAll("'", "'\\''")}' --stage ${stage}`} />`)}
      </form>`}
    <//>`;
  }
}
