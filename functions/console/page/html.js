// Binds the templates to Preact. Every other module imports both from here.

import { Component, h, render } from "./vendor/preact.module.js";
import htm from "./vendor/htm.module.js";

export const html = htm.bind(h);
export { Component, render };
