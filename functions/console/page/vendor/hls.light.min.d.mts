// The part of hls.js that the page uses, for the type checker alone.

declare const Hls: any;
export default Hls;
