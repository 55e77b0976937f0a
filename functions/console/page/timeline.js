// Draws which parts of a period were live, recorded and missing, and lists them in words.

import { lasted, timeOfDay } from "./format.js";
import { html } from "./html.js";
import { marked } from "./marked.js";
import { now } from "./ticker.js";

const WIDTH = 1_000;
const LANES = /** @type {const} */ (["live", "recorded", "gaps"]);
const MAX_GAPS = 20;

/**
 * @param {{coverage: import("./api.js").Coverage, say: import("./words.js").Say, language: string}} props
 */
export function TimeLine({ coverage, say, language }) {
  const start = Date.parse(coverage.start);
  const scale = WIDTH / Math.max(Date.parse(coverage.stop) - start, 1);
  const at = (/** @type {string} */ time) => (Date.parse(time) - start) * scale;
  const clock = (/** @type {string} */ time) => timeOfDay(Date.parse(time), language, now());
  const words = coverage.due_ms
    ? say("accountText", { due: lasted(coverage.due_ms), covered: lasted(coverage.covered_ms), missing: lasted(coverage.missing_ms), latency: lasted(coverage.start_latency_ms) })
    : say("accountNone");
  const names = { live: say("live"), recorded: say("recorded"), gaps: say("gap") };
  return html`<div class="timeline">
    ${LANES.map((lane) => html`<div class="lane" key=${lane}><span class="laneName">${names[lane]}</span>
      <svg viewBox="0 0 ${WIDTH} 16" preserveAspectRatio="none" aria-hidden="true">
        <rect class="ground" width=${WIDTH} height="16" />
        ${coverage[lane].map((span) => html`<rect class=${lane} x=${at(span.start)} width=${Math.max(at(span.stop) - at(span.start), 2)} height="16" />`)}
      </svg></div>`)}
    <div class="ends"><span>${clock(coverage.start)}</span><span>${clock(coverage.stop)}</span></div>
    <p>${words}</p>
    ${coverage.gaps.length > 0 && html`<ul class="gapList">${coverage.gaps.slice(-MAX_GAPS).reverse().map((gap) => html`<li>
      ${marked(say("gapLine", { start: clock(gap.start), stop: clock(gap.stop), length: lasted(gap.ms), why: gap.reason?.text ?? "" }))}</li>`)}</ul>`}
  </div>`;
}
