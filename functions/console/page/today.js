// Sums up the day so far: the time recorded, the time missing, and the files.

import { lasted, timeOfDay } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { now } from "./ticker.js";
import { Name } from "./wall.js";

const ROWS = 100;
const MAX_STREAMS = 2_000;

/**
 * @typedef {import("./api.js").Coverage & {stream: string, absences: {start: string, reason: import("./api.js").Reason}[],
 *   files: {reported: number, verified: number, wrong: number, unverified: number, delivered: number, undelivered: number}}} Account
 * @typedef {{rows: Account[], isAll: boolean, isLoaded: boolean, fault: string}} State
 */

export class Today extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { rows: [], isAll: true, isLoaded: false, fault: "" };
  }

  componentDidMount() {
    this.load();
  }

  componentWillUnmount() {
    this.isGone = true;
  }

  async load() {
    const { api, say } = this.props;
    const from = new Date(new Date(now()).setHours(0, 0, 0, 0)).toISOString();
    let cursor = "";
    try {
      do {
        const query = new URLSearchParams({ from, limit: String(ROWS), ...(cursor ? { cursor } : {}) });
        const page = await api.get(`/v1/report?${query}`);
        const rows = [...this.state.rows, ...page.streams.filter(hasAny)];
        cursor = page.next ?? "";
        this.setState({ rows, isLoaded: !cursor, isAll: !cursor });
      } while (cursor && this.state.rows.length < MAX_STREAMS && !this.isGone);
      this.setState({ isLoaded: true });
    } catch (error) {
      this.setState({ fault: textOf(error, say) });
    }
  }

  render() {
    const { say, onClose } = this.props;
    /** @type {State} */
    const { rows, isAll, isLoaded, fault } = this.state;
    const sorted = [...rows].sort((one, other) => wrongness(other) - wrongness(one) || (one.stream < other.stream ? -1 : 1));
    return html`<${Panel} name="today" title=${say("today")} say=${say} notices=${this.props.notices} onClose=${onClose}>
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      ${!isLoaded && !fault && html`<p role="status">${say("loading")}</p>`}
      ${isLoaded && !rows.length && html`<p>${say("todayNone")}</p>`}
      ${rows.length > 0 && html`<p role="status">${isAll ? "" : say("atLeast")}${this.totals(rows)}</p>`}
      <ul class="listed">${sorted.map((row) => this.row(row))}</ul>
    <//>`;
  }

  /** @param {Account[]} rows */
  totals(rows) {
    const sum = (/** @type {(row: Account) => number} */ of) => rows.reduce((total, row) => total + of(row), 0);
    const covered = lasted(sum((row) => row.covered_ms)), missing = lasted(sum((row) => row.missing_ms));
    const files = sum((row) => row.files.reported), wrong = sum((row) => row.files.wrong);
    return this.props.say("todaySum", { count: rows.length, covered, missing, files, verified: sum((row) => row.files.verified), wrong });
  }

  /** @param {Account} row */
  row(row) {
    const { say, language, onOpen } = this.props;
    const { files, absences } = row;
    return html`<li key=${row.stream}><button onClick=${() => onOpen(row.stream)}>
      <span class=${wrongness(row) ? "fault" : "answer"} aria-hidden="true">${wrongness(row) ? "▲" : "✓"}</span> <${Name} stream=${row.stream} />
      <span class="figures"><span>${say("recorded")} ${lasted(row.covered_ms)}</span>
        ${row.missing_ms > 0 && html`<span class="fault">${say("gap")} ${lasted(row.missing_ms)}</span>`}
        ${files.reported > 0 && html`<span>${say("nFiles", { count: files.reported, verified: files.verified })}</span>`}
        ${files.wrong > 0 && html`<span class="fault">${say("filesWrong", { count: files.wrong })}</span>`}
        ${files.delivered + files.undelivered > 0 && html`<span>${say("nCopied", { count: files.delivered, of: files.delivered + files.undelivered })}</span>`}
        ${absences.map((each) => html`<span class="fault">${timeOfDay(Date.parse(each.start), language, now())}: ${marked(each.reason.text)}</span>`)}</span>
    </button></li>`;
  }
}

/** @param {Account} row */
function hasAny(row) {
  return row.due_ms > 0 || row.files.reported > 0 || row.absences.length > 0 || row.recorded.length > 0;
}

/** Return a number to sort by: the missing time, wrong files, and occurrences without a recording. @param {Account} row */
function wrongness(row) {
  return row.missing_ms + (row.files.wrong + row.absences.length) * 1_000;
}
