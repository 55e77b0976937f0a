// Turns names, times and requests into text. Pure: no state, no document.

/** Invisible characters that change how the text after them is shown, such as RIGHT-TO-LEFT OVERRIDE. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/**
 * Return a name with the code of each invisible character in its place.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(UNSEEN, (each) => `⟨U+${each.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/**
 * Return the domain, application and name of a stream, as the API writes them: characters that would
 * be ambiguous or cannot be printed are percent-encoded.
 * @param {string} key
 */
export function namesOf(key) {
  const [domain, app, ...rest] = key.split("/");
  return { domain, app: app ?? "", stream: rest.join("/") };
}

/**
 * Return the path of a stream in the API, below `root`.
 * @param {string} key
 */
export function pathOf(key, root = "/v1/recordings") {
  const { domain, app, stream } = namesOf(key);
  return [root, ...[domain, app, stream].map(encoded)].join("/");
}

/**
 * Return a name of a key for a URL. A name with a lone surrogate is encoded already.
 * @param {string} name
 */
function encoded(name) {
  try {
    return encodeURIComponent(decodeURIComponent(name));
  } catch {
    return name;
  }
}

/**
 * Return a length of time as a clock shows it: 0:07, 12:30, 1:02:03.
 * @param {number} ms
 */
export function lasted(ms) {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, at) => (at ? String(part).padStart(2, "0") : String(part))).join(":");
}

/**
 * Return the time of day, with the date unless it is today.
 * @param {number} at
 * @param {string} language
 * @param {number} now
 */
export function timeOfDay(at, language, now) {
  const day = new Date(at).toDateString() === new Date(now).toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const how = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, day ? how : { month: "short", day: "numeric", ...how }).format(at);
}

/**
 * Return a period as text, to the minute, with the day of the week.
 * @param {string} start
 * @param {string} stop
 * @param {string} language
 */
export function stretchOf(start, stop, language) {
  /** @type {Intl.DateTimeFormatOptions} */
  const how = { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, how).formatRange(Date.parse(start), Date.parse(stop));
}

/**
 * Return bytes as people read them.
 * @param {number} bytes
 */
export function sized(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const at = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${(bytes / 2 ** (10 * at)).toFixed(at ? 1 : 0)} ${units[at]}`;
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Return the command that makes the same request. The token stays in a variable of the shell.
 * @param {string} origin
 * @param {string} path
 * @param {object} body
 */
export function curlOf(origin, path, body) {
  const data = JSON.stringify(body).replace(UNSEEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const lines = [
    `curl -X POST ${quoted(origin + path)}`,
    `-H "Authorization: Bearer $LIVE_RECORD_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(data)}`,
  ];
  return lines.join(" \\\n  ");
}

/**
 * Return a test of names by globs like those of the API: * for any text, ? for one character.
 * @param {string} pattern
 */
export function globOf(pattern) {
  const parts = pattern.split("/").map((part) => {
    const escaped = part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
    return escaped.replaceAll("*", "[^/]*").replaceAll("?", "[^/]");
  });
  return new RegExp(`^${parts.join("/")}$`, "u");
}
