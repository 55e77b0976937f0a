// The page: it polls the stage, and shows the last answer with its age.

import { Api, Failure } from "./api.js";
import { lasted, timeOfDay, visible } from "./format.js";
import { Component, html, render } from "./html.js";
import { marked } from "./marked.js";
import { Outgoing } from "./outgoing.js";
import { SignIn } from "./signin.js";
import { now, setAhead, Ticking } from "./ticker.js";
import { Wall } from "./wall.js";
import { firstLanguage, rememberLanguage, sayIn } from "./words.js";

/** ms between two polls: while something is red, and otherwise. */
const RED_MS = 2_000;
const CALM_MS = 5_000;
/** ms after the last answer at which the page turns grey. An answer may take 4 s. */
const STALE_MS = 10_000;
/** The problems that the page shows in a place of their own. */
const SHOWN_APART = ["not_recorded", "policy_suspended"];
const TOOLS = /** @type {const} */ ([["today", "today"], ["schedules", "schedules"], ["bulk", "bulk"], ["suspension", "suspend"]]);

/**
 * @typedef {import("./api.js").Overview} Overview
 * @typedef {{language: string, isIn: boolean | null, over: boolean, overview: Overview | null, answeredAt: number,
 *   isStale: boolean, stream: string, phase: string, opened: "" | "bulk" | "alerts" | "schedules" | "suspension" | "today",
 *   panels: typeof import("./panels.js") | null}} State
 */

class Console extends Component {
  constructor() {
    super();
    const language = firstLanguage();
    /** @type {State} */
    this.state = {
      language,
      isIn: null,
      over: false,
      overview: null,
      answeredAt: 0,
      isStale: false,
      stream: "",
      phase: "",
      opened: "",
      panels: null,
    };
    this.api = new Api(language);
    this.outgoing = new Outgoing(() => this.forceUpdate());
    this.tag = "";
    this.timer = 0;
    this.isAsking = false;
    /** @type {Promise<typeof import("./panels.js")> | undefined} */
    this.loading = undefined;
  }

  componentDidMount() {
    document.addEventListener("visibilitychange", () => this.ask());
    setInterval(() => this.watch(), 250);
    this.begin();
  }

  /** Ask first whose session it is, so that no request without a session is refused. */
  async begin() {
    try {
      const { name } = await this.api.get("session");
      if (name === null) return this.leave(false);
    } catch {
      this.setState({ answeredAt: this.state.answeredAt });
    }
    this.ask();
  }

  componentDidUpdate() {
    const { language, overview, isStale, isIn } = this.state;
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    document.documentElement.classList.toggle("stale", Boolean(isStale && isIn));
    const sign = !overview || isStale ? "…" : overview.severities.critical ? `▲ ${overview.severities.critical}` : "✓";
    if (overview && !this.state.panels) this.loadPanels();
    document.title = isIn && overview ? `${sign} ${overview.stage} · live-record` : "live-record";
  }

  /** Load the panels after the first overview is shown. */
  async loadPanels() {
    this.loading ??= import("./panels.js");
    try {
      const panels = await this.loading;
      if (!this.state.panels) this.setState({ panels });
    } catch {
      this.loading = undefined;
    }
  }

  /** Turn the page grey once its overview is old, even while an answer is awaited. */
  watch() {
    const isStale = this.state.answeredAt > 0 && performance.now() - this.state.answeredAt > STALE_MS;
    if (isStale !== this.state.isStale) this.setState({ isStale });
  }

  /** Poll the stage, unless the page is hidden, and plan the next poll. */
  async ask() {
    clearTimeout(this.timer);
    if (document.hidden || this.isAsking || this.state.isIn === false) return;
    this.isAsking = true;
    try {
      this.take(await this.api.overview(this.tag));
    } catch (error) {
      if (error instanceof Failure && error.status === 401) this.leave(Boolean(this.state.isIn));
    }
    this.isAsking = false;
    const isRed = this.state.isStale || (this.state.overview?.severities.critical ?? 0) > 0;
    this.timer = window.setTimeout(() => this.ask(), isRed ? RED_MS : CALM_MS);
  }

  /** @param {{overview: Overview, tag: string} | null} answer */
  take(answer) {
    const answeredAt = performance.now();
    if (!answer) return this.setState({ answeredAt, isStale: false });
    this.tag = answer.tag;
    setAhead(Date.parse(answer.overview.at) - Date.now());
    this.setState({ overview: answer.overview, answeredAt, isStale: false, isIn: true });
  }

  /** @param {boolean} over */
  leave(over) {
    clearTimeout(this.timer);
    this.tag = "";
    this.outgoing.dropAll();
    this.setState({ isIn: false, over, overview: null, answeredAt: 0, isStale: false, stream: "", phase: "", opened: "" });
  }

  enter() {
    this.setState({ isIn: null, over: false }, () => this.ask());
  }

