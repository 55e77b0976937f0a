// Plays a recorded file. A player's code is loaded only when one opens.

import { Component, html } from "./html.js";

export class Player extends Component {
  constructor() {
    super();
    this.state = { fault: "" };
    /** @type {{destroy(): void} | null} */
    this.engine = null;
  }

  componentDidMount() {
    this.open();
  }

  componentWillUnmount() {
    this.engine?.destroy();
  }

  async open() {
    const { url } = this.props;
    const video = /** @type {HTMLVideoElement} */ (this.base.querySelector("video"));
    const kind = new URL(url, location.href).pathname.split(".").pop()?.toLowerCase();
    video.addEventListener("error", () => this.fail(video.error?.message ?? ""));
    try {
      if (kind === "flv") await this.openFlv(url, video);
      else if (kind === "m3u8") await this.openHls(url, video);
      else video.src = url;
      await video.play();
    } catch (error) {
      // A browser that does not play automatically shows its own button.
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") this.fail(String(error));
    }
  }

  /**
   * @param {string} url
   * @param {HTMLVideoElement} video
   */
  async openFlv(url, video) {
    const mpegts = await loadMpegts();
    const player = mpegts.createPlayer({ type: "flv", url, isLive: false, cors: true }, { enableWorker: false });
    player.on("error", (/** @type {string} */ kind, /** @type {string} */ detail) => this.fail(`${kind} ${detail}`));
    this.engine = player;
    player.attachMediaElement(video);
    player.load();
  }

  /**
   * Play a playlist with hls.js; where hls.js cannot run, as on an iPhone, with the browser itself. A
   * browser may claim to play playlists, and fail at the first segment.
   * @param {string} url
   * @param {HTMLVideoElement} video
   */
  async openHls(url, video) {
    const { default: Hls } = await import("./vendor/hls.light.min.mjs");
    if (!Hls.isSupported()) {
      video.src = url;
      return;
    }
    const hls = new Hls({ enableWorker: false });
    hls.on("hlsError", (/** @type {string} */ _event, /** @type {{fatal: boolean, details: string}} */ data) => data.fatal && this.fail(data.details));
    this.engine = hls;
    hls.loadSource(url);
    hls.attachMedia(video);
  }

  /** @param {string} fault */
  fail(fault) {
    this.setState({ fault });
  }

  render() {
    const { say, name } = this.props;
    return html`<div class="player"><video controls playsinline aria-label="${say("player")}: ${name}"></video>
      ${this.state.fault && html`<p class="fault" role="alert">▲ ${say("playFailed", { why: this.state.fault })}</p>`}</div>`;
  }
}

/** @type {Promise<any> | undefined} */
let loading;

/** Load mpegts.js, which is no module: it defines a global name. */
function loadMpegts() {
  loading ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = "vendor/mpegts.js";
    script.onload = () => done(/** @type {any} */ (window).mpegts);
    script.onerror = () => fail(new Error("vendor/mpegts.js"));
    document.head.append(script);
  });
  return loading;
}
