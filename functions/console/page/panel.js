// A panel over the page. It takes the focus, gives the focus back, and closes with Escape.

import { Component, html } from "./html.js";

export class Panel extends Component {
  componentDidMount() {
    /** @type {HTMLDialogElement} */ (this.base).showModal();
  }

  render() {
    const { title, name, say, notices, onClose, children } = this.props;
    const close = (/** @type {Event} */ event) => {
      if (event.target === event.currentTarget) onClose();
    };
    return html`<dialog aria-labelledby=${name} onClose=${onClose} onClick=${close}>
      ${notices}
      <div class="panel">
        <header><h2 id=${name}>${title}</h2><button class="plain close" onClick=${onClose} aria-label=${say("close")}>✕</button></header>
        ${children}
      </div>
    </dialog>`;
  }
}
