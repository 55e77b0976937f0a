// Lists the streams of one phase, page by page.

import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Panel } from "./panel.js";
import { textOf } from "./signin.js";
import { Name } from "./wall.js";

const ROWS = 50;

/** @typedef {{rows: import("./api.js").Standing[], next: string | null, fault: string, isLoaded: boolean}} State */

export class Listed extends Component {
  constructor() {
    super();
    /** @type {State} */
    this.state = { rows: [], next: null, fault: "", isLoaded: false };
  }

  componentDidMount() {
    this.load();
  }

  async load() {
    const { api, phase, say } = this.props;
    const query = new URLSearchParams({ phase, limit: String(ROWS), ...(this.state.next ? { cursor: this.state.next } : {}) });
    try {
      const page = await api.get(`/v1/recordings?${query}`);
      this.setState({ rows: [...this.state.rows, ...page.recordings], next: page.next, isLoaded: true, fault: "" });
    } catch (error) {
      this.setState({ fault: textOf(error, say) });
    }
  }

  render() {
    const { phase, say, onOpen, onClose } = this.props;
    /** @type {State} */
    const { rows, next, fault, isLoaded } = this.state;
    return html`<${Panel} name="listed" title=${say("list", { phase: say(`phase_${phase}`) })} say=${say} notices=${this.props.notices} onClose=${onClose}>
      <ul class="listed">${rows.map((row) => html`<li key=${row.stream}><button onClick=${() => onOpen(row.stream)}>
        <${Name} stream=${row.stream} /> <span class="why">${marked(row.reason.text)}</span></button></li>`)}</ul>
      ${isLoaded && !rows.length && html`<p>${say("emptyList")}</p>`}
      ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
      ${next && html`<button onClick=${() => this.load()}>${say("loadMore")}</button>`}
    <//>`;
  }
}
