/**
 * Draws the README's picture: the charts of a finished demo's report as one self-contained SVG.
 *
 *     npx senet demo && node tools/demo-picture.mjs runs/demo docs/pictures/demo-report.svg
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { collectReport } from "../dist/src/index.node.js";
import { classResults } from "../dist/src/report/confusion.js";
import { count, percent, short, significant } from "../dist/src/report/format.js";
import { meanOverClasses, mostLines, spreadOverClasses } from "../dist/src/report/gates.js";
import { html, raw } from "../dist/src/report/markup.js";
import { chartStyle } from "../dist/src/report/style.js";
import { lineChart } from "../dist/src/report/svg.js";

const [demo = "runs/demo", out = "docs/pictures/demo-report.svg"] = process.argv.slice(2);
const data = await collectReport({
  title: "SE-ResNet-20 on drawn scenes",
  out: join(demo, "run"),
  data: join(demo, "pictures"),
  command: "senet demo",
});

/** A cell of the grid, three in a row. */
const cell = { width: 276, height: 205, gap: 24, margin: 24, top: 78, title: 24 };
const width = 2 * cell.margin + 3 * cell.width + 2 * cell.gap;
const height = cell.top + 2 * (cell.title + cell.height) + cell.gap + cell.margin;
const leftOf = (column) => cell.margin + column * (cell.width + cell.gap);
const topOf = (row) => cell.top + row * (cell.title + cell.height + cell.gap);

function place(column, row, title, note, content) {
  const x = leftOf(column);
  const y = topOf(row);
  return html`<text class="title" x="${x}" y="${y + 12}">${title} ${note}</text>
<g transform="translate(${x} ${y + cell.title})">
${content}
</g>
`;
}

/** A picture in a page's picture has no tooltips, and its size is its own. */
function chart(options) {
  const { text } = lineChart({ description: "", width: cell.width, height: cell.height, ...options });
  return raw(
    text
      .replaceAll(/<title>.*?<\/title>/g, "")
      .replace(/<svg [^>]*>/, `<svg class="chart" width="${cell.width}" height="${cell.height}">`),
  );
}

const curve = (className, value) => ({
  name: className,
  className: `line-${className}`,
  points: data.epochs.map((row) => [row.epoch, value(row)]),
  dots: true,
});
const epochs = { label: "epoch", whole: true };

function gateChart(gate) {
  const { channels, means } = gate;
  const line = (name, className, value) => ({
    name,
    className,
    points: Array.from({ length: channels }, (_, c) => [c, value(c)]),
  });
  const mean = meanOverClasses(gate);
  return chart({
    x: { label: "channel", range: [0, channels - 1], whole: true, ticks: 5 },
    y: { label: "gate", range: [0, 1], ticks: 4 },
    series: [
      ...data.classes.slice(0, mostLines).map((name, i) => line(name, `line-${i}`, (c) => means[i * channels + c])),
      line("mean", "line-mean", (c) => mean[c]),
    ],
  });
}

/** Rows are what a picture shows, columns what the network said. */
function confusion() {
  const { classes } = data;
  const names = 66;
  const side = Math.min((cell.width - names) / classes.length, (cell.height - 8) / classes.length);
  return classResults(data).map(({ label, images }) => {
    const y = label * side;
    const cells = classes.map((_, predicted) => {
      const found = data.confusion[label * classes.length + predicted];
      const share = found / images;
      const kind = predicted === label ? "right" : "wrong";
      const x = names + predicted * side;
      const box = html`<rect x="${x + 1}" y="${y + 1}" width="${side - 2}" height="${side - 2}" rx="3"`;
      if (found === 0) return html`${box} class="none"/>`;
      const opacity = (kind === "right" ? 0.08 + 0.88 * share : 0.14 + 0.82 * share).toFixed(2);
      return html`${box} class="${kind}" opacity="${opacity}"/><text class="${share > 0.55 ? "strong" : "count"}" x="${x + side / 2}" y="${y + side / 2 + 3.5}">${count(found)}</text>`;
    });
    return html`<text class="name" x="${names - 6}" y="${y + side / 2 + 4}">${classes[label]}</text>${cells}
`;
  });
}

