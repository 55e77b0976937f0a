// The wall: streams that are being lost come first, the longest first, each with its counter.

import { namesOf, visible } from "./format.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";
import { Ticking } from "./ticker.js";

/**
 * Shows a stream's name; characters that change the direction of text act only within the name.
 * @param {{stream: string}} props
 */
export function Name({ stream }) {
  const names = namesOf(stream);
  return html`<span class="name"><bdi class="where">${visible(`${names.domain}/${names.app}/`)}</bdi><wbr /><bdi class="own">${visible(names.stream)}</bdi></span>`;
}

export class Wall extends Component {
  /** @param {{overview: import("./api.js").Overview, say: import("./words.js").Say}} next */
  shouldComponentUpdate(next) {
    return next.overview !== this.props.overview || next.say !== this.props.say;
  }

  render() {
    const { overview, say, onOpen } = this.props;
    if (!overview.rows.length && !overview.more) return null;
    return html`<section class="wall"><h2>${say("streams")}</h2>
      <ul>${overview.rows.map((/** @type {import("./api.js").Row} */ row) => html`<li key=${row.stream}>
        <button class="row ${row.severity}" onClick=${() => onOpen(row.stream)}>
          <span class="sign" aria-hidden="true">${row.severity === "critical" ? "▲" : "◆"}</span>
          <span class="word">${say(row.lost_since ? row.severity : row.unreadable ? "critical" : `phase_${row.phase}`)}</span>
          <${Name} stream=${row.stream} />
          <span class="why">${marked(row.unreadable ? say("unreadable") : row.reason?.text ?? "")}</span>
          ${row.lost_since && html`<span class="lost"><span>${say("lostFor")}</span> <${Ticking} since=${row.lost_since} /></span>`}
        </button></li>`)}</ul>
      ${overview.more > 0 && html`<p class="more">${say("more", { count: overview.more })}</p>`}
    </section>`;
  }
}
