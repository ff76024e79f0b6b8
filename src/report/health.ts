/** The page of a data set check, with the pictures that have faults. */

import type { CheckedPicture, DataHealth, PartHealth, Spread } from "../data/health.ts";
import { count, percent, significant } from "./format.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";

/** JPEG files in base64, by the sample's `file`. */
export type Thumbnails = ReadonlyMap<string, string>;

/** More would make the page too large to open. */
const mostGroups = 100;
/** Most pictures shown of a group of equal ones. */
const mostEqual = 6;
const mostBad = 1000;

/** The groups to show, the worst first. */
function shownCopies({ copies }: DataHealth): readonly (readonly CheckedPicture[])[] {
  const kinds = (group: readonly CheckedPicture[]) => new Set(group.map((one) => `${one.part}/${one.class}`)).size;
  return copies
    .map((group) => ({ group, wrong: kinds(group) }))
    .sort((a, b) => b.wrong - a.wrong)
    .slice(0, mostGroups)
    .map(({ group }) => group.slice(0, mostEqual));
}

/** The pictures of which `renderHealth` needs thumbnails. */
export const shownPictures = (health: DataHealth): CheckedPicture[] => [
  ...shownCopies(health).flat(),
  ...health.similar.slice(0, mostGroups).flatMap(({ val, train }) => [val, train]),
];

export function renderHealth(health: DataHealth, thumbnails: Thumbnails): string {
  const { data, parts, bad, copies, similar, remarks, faults, finished } = health;
  const sections: readonly (Markup | undefined)[] = [
    section("parts", "Pictures", html`${parts.map(partTable)}`),
    section("classes", "Classes", classTable(parts)),
    bad.length === 0 ? undefined : section("bad", "What cannot be decoded", badList(health)),
    similar.length === 0
      ? undefined
      : section("similar", "Nearly the same in val and train", similarPairs(health, thumbnails)),
    copies.length === 0 ? undefined : section("copies", "Equal pictures", equalGroups(health, thumbnails)),
  ];
  const verdict =
    faults.length === 0
      ? html`<p>${finished ? "Nothing is wrong." : "Nothing wrong was found so far."}</p>`
      : html`<ul>${faults.map((fault) => html`<li>${fault}</li>`)}</ul>`;
  const body = html`${verdict}
${finished ? undefined : html`<p class="note">The check was stopped: this is what the pictures seen so far are like.</p>`}
${remarks.map((remark) => html`<p class="note">${remark}</p>`)}
${sections}`;
  return page({ kind: "data check", title: data, body });
}

const section = (id: string, title: string, content: Markup): Markup => html`<section id="${id}">
<h2>${title}</h2>
${content}
</section>
`;

function partTable({ part, root, pictures, bad, classes, ...facts }: PartHealth): Markup {
  const rows: readonly (readonly [string, string])[] = [
    ["Folder", root],
    ["Pictures", `${count(pictures)}${bad === 0 ? "" : `, ${count(bad)} of them cannot be decoded`}`],
    ["Classes", count(classes.length)],
    ["Width", spread(facts.width)],
    ["Height", spread(facts.height)],
    ["Width by height", spread(facts.aspect)],
    ["Mean of red, green, blue", facts.mean.map((value) => value.toFixed(4)).join(", ")],
    ["Deviation", facts.deviation.map((value) => value.toFixed(4)).join(", ")],
  ];
  return html`<h3>${part}</h3>
<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
`;
}

const spread = ({ min, median, max }: Spread): string =>
  `${[min, median, max].map((value) => significant(value, 4)).join(", ")} (least, median, most)`;

function classTable(parts: readonly PartHealth[]): Markup {
  const names = parts[0]?.classes ?? [];
  return html`<div class="scroll"><table class="numbers">
<thead><tr><th>class</th>${parts.map(({ part }) => html`<th>${part}</th><th>bad</th>`)}</tr></thead>
<tbody>
${names.map(
  ({ name }, label) =>
    html`<tr><th>${name}</th>${parts.map(({ classes }) => {
      const { pictures = 0, bad = 0 } = classes[label] ?? {};
      return html`<td>${count(pictures)}</td><td>${bad === 0 ? "" : count(bad)}</td>`;
    })}</tr>\n`,
)}</tbody>
</table></div>`;
}

function badList({ bad }: DataHealth): Markup {
  const shown = bad.slice(0, mostBad);
  return html`<ul class="mistakes">
${shown.map(({ sample, reason }) => html`<li>${sample.file} <span>${reason}</span></li>\n`)}</ul>
${more(bad.length - shown.length)}`;
}

function similarPairs({ similar }: DataHealth, thumbnails: Thumbnails): Markup {
  const shown = similar.slice(0, mostGroups);
  return html`${shown.map(
    ({ val, train, likeness }) =>
      html`<h3>${percent(likeness)} alike</h3>
<ul class="samples">${[val, train].map((picture) => card(picture, thumbnails))}</ul>
`,
  )}${more(similar.length - shown.length)}`;
}

function equalGroups(health: DataHealth, thumbnails: Thumbnails): Markup {
  const shown = shownCopies(health);
  return html`${shown.map(
    (group) => html`<ul class="samples">${group.map((picture) => card(picture, thumbnails))}</ul>
<p class="note"></p>
`,
  )}${more(health.copies.length - shown.length)}`;
}

const more = (left: number): Markup | undefined =>
  left > 0 ? html`<p class="note">And ${count(left)} more.</p>` : undefined;

function card({ part, class: name, sample: { file } }: CheckedPicture, thumbnails: Thumbnails): Markup {
  const picture = thumbnails.get(file);
  const image =
    picture === undefined
      ? undefined
      : html`<img src="data:image/jpeg;base64,${picture}" alt="${file}" width="104" height="104">`;
  return html`<li>${image}<div><p><b>${name}</b> ${part}</p><p class="file">${file}</p></div></li>
`;
}
