// The part of htm that the page uses, for the type checker alone.

declare const htm: { bind(h: (type: any, props: any, ...children: any[]) => any): (parts: TemplateStringsArray, ...values: any[]) => any };
export default htm;
