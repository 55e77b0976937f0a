// Signs in: an API token becomes a cookie.

import { Failure } from "./api.js";
import { Component, html } from "./html.js";
import { marked } from "./marked.js";

export class SignIn extends Component {
  constructor() {
    super();
    this.state = { fault: "", isSent: false };
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    const { api, say, onIn } = this.props;
    const input = /** @type {HTMLInputElement} */ (document.getElementById("token"));
    this.setState({ isSent: true, fault: "" });
    try {
      await api.post("session", { token: input.value });
    } catch (error) {
      return this.setState({ isSent: false, fault: textOf(error, say) });
    }
    input.value = "";
    const { name } = await api.get("session");
    if (name !== null) return onIn();
    this.setState({ isSent: false, fault: say("noCookie") });
  }

  render() {
    const { say, over, onLanguage } = this.props;
    const { fault, isSent } = this.state;
    return html`<main class="signin">
      <form onSubmit=${(/** @type {SubmitEvent} */ event) => this.send(event)}>
        <h1>live-record</h1>
        <h2>${say("signInTitle")}</h2>
        ${over && html`<p class="fault" role="alert">◆ ${say("over")}</p>`}
        <p id="about">${say("signInText")}</p>
        <label for="token">${say("token")}</label>
        <input id="token" type="password" required autocomplete="off" aria-describedby="about" autofocus />
        ${fault && html`<p class="fault" role="alert">▲ ${marked(fault)}</p>`}
        <button class="main" disabled=${isSent}>${say("signIn")}</button>
      </form>
      <button class="plain" onClick=${onLanguage}>${say("language")}</button>
    </main>`;
  }
}

/**
 * Return what went wrong, and what to do about it.
 * @param {unknown} error
 * @param {import("./words.js").Say} say
 */
export function textOf(error, say) {
  if (!(error instanceof Failure)) return String(error);
  if (error.status === 0) return say("noAnswer");
  return error.hint ? `${error.message}. ${error.hint}` : error.message;
}
