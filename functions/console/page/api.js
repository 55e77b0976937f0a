// Calls the stage. The session is a cookie that no script can read; each change carries our header.

/**
 * @typedef {{code: string, text: string}} Reason
 * @typedef {{stream: string, severity: string, phase?: string, since?: string, lost_since?: string,
 *   reason?: Reason, live?: string, next_attempt_at?: string, until?: string, unreadable?: boolean}} Row
 * @typedef {{code: string, text: string, fix: string, stops_commands: boolean}} Problem
 * @typedef {{name: string, scopes: string[], streams: string[]}} Caller
 * @typedef {{critical: number, warning: number, recording: number, waiting: number, idle: number}} Counts
 * @typedef {{version: string, at: string, stage: string, mode: string, caller: Caller, severities: Counts,
 *   complete: boolean, rows: Row[], more: number, problems: Problem[],
 *   suspended: {until: string, who: string, note: string} | null,
 *   alerts: {open: number, unacknowledged: number} | null, queue: {due: number, oldest_at: string | null},
 *   reconciled_at: string | null, heartbeat_at: string | null}} Overview
 * @typedef {{stream: string, wanted: boolean, phase: string, since: string | null, confirmed_at: string | null,
 *   live: string, wrong: {since: string, lost_ms: number, reason: Reason} | null, until: string | null,
 *   next_attempt_at: string | null, reason: Reason, outcome?: string,
 *   schedules?: {schedule: string, begun: boolean, barred: boolean, starts_at: string, ends_at: string}[],
 *   intent?: {note: string, who: string, requester: string}}} Standing
 * @typedef {{start: string, stop: string, ms: number, reason?: Reason}} Span
 * @typedef {{start: string, stop: string, due_ms: number, covered_ms: number, missing_ms: number, start_latency_ms: number,
 *   ratio: number | null, live: Span[], recorded: Span[], gaps: Span[]}} Coverage
 * @typedef {{uri: string, start: string | null, stop: string | null, duration: number | null, url: string | null,
 *   size?: number | null, why_no_url?: string | null,
 *   verified: {outcome: string, text: string, findings: {text: string}[]} | null, copy: Copy | null}} File
 * @typedef {{state: "delivering" | "delivered" | "failed", target: string, copied: number, size: number | null, why: string}} Copy
 * @typedef {{id: string, severity: string, subject: string, name: string, text: string, fix: string, since: string,
 *   acknowledged_at: string | null, acknowledged_by: string | null, note: string}} Alert
 * @typedef {{at: string, last_at: string, count: number, code: string, text: string,
 *   about: Record<string, string | number>}} HistoryLine
 */

/** How long an answer may take before the stage counts as not answering. */
const TIMEOUT_MS = 4_000;
const ACTION_TIMEOUT_MS = 15_000;

/** The stage refused, or did not answer. Without an answer, `status` is 0. */
export class Failure extends Error {
  /**
   * @param {number} status
   * @param {string} detail
   * @param {string} [hint]
   */
  constructor(status, detail, hint = "") {
    super(detail);
    this.status = status;
    this.hint = hint;
  }
}

export class Api {
  /** @param {string} language */
  constructor(language) {
    this.language = language;
  }

  /**
   * Return the overview; null if its version is still `tag`.
   * @param {string} tag
   * @returns {Promise<{overview: Overview, tag: string} | null>}
   */
  async overview(tag) {
    const response = await this.send("GET", "/v1/overview", undefined, tag ? { "If-None-Match": tag } : {});
    if (response.status === 304) return null;
    return { overview: await response.json(), tag: response.headers.get("ETag") ?? "" };
  }

  /**
   * @template T
   * @param {string} path
   * @returns {Promise<T>}
   */
  async get(path) {
    return (await this.send("GET", path)).json();
  }

  /**
   * @template T
   * @param {string} path
   * @param {object} body
   * @param {Record<string, string>} [headers]
   * @returns {Promise<T>}
   */
  async post(path, body, headers = {}) {
    return (await this.send("POST", path, body, headers)).json();
  }

  async signOut() {
    await this.send("DELETE", "session");
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @param {Record<string, string>} [headers]
   */
  async send(method, path, body, headers = {}) {
    const isChange = method !== "GET";
    /** @type {Response} */
    let response;
    try {
      response = await fetch(path, {
        method,
        headers: {
          "Accept-Language": this.language,
          ...(isChange ? { "X-Live-Record-Console": "1", "Content-Type": "application/json" } : {}),
          ...headers,
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
        signal: AbortSignal.timeout(isChange ? ACTION_TIMEOUT_MS : TIMEOUT_MS),
      });
    } catch (error) {
      throw new Failure(0, String(error));
    }
    if (response.ok || response.status === 304) return response;
    throw await failureOf(response);
  }
}

/** @param {Response} response */
async function failureOf(response) {
  try {
    const { detail, hint } = await response.json();
    return new Failure(response.status, detail ?? response.statusText, hint ?? "");
  } catch {
    return new Failure(response.status, response.statusText);
  }
}