function legend() {
  const entry = (name, className, i) => {
    const x = (i % 2) * (cell.width / 2);
    const y = 12 + Math.floor(i / 2) * 22;
    return html`<g class="line ${className}"><path class="key" d="M${x} ${y - 4}h18"/></g><text class="entry" x="${x + 26}" y="${y}">${name}</text>
`;
  };
  const names = data.classes.slice(0, mostLines);
  const notes = [
    `First block: classes differ by ±${spread(data.gates[0])}.`,
    `Last block: by ±${spread(data.gates.at(-1))}. As in the paper, late`,
    "blocks tell the classes apart.",
  ];
  return [
    ...names.map((name, i) => entry(name, `line-${i}`, i)),
    entry("mean of all", "line-mean", names.length),
    ...notes.map(
      (note, i) => html`<text class="note" x="0" y="${cell.height - 34 + 16 * i}">${note}</text>
`,
    ),
  ];
}

const last = data.gates.at(-1);
const first = data.gates[0];
const soft = (text) => html`<tspan class="soft">${text}</tspan>`;
const bothLines = html`<tspan class="train">● training</tspan> <tspan class="validation">● validation</tspan>`;
const spread = (gate) => significant(spreadOverClasses(gate), 2);
const facts = [
  `${percent(1 - data.top1Error / 100)} of ${count(data.validationImages)} pictures right`,
  `trained on ${count(data.trainImages)} for ${data.epochs.length} epochs`,
  `${short(data.parameters)} parameters`,
].join("  ·  ");

const svg = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${data.title}: ${facts}">
<style>
${raw(chartStyle)}
text { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink) }
.head { font-size: 20px; font-weight: 650 } .facts, .soft { fill: var(--soft); font-weight: 400 } .facts { font-size: 13px }
.title { font-size: 12.5px; font-weight: 600 } .entry { font-size: 12px }
.paper { fill: var(--paper); stroke: var(--rule) }
.none { fill: var(--rule); opacity: .35 } .right { fill: var(--accent) } .wrong { fill: var(--wrong) }
.note { font-size: 12px; fill: var(--soft) } .train { fill: var(--train) } .validation { fill: var(--validation) } .train, .validation { font-weight: 400; font-size: 11px }
.count, .strong { font-size: 9.5px; text-anchor: middle } .strong { fill: var(--paper); font-weight: 600 }
.name { font-size: 11px; text-anchor: end; fill: var(--soft) } .chart .name { text-anchor: middle }
.line path { stroke-width: 1 } .line.line-mean path { stroke-width: 1.8 } .line path.key { stroke-width: 4 !important }
</style>
<rect class="paper" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="12"/>
<text class="head" x="${cell.margin}" y="36">${data.title}</text>
<text class="facts" x="${cell.margin}" y="57">${facts}</text>
${place(
  0,
  0,
  "Loss",
  bothLines,
  chart({
    x: epochs,
    y: { label: "" },
    series: [curve("train", (row) => row.trainLoss), curve("validation", (row) => row.validationLoss)],
  }),
)}${place(
  1,
  0,
  "Top-1 accuracy, %",
  bothLines,
  chart({
    x: epochs,
    y: { label: "" },
    series: [
      curve("train", (row) => 100 - row.trainTop1Error),
      curve("validation", (row) => 100 - row.validationTop1Error),
    ],
  }),
)}${place(2, 0, "Confusion matrix", soft(`of ${count(data.validationImages)} pictures`), confusion())}${place(0, 1, "Gates, first block", soft(first.block), gateChart(first))}${place(
  1,
  1,
  "Gates, last block",
  soft(last.block),
  gateChart(last),
)}${place(2, 1, "Mean gate", soft("of each channel, by class"), legend())}</svg>
`;
mkdirSync(dirname(out), { recursive: true });
writeFileSync(out, svg.text);
