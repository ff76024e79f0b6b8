/** Parts of the reports, in the page: text that cannot be broken into, whatever the classes are called. */

import type { Markup } from "#senet/report/markup.ts";

export const Part = ({ of, tag: Tag = "div" }: { readonly of: Markup; readonly tag?: "div" | "figure" }) => (
  <Tag dangerouslySetInnerHTML={{ __html: of.text }} />
);
