// The part of Preact that the page uses, for the type checker alone.

export class Component {
  props: any;
  state: any;
  base: any;
  constructor(props?: any);
  setState(change: any, done?: () => void): void;
  forceUpdate(done?: () => void): void;
  render(...args: any[]): any;
  [more: string]: any;
}
export function h(type: any, props: any, ...children: any[]): any;
export function render(tree: any, into: Element): void;
