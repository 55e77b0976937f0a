// Shows the texts of the API, which mark commands, options and fields with backticks.

import { visible } from "./format.js";
import { html } from "./html.js";

/** What stands between two backticks. A backtick inside a name or a path belongs to the name. */
const MARK = /(^|[^\w/])`([^`]+)`(?![\w/])/u;

/**
 * Return a text as parts for a template: what it marks as code, everything else as text.
 * @param {string} text
 */
export function marked(text) {
  const parts = visible(text).split(MARK);
  return parts.map((part, at) => (at % 3 === 2 ? html`<code>${part}</code>` : part));
}
