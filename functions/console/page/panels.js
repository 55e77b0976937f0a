// Everything that opens over the page. It is loaded once the first picture is there.

export { Alerts } from "./alerts.js";
export { Bulk } from "./bulk.js";
export { Drawer } from "./drawer.js";
export { Listed } from "./listed.js";
export { Schedules } from "./schedules.js";
export { Suspension } from "./suspension.js";
export { Today } from "./today.js";
