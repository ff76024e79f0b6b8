/**
 * The frame of HTML pages. They are self-contained: styles, charts and pictures are inside, there is no script, and a
 * content security policy forbids loading anything.
 */

import { html, type Markup, raw } from "./markup.ts";
import { styleSheet } from "./style.ts";

export interface Page {
  /** Kind of page, shown above its title. */
  readonly kind: string;
  readonly title: string;
  readonly body: Markup;
}

/** The whole page; equal content gives equal text. */
export const page = ({ kind, title, body }: Page): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${raw(styleSheet)}</style>
</head>
<body>
<main>
<header>
<p>senet · ${kind}</p>
<h1>${title}</h1>
</header>
${body}</main>
</body>
</html>
`.text;
