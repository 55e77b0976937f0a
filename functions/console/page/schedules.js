// Lists the schedules and their next occurrences; pauses a schedule, or skips an occurrence.

import { NoteForm } from "./actions.js";
import { stretchOf, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { Name } from "./wall.js";

const NEXT_OF = 20;
const SHOWN = 3;
const SHOWN_STREAMS = 12;

/**
 * @typedef {{id: string, starts_at: string, ends_at: string}} Occurrence
 * @typedef {{id: string, title: string, streams: string[], timezone: string, rrule: string | null, paused: boolean,
 *   paused_by: string, pause_note: string}} Schedule
 * @typedef {{schedules: Schedule[], unreadable: string[], next: Record<string, Occurrence[]>, isLoaded: boolean, fault: string}} State
 */

/** @param {string} id @param {string} what */
function pathOfSchedule(id, what) {
  return `/v1/schedules/${encodeURIComponent(id)}/${what}`;
}

export class Schedules extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { schedules: [], unreadable: [], next: {}, isLoaded: false, fault: "" };
  }

  componentDidMount() {
    this.load();
  }

  async load() {
    const { api, say } = this.props;
    try {
      const { schedules, unreadable = [] } = await api.get("/v1/schedules");
      this.setState({ schedules, unreadable, isLoaded: true, fault: "" });
      for (const { id } of schedules.slice(0, NEXT_OF)) {
        const { next } = await api.get(pathOfSchedule(id, `next?n=${SHOWN}`));
        this.setState((/** @type {State} */ state) => ({ next: { ...state.next, [id]: next } }));
      }
    } catch (error) {
      this.setState({ fault: textOf(error, say) });
    }
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  async send(path, body) {
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

  /**
   * @param {Schedule} schedule
   * @param {object} body
   */
  skip({ id, title }, body) {
    const stream = visible(title || id);
    this.props.outgoing.add(
      (/** @type {import("./words.js").Say} */ say, /** @type {number} */ seconds) => say("pendingSkip", { stream, seconds }),
      () => this.send(pathOfSchedule(id, "skip"), body),
    );
  }

  render() {
    const { say, onClose } = this.props;
    /** @type {State} */
    const { schedules, unreadable, isLoaded, fault } = this.state;
    return html`<${Panel} name="schedules" title=${say("schedules")} say=${say} notices=${this.props.notices} onClose=${onClose}>
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      ${unreadable.map((id) => html`<p key=${id} class="fault">▲ ${say("scheduleUnreadable", { id: visible(id) })}</p>`)}
      ${isLoaded && !schedules.length && !unreadable.length && html`<p>${say("schedulesNone")}</p>`}
      <ul class="schedules">${schedules.map((schedule) => this.schedule(schedule))}</ul>
    <//>`;
  }

  /** @param {Schedule} schedule */
  schedule(schedule) {
    const { say, language, caller, onOpen } = this.props;
    const { id, title, streams, timezone, paused, paused_by: who, pause_note: note } = schedule;
    /** @type {Occurrence[] | undefined} */
    const next = this.state.next[id];
    const mayNot = !caller.scopes.includes("control");
    const toggle = pathOfSchedule(id, paused ? "resume" : "pause");
    return html`<li key=${id}>
      <p><strong>${visible(title || id)}</strong> <span class="why">${visible(id)} · ${visible(timezone)}</span>
        ${paused && html` <em class="paused">‖ ${say("paused")} ${visible(who ?? "")} ${note && html`<q>${visible(note)}</q>`}</em>`}</p>
      <p class="streams">${streams.slice(0, SHOWN_STREAMS).map((stream) =>
          stream.includes("*") ? html`<${Name} stream=${stream} />` : html`<button class="plain" onClick=${() => onOpen(stream)}><${Name} stream=${stream} /></button>`)}
        ${streams.length > SHOWN_STREAMS && html`<span class="why">${say("andMore", { count: streams.length - SHOWN_STREAMS })}</span>`}</p>
      ${next && html`<ol>${next.map((each) => html`<li key=${each.id}>${stretchOf(each.starts_at, each.ends_at, language)}</li>`)}</ol>`}
      ${next && !next.length && html`<p class="hint">${say("nothingNext")}</p>`}
      <${NoteForm} key=${toggle} say=${say} action=${paused ? "resume" : "pause"} label=${say("pauseNote")} of=${say(paused ? "resume" : "pause")} path=${toggle}
        fields=${{}} mayNot=${mayNot} isAtOnce=${true} onSubmit=${(/** @type {object} */ body) => this.send(toggle, body)} />
      ${next && next.length > 0 && html`<${NoteForm} key=${next[0].id} say=${say} action="skip" label=${say("skipNote")} of=${say("skip")} path=${pathOfSchedule(id, "skip")}
        fields=${{ occurrence: next[0].id }} mayNot=${mayNot} onSubmit=${(/** @type {object} */ body) => this.skip(schedule, body)} />`}
    </li>`;
  }
}
