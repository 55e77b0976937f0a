// All panels. They are loaded after the first overview is shown.

export { Alerts } from "./alerts.js";
export { Bulk } from "./bulk.js";
export { Drawer } from "./drawer.js";
export { Listed } from "./listed.js";
export { Schedules } from "./schedules.js";
export { Suspension } from "./suspension.js";
export { Today } from "./today.js";
