// Shows one stream: its state, actions, coverage, files and history.

import { Actions, Command } from "./actions.js";
import { Failure } from "./api.js";
import { lasted, pathOf, sized, stretchOf, timeOfDay, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { Player } from "./player.js";
import { textOf } from "./signin.js";
import { now, Ticking } from "./ticker.js";
import { TimeLine } from "./timeline.js";
import { Name } from "./wall.js";

const STRETCHES = ["1h", "6h", "24h"];
const SIGNS = { recording: "●", waiting: "○", idle: "–", failed: "▲", stopping: "◆", queued: "◆", starting: "◆", unmanaged: "◇" };
const ROWS = 50;
const SHOWN_OCCURRENCES = 3;

/**
 * @typedef {{standing: import("./api.js").Standing | null, coverage: import("./api.js").Coverage | null,
 *   files: import("./api.js").File[], history: import("./api.js").HistoryLine[], stretch: string, fault: string,
 *   isSigned: boolean, played: string, wholeFault: string}} State
 */

export class Drawer extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { standing: null, coverage: null, files: [], history: [], stretch: "1h", fault: "", isSigned: true, played: "", wholeFault: "" };
  }

  componentDidMount() {
    this.load();
    this.timer = setInterval(() => document.hidden || this.load(), 5_000);
  }

  componentWillUnmount() {
    clearInterval(this.timer);
  }

  /** @param {{version: string}} before */
  componentDidUpdate(before) {
    if (before.version !== this.props.version) this.load();
  }

  async load() {
    const { api, stream, say } = this.props;
    const path = pathOf(stream);
    try {
      const [standing, coverage, history, { files, isSigned }] = await Promise.all([
        api.get(path),
        api.get(`${path}/coverage?from=${this.state.stretch}`),
        api.get(`${path}/history?limit=${ROWS}`),
        this.files(path),
      ]);
      this.setState({ standing, coverage, history: history.history, files, isSigned, fault: "" });
    } catch (error) {
      this.setState({ fault: textOf(error, say) });
    }
  }

  /**
   * Return the files, with playback URLs if the stage has a bucket. The URLs are requested once: a new
   * URL would restart a file that is playing.
   * @param {string} path
   */
  async files(path) {
    const { api, stream } = this.props;
    /** @type {{files: import("./api.js").File[]}} */
    const { files } = await api.get(`${path}/files?limit=${ROWS}`);
    const known = this.state.files;
    const isKnown = known.length === files.length && files.every((file, at) => file.uri === known[at].uri && file.verified?.outcome === known[at].verified?.outcome);
    if (isKnown || !files.length) return { files: files.map((file, at) => ({ ...known[at], ...file, url: known[at].url })), isSigned: this.state.isSigned };
    try {
      const signed = await api.get(`${pathOf(stream, "/v1/files")}?limit=${ROWS}`);
      return { files: signed.files, isSigned: true };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { files, isSigned: false };
    }
  }

  /** @param {string} stretch */
  choose(stretch) {
    this.setState({ stretch }, () => this.load());
  }

  render() {
    const { stream, say, onClose } = this.props;
    const { standing, fault } = this.state;
    return html`<${Panel} name="drawer" title=${html`<${Name} stream=${stream} />`} say=${say} notices=${this.props.notices} onClose=${onClose}>
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      ${standing && this.standing(standing)}
      <${Actions} ...${this.props} standing=${standing} onDone=${() => this.load()} />
      ${this.state.coverage && this.account(this.state.coverage)}
      ${this.recorded()}
      ${this.history()}
    <//>`;
  }

  /** @param {import("./api.js").Standing} standing */
  standing(standing) {
    const { say, language } = this.props;
    const at = (/** @type {string} */ time) => timeOfDay(Date.parse(time), language, now());
    const { wrong, phase } = standing;
    const kind = wrong ? "critical" : phase === "recording" ? "good" : "calm";
    return html`<section class="standing ${kind}" aria-label=${say("state")}>
      <p><span class="sign" aria-hidden="true">${wrong ? "▲" : SIGNS[/** @type {"idle"} */ (phase)]}</span>
        <strong>${wrong ? say("critical") : say(`phase_${phase}`)}</strong>
        ${wrong && html` <${Ticking} since=${wrong.since} />`}</p>
      <p>${marked((wrong ?? standing).reason.text)}</p>
      <ul class="facts">
        ${standing.since && html`<li>${say(`phase_${phase}`)} ${say("since", { time: at(standing.since) })}</li>`}
        ${standing.confirmed_at && html`<li>${say("confirmed", { time: at(standing.confirmed_at) })}</li>`}
        ${standing.wanted && html`<li>${standing.until ? say("until", { time: at(standing.until) }) : say("noEnd")}</li>`}
        ${standing.next_attempt_at && html`<li>${say("nextTry", { time: at(standing.next_attempt_at) })}</li>`}
        ${standing.schedules?.slice(0, SHOWN_OCCURRENCES).map((each) => html`<li>${say(each.begun ? "scheduledNow" : each.barred ? "scheduledBarred" : "scheduled", { id: visible(each.schedule), when: stretchOf(each.starts_at, each.ends_at, language) })}</li>`)}
        ${standing.intent?.note && html`<li><q>${visible(standing.intent.note)}</q> ${visible(standing.intent.who)}</li>`}
      </ul></section>`;
  }

  /** @param {import("./api.js").Coverage} coverage */
  account(coverage) {
    const { say, language } = this.props;
    return html`<section><h3>${say("account")}</h3>
      <div class="choice" role="group" aria-label=${say("span")}>${STRETCHES.map((stretch) => html`<button key=${stretch}
        aria-pressed=${stretch === this.state.stretch} onClick=${() => this.choose(stretch)}>${stretch}</button>`)}</div>
      <${TimeLine} coverage=${coverage} say=${say} language=${language} /></section>`;
  }

  recorded() {
    const { say, language } = this.props;
    /** @type {State} */
    const { files, isSigned, played } = this.state;
    const at = (/** @type {string | null} */ time) => (time ? timeOfDay(Date.parse(time), language, now()) : "?");
    return html`<section><h3>${say("files")}</h3>
      ${!files.length && html`<p class="hint">${say("noFiles")}</p>`}
      ${files.length > 0 && !isSigned && html`<p class="hint">${say("noBucket")}</p>`}
      ${isSigned && files.some((file) => file.uri.endsWith(".m3u8")) && this.whole()}
      <ul class="files">${files.map((file) => html`<li key=${file.uri}>
        <div><span class="verdict-${file.verified?.outcome ?? "none"}">${file.verified?.outcome === "verified" ? "✓" : file.verified ? "▲" : "○"} ${say(file.verified ? `outcome_${file.verified.outcome}` : "unchecked")}</span>
          <span>${at(file.start)} – ${at(file.stop)}</span>
          ${file.duration !== null && html`<span>${lasted(file.duration * 1000)}</span>`}
          ${file.size ? html`<span>${sized(file.size)}</span>` : null}
          ${file.url && played !== file.uri && html`<button onClick=${() => this.setState({ played: file.uri })}>▶ ${say("play")}</button>`}</div>
        <bdi class="uri">${visible(file.uri)}</bdi>
        ${file.verified && file.verified.outcome !== "verified" && html`<p class="why">${marked([file.verified, ...file.verified.findings].map((each) => each.text).join(" "))}</p>`}
        ${file.copy && this.copied(file.copy)}
        ${file.why_no_url && html`<p class="why">${marked(file.why_no_url)}</p>`}
        ${played === file.uri && html`<${Player} url=${file.url} name=${visible(file.uri)} say=${say} />`}
      </li>`)}</ul></section>`;
  }

  /** Offer all files of the last recording as one playlist, across reconnects. */
  whole() {
    const { say, stream, stage } = this.props;
    const { played, wholeFault } = this.state;
    const url = `${pathOf(stream, "/v1/files")}/playlist.m3u8`;
    const command = `live-record play '${stream.replaceAll("'", "'\\''")}' --all --stage ${stage} > show.m3u8`;
    return html`<div class="whole">
      ${played !== url && html`<button onClick=${() => this.playWhole(url)}>▶ ${say("playWhole")}</button>`}
      ${wholeFault && html`<p class="fault" role="alert">▲ ${marked(wholeFault)}</p>`}
      ${played === url && html`<${Player} url=${url} name=${say("playWhole")} say=${say} />`}
      <${Command} say=${say} text=${command} /></div>`;
  }

  /** Request the playlist first: a player does not show why there is none. @param {string} url */
  async playWhole(url) {
    const { api, say } = this.props;
    try {
      await api.send("GET", url);
      this.setState({ played: url, wholeFault: "" });
    } catch (error) {
      this.setState({ wholeFault: textOf(error, say) });
    }
  }

  /** @param {import("./api.js").Copy} copy */
  copied({ state, target, copied, size, why }) {
    const { say } = this.props;
    const sign = { delivered: "✓", failed: "▲", delivering: "◆" }[state];
    const progress = state === "delivering" && size ? say("copyProgress", { copied: sized(copied), size: sized(size) }) : "";
    return html`<p class="copy copy-${state}"><strong>${sign} ${say(`copy_${state}`)}</strong> <bdi>${visible(target)}</bdi> ${progress}
      ${state !== "delivered" && why && html`<span class="why">${marked(why)}</span>`}</p>`;
  }

  history() {
    const { say, language } = this.props;
    /** @type {State} */
    const { history } = this.state;
    const at = (/** @type {string} */ time) => timeOfDay(Date.parse(time), language, now());
    return html`<section><h3>${say("history")}</h3><ol class="history">
      ${history.map((line) => html`<li><time>${at(line.at)}</time> <span>${marked(line.text)}
        ${line.about.note && html` <q>${visible(String(line.about.note))}</q>`}
        ${line.count > 1 && html` <em>${say("times", { count: line.count, time: at(line.last_at) })}</em>`}</span></li>`)}
    </ol></section>`;
  }
}
