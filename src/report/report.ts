/** The report of a run as one HTML page. */

import { dusted } from "../text-output.ts";
import { confusionMatrix } from "./confusion.ts";
import { curves } from "./curves.ts";
import type { ReportData } from "./data.ts";
import { count, duration, percent, short } from "./format.ts";
import { gateFigures } from "./gates.ts";
import { html, type Markup } from "./markup.ts";
import { page } from "./page.ts";
import { sampleGroups } from "./samples.ts";

export type { ReportData, ReportEpoch, ReportGate, ReportSample, ReportSampleGroup } from "./data.ts";

interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: (data: ReportData) => Markup;
}

/** The sections of the page, in order. */
const sections: readonly Section[] = [
  { id: "curves", title: "How training went", content: curves },
  { id: "confusion", title: "Which class was taken for which", content: confusionMatrix },
  { id: "samples", title: "Pictures and answers", content: sampleGroups },
  { id: "gates", title: "Gates by class", content: gateFigures },
  { id: "configuration", title: "Configuration", content: configuration },
];

/** The whole page; equal data give equal text. */
export function renderReport(data: ReportData): string {
  const body = html`${summary(data)}
<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>
${sections.map(
  ({ id, title, content }) => html`<section id="${id}">
<h2>${title}</h2>
${content(data)}
</section>
`,
)}`;
  return page({ kind: "training report", title: data.title, body });
}

type Tile = readonly [name: string, value: string, detail: string];

/** A tile for an error in percent. */
const accuracy = (name: string, error: number): Tile => [
  `${name} accuracy`,
  percent(1 - error / 100, 2),
  `error ${percent(error / 100, 2)}`,
];

const pictures = ({ trainImages, validationImages }: ReportData): readonly Tile[] =>
  trainImages === null || validationImages === null
    ? []
    : [["Pictures", count(trainImages), `and ${count(validationImages)} for validation`]];

function summary(data: ReportData): Markup {
  const tiles: readonly Tile[] = [
    accuracy("Top-1", data.top1Error),
    ...(data.top5Error === null ? [] : [accuracy("Top-5", data.top5Error)]),
    ["Training time", duration(data.seconds), `${data.epochs.length} epochs`],
    ["Parameters", short(data.parameters), count(data.parameters)],
    ["Multiply-adds", short(data.multiplyAdds), "for one picture"],
    ...pictures(data),
  ];
  const facts = [
    { name: "Model", value: data.model },
    { name: "Classes", value: count(data.classes.length) },
    { name: "Executor", value: data.executor },
    { name: "Seed", value: String(data.seed) },
    ...data.facts,
  ];
  return html`<dl class="tiles">
${tiles.map(([name, value, detail]) => html`<div><dt>${name}</dt><dd>${value}</dd><dd>${detail}</dd></div>\n`)}</dl>
<dl class="facts">${facts.map(({ name, value }) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}${
    data.command === undefined ? undefined : html`<dt>Command</dt><dd><pre>${data.command}</pre></dd>`
  }</dl>${data.remarks.map((remark) => html`\n<p class="note">${remark}</p>`)}`;
}

const withoutDust = (_: string, value: unknown): unknown => (typeof value === "number" ? dusted(value) : value);

function configuration({ configuration: config }: ReportData): Markup {
  const show = (value: unknown): string =>
    typeof value === "string" ? value : (JSON.stringify(value, withoutDust) ?? "–");
  return html`<dl class="facts">${Object.entries(config).map(
    ([name, value]) => html`<dt><code>${name}</code></dt><dd>${show(value)}</dd>\n`,
  )}</dl>`;
}
