/** Uses parts of the reports in the page. Their text is escaped, so class names cannot inject markup. */

import type { Markup } from "#senet/report/markup.ts";

export const Part = ({ of, tag: Tag = "div" }: { readonly of: Markup; readonly tag?: "div" | "figure" }) => (
  <Tag dangerouslySetInnerHTML={{ __html: of.text }} />
);
