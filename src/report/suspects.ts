/** The page of probable label errors, with the pictures. */

import { count, percent } from "./format.ts";
import type { Thumbnails } from "./health.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";

/** A suspect as found by `labelSuspects`. */
export interface ReportSuspect {
  readonly sample: { readonly file: string };
  readonly label: string;
  readonly guess: string;
  readonly probability: number;
  readonly margin: number;
}

export interface ReportSuspects {
  readonly part: string;
  readonly pictures: number;
  readonly suspects: readonly ReportSuspect[];
  readonly noise: number;
  readonly confusions: readonly { readonly label: string; readonly guess: string; readonly count: number }[];
  readonly finished: boolean;
}

/** Most suspects per part; more would make the page too large to open. */
const mostShown = 300;
const mostConfusions = 20;

/** The pictures of which `renderSuspects` needs thumbnails. */
export const shownSuspects = <T extends ReportSuspect>(parts: readonly { readonly suspects: readonly T[] }[]): T[] =>
  parts.flatMap(({ suspects }) => suspects.slice(0, mostShown));

export function renderSuspects(data: string, parts: readonly ReportSuspects[], thumbnails: Thumbnails): string {
  const body = html`<p>A label is suspect where the network is as sure of another class as it usually is of pictures with
that label (confident learning, arXiv 1911.00068). The most suspect come first.</p>
${parts.map((part) => section(part, thumbnails))}`;
  return page({ kind: "probable label errors", title: data, body });
}

function section({ part, pictures, suspects, noise, confusions, finished }: ReportSuspects, thumbnails: Thumbnails) {
  const shown = suspects.slice(0, mostShown);
  return html`<section id="${part}">
<h2>${part}</h2>
<p>${count(suspects.length)} of ${count(pictures)} labels are suspect; about ${percent(noise)} of the labels are wrong, by the
paper's estimate.</p>
${finished ? undefined : html`<p class="note">It was stopped: these are of the pictures seen so far.</p>`}
<ul class="mistakes">
${confusions
  .slice(0, mostConfusions)
  .map(
    ({ label, guess, count: times }) => html`<li>${label} <span>is</span> ${guess} <span>${times} times</span></li>\n`,
  )}</ul>
<ul class="samples">
${shown.map((suspect) => card(suspect, thumbnails))}</ul>
${suspects.length > mostShown ? html`<p class="note">And ${count(suspects.length - mostShown)} more.</p>` : undefined}
</section>
`;
}

function card({ sample: { file }, label, guess, probability, margin }: ReportSuspect, thumbnails: Thumbnails): Markup {
  const picture = thumbnails.get(file);
  const image =
    picture === undefined
      ? undefined
      : html`<img src="data:image/jpeg;base64,${picture}" alt="${file}: labelled ${label}, probably ${guess}" width="104" height="104">`;
  return html`<li class="wrong">${image}<div><p><b>${label}</b></p><p>probably <b>${guess}</b></p>
<p class="note">${percent(probability)} for its label, margin ${margin.toFixed(3)}</p><p class="file">${file}</p></div></li>
`;
}