  async signOut() {
    try {
      await this.api.signOut();
      this.leave(false);
    } catch {
      this.watch();
    }
  }

  speakOther() {
    const language = this.state.language === "zh" ? "en" : "zh";
    rememberLanguage(language);
    this.api.language = language;
    this.tag = "";
    this.setState({ language }, () => this.ask());
  }

  render() {
    const { language, isIn, over, overview, isStale, stream, phase, opened } = this.state;
    const say = sayIn(language);
    if (isIn === false)
      return html`<${SignIn} api=${this.api} say=${say} over=${over} onIn=${() => this.enter()}
        onLanguage=${() => this.speakOther()} />`;
    if (!overview) return html`<main class="wait"><p role="status">${say("loading")}</p></main>`;
    const hasPanel = Boolean(stream || phase || opened);
    // Under an open panel, notices could be neither read nor pressed: they move into the panel.
    const notices = html`${isStale && this.staleBar(say)}${this.outgoing.bar(say)}`;
    return html`
      ${this.header(overview, say)}
      ${!hasPanel && notices}
      <main id="main">
        ${this.verdict(overview, say)}
        ${this.suspended(overview, say)}
        ${this.problems(overview, say)}
        ${this.alerts(overview, say)}
        <${Wall} overview=${overview} say=${say} onOpen=${(/** @type {string} */ stream) => this.setState({ stream })} />
        ${this.rest(overview, say)}
        ${this.tools(say)}
      </main>
      ${this.footer(overview, say)}
      ${this.panels(overview, say, notices)}
    `;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  header({ stage, mode, caller }, say) {
    const allowed = caller.scopes.filter((scope) => scope !== "read");
    return html`<header class="top ${colourOf(stage)}">
      <h1>live-record</h1>
      <p class="stage"><span>${say("stage")}</span> <strong>${visible(stage)}</strong></p>
      ${mode === "observe" && html`<p class="mode">◌ ${say("observe")}</p>`}
      <p class="who">${allowed.length ? say("whoCan", { name: caller.name, scopes: caller.scopes.join(", ") }) : say("whoRead", { name: caller.name })}
        ${caller.streams.length > 0 && html`<span>${say("bound", { streams: visible(caller.streams.join(", ")) })}</span>`}</p>
      <nav>
        <button class="plain" lang=${say("language") === "English" ? "en" : "zh-CN"} onClick=${() => this.speakOther()}>${say("language")}</button>
        <button class="plain" onClick=${() => this.signOut()}>${say("signOut")}</button>
      </nav>
    </header>`;
  }

  /** @param {import("./words.js").Say} say */
  staleBar(say) {
    const age = () => lasted(performance.now() - this.state.answeredAt);
    return html`<div class="old" role="alert"><strong>◌ ${say("staleTitle")}</strong>
      <${Ticking} of=${() => html`<span aria-live="off">${say("stale", { age: age() })}</span>`} /></div>`;
  }

  /**
   * Show whether all is recorded, and as of when: green is never shown without a time.
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  verdict({ severities, complete, rows }, say) {
    const { critical, warning, recording, waiting } = severities;
    const some = complete ? "" : say("atLeast");
    const kind = critical ? "critical" : warning ? "warning" : recording + waiting ? "good" : "calm";
    const sign = { critical: "▲", warning: "◆", good: "✓", calm: "–" }[kind];
    const text = critical
      ? some + (critical === 1 ? say("lostOne") : say("lost", { count: critical }))
      : warning ? say("someWarn", { count: warning }) : recording + waiting ? say("allGood") : say("nothing");
    return html`<section class="verdict ${this.state.isStale ? "unknown" : kind}" aria-label=${say("light")}>
      <span class="sign" aria-hidden="true">${this.state.isStale ? "?" : sign}</span>
      <div><div role="status"><h2>${text}</h2></div>
        <p><${Ticking} of=${() => html`<span>${say("asOf", { time: this.asOf() })}</span>`} /></p></div>
      ${critical > 0 && rows[0]?.lost_since && html`<p class="worst"><span>${say("lostFor")}</span> <${Ticking} since=${rows[0].lost_since} /></p>`}
    </section>`;
  }

  asOf() {
    const age = performance.now() - this.state.answeredAt;
    return timeOfDay(now() - age, this.state.language, now());
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  suspended({ suspended }, say) {
    if (!suspended) return null;
    const time = timeOfDay(Date.parse(suspended.until), this.state.language, now());
    return html`<button class="suspended" onClick=${() => this.setState({ opened: "suspension" })}>
      <span class="sign" aria-hidden="true">◆</span> <span><strong>${say("suspendedUntil", { time })}</strong>
        <span class="why">${visible(suspended.who)} ${suspended.note && html`<q>${visible(suspended.note)}</q>`}</span></span></button>`;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  problems({ problems }, say) {
    const shown = problems.filter((problem) => !SHOWN_APART.includes(problem.code));
    if (!shown.length) return null;
    return html`<section class="problems"><h2>${say("problems")}</h2><ul>
      ${shown.map((problem) => html`<li key=${problem.code} class=${problem.stops_commands ? "critical" : "warning"}>
        <span class="sign" aria-hidden="true">${problem.stops_commands ? "▲" : "◆"}</span>
        <p>${problem.stops_commands && html`<strong>${say("stops")}: </strong>`}${marked(problem.text)} <span class="fix">${marked(problem.fix)}</span></p></li>`)}
    </ul></section>`;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  alerts({ alerts }, say) {
    if (!alerts?.open) return null;
    return html`<button class="alerts" onClick=${() => this.setState({ opened: "alerts" })}>
      <span class="sign" aria-hidden="true">◆</span> ${say("nAlerts", { count: alerts.open, waiting: alerts.unacknowledged })}</button>`;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  rest({ severities, complete }, say) {
    const kinds = [["recording", "●", "nRecording"], ["waiting", "○", "nWaiting"], ["idle", "–", "nIdle"]];
    return html`<section class="rest" aria-label=${say("rest")}>
      ${kinds.map(([phase, sign, key]) => html`<button class=${phase} onClick=${() => this.setState({ phase })}>
        <span class="sign" aria-hidden="true">${sign}</span>
        ${complete ? "" : say("atLeast")}${say(key, { count: severities[/** @type {"idle"} */ (phase)] })}</button>`)}
    </section>`;
  }

  /** @param {import("./words.js").Say} say */
  tools(say) {
    const open = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const input = /** @type {HTMLInputElement} */ (document.getElementById("stream"));
      if (input.value.split("/").length >= 3) this.setState({ stream: input.value.trim() });
    };
    return html`<section class="tools">
      <form onSubmit=${open}><label for="stream">${say("open")}</label>
        <input id="stream" required pattern=".+/.+/.+" placeholder=${say("openHint")} autocomplete="off" spellcheck=${false} />
        <button>${say("go")}</button></form>
      <div class="buttons">${TOOLS.map(([opened, key]) => html`<button class=${opened} onClick=${() => this.setState({ opened })}>${say(key)}</button>`)}</div>
    </section>`;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   */
  footer({ reconciled_at, heartbeat_at, queue }, say) {
    const at = (/** @type {string | null} */ time) => time ? timeOfDay(Date.parse(time), this.state.language, now()) : say("never");
    return html`<footer><dl>
      <div><dt>${say("timer")}</dt><dd>${at(reconciled_at)}</dd></div>
      <div><dt>${say("due")}</dt><dd>${queue.due}</dd></div>
      ${heartbeat_at && html`<div><dt>${say("heartbeat")}</dt><dd>${at(heartbeat_at)}</dd></div>`}
    </dl></footer>`;
  }

  /**
   * @param {Overview} overview
   * @param {import("./words.js").Say} say
   * @param {any} notices
   */
  panels(overview, say, notices) {
    const { stream, phase, opened, language, panels } = this.state;
    if (!panels) return null;
    const { Alerts, Bulk, Drawer, Listed, Schedules, Suspension, Today } = panels;
    const open = (/** @type {string} */ chosen) => this.setState({ stream: chosen, phase: "", opened: "" });
    const shared = { onOpen: open, api: this.api, say, language, caller: overview.caller, stage: overview.stage, outgoing: this.outgoing, notices };
    if (stream)
      return html`<${Drawer} key=${stream + language} ...${shared} stream=${stream} version=${overview.version} onClose=${() => this.setState({ stream: "" })} />`;
    if (phase)
      return html`<${Listed} key=${phase + language} ...${shared} phase=${phase} onClose=${() => this.setState({ phase: "" })} />`;
    const close = () => this.setState({ opened: "" });
    if (opened === "alerts") return html`<${Alerts} key=${language} ...${shared} version=${overview.version} onClose=${close} />`;
    if (opened === "today") return html`<${Today} key=${language} ...${shared} onClose=${close} />`;
    if (opened === "suspension")
      return html`<${Suspension} key=${language} ...${shared} suspended=${overview.suspended} onDone=${() => this.ask()} onClose=${close} />`;
    if (opened === "schedules") return html`<${Schedules} key=${language} ...${shared} onClose=${close} />`;
    return opened === "bulk" && html`<${Bulk} ...${shared} onClose=${close} />`;
  }
}

/**
 * Return the colour of a stage: no other stage has production's colour.
 * @param {string} stage
 */
function colourOf(stage) {
  if (/^prod/i.test(stage)) return "stage-prod";
  if (/^stag/i.test(stage)) return "stage-staging";
  if (stage === "dev") return "stage-dev";
  return `stage-${[...stage].reduce((sum, each) => sum + each.charCodeAt(0), 0) % 4}`;
}

render(html`<${Console} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
