/** The report's section with the confusion matrix as a heat table, and the most common mistakes. */

import type { ReportData } from "./data.ts";
import { count, percent } from "./format.ts";
import { html, type Markup } from "./markup.ts";

/** More rows would be unreadable on a page. */
const mostClasses = 24;

export interface ClassResult {
  readonly label: number;
  readonly images: number;
  readonly right: number;
}

/** Number of pictures and of right answers for each class. */
export function classResults({ classes, confusion }: Pick<ReportData, "classes" | "confusion">): ClassResult[] {
  return classes.map((_, label) => {
    let images = 0;
    for (let j = 0; j < classes.length; j++) images += confusion[label * classes.length + j]!;
    return { label, images, right: confusion[label * classes.length + label]! };
  });
}

export interface Mistake {
  readonly label: number;
  readonly predicted: number;
  readonly images: number;
}

/** Pairs of confused classes, most common first. */
export function mistakes({ classes, confusion }: Pick<ReportData, "classes" | "confusion">): Mistake[] {
  const found: Mistake[] = [];
  for (let label = 0; label < classes.length; label++) {
    for (let predicted = 0; predicted < classes.length; predicted++) {
      const images = confusion[label * classes.length + predicted]!;
      if (predicted !== label && images > 0) found.push({ label, predicted, images });
    }
  }
  return found.sort((a, b) => b.images - a.images || a.label - b.label || a.predicted - b.predicted);
}

export function confusionMatrix(data: Pick<ReportData, "classes" | "confusion" | "measuredImages">): Markup {
  const { classes, confusion } = data;
  if (data.measuredImages === 0) return html`<p class="note">No pictures were checked.</p>`;
  const results = classResults(data);
  const shown =
    classes.length <= mostClasses
      ? results
      : [...results]
          .sort((a, b) => b.images - b.right - (a.images - a.right) || a.label - b.label)
          .slice(0, mostClasses)
          .sort((a, b) => a.label - b.label);
  const rows = shown.map(({ label, images, right }) => {
    const cells = shown.map(({ label: predicted }) => {
      const found = confusion[label * classes.length + predicted]!;
      const share = images === 0 ? 0 : found / images;
      if (found === 0) return html`<td class="none">·</td>`;
      const kind = `${predicted === label ? "right" : "wrong"}${share > 0.55 ? " strong" : ""}`;
      return html`<td class="${kind}" style="--share:${share.toFixed(3)}" title="${classes[label]!} taken for ${classes[predicted]!}: ${count(found)} of ${count(images)}">${count(found)}</td>`;
    });
    return html`<tr><th scope="row">${classes[label]!}</th>${cells}<td class="recall">${images === 0 ? "–" : percent(right / images)}</td></tr>
`;
  });
  const worst = mistakes(data).slice(0, 8);
  return html`<p class="note">A row is what the picture shows, a column what the network said; colour is the share of the row.${
    shown.length < classes.length
      ? ` Of ${count(classes.length)} classes, the ${shown.length} with the most errors are shown.`
      : undefined
  }</p>
<div class="beside"><div class="scroll" role="region" aria-label="Which class was taken for which" tabindex="0"><table class="confusion">
<caption class="hidden">Confusion matrix: counts of pictures by right class (rows) and predicted class (columns)</caption>
<thead><tr><td></td>${shown.map(({ label }) => html`<th scope="col"><span>${classes[label]!}</span></th>`)}<th scope="col" class="recall"><span>found</span></th></tr></thead>
<tbody>
${rows}</tbody></table></div>
${
  worst.length === 0
    ? html`<p>No picture was taken for another class.</p>`
    : html`<div><h3>Most often mixed up</h3><ul class="mistakes">${worst.map(
        ({ label, predicted, images }) =>
          html`<li><b>${classes[label]!}</b> taken for <b>${classes[predicted]!}</b> <span>× ${count(images)}</span></li>`,
      )}</ul></div>`
}</div>`;
}
