/** The report's style sheet, for light and dark mode and for print. */

import { mostLines } from "./gates.ts";

/**
 * Line colours around the colour wheel at two lightnesses, so that neighbours differ in both. Readable on light and
 * dark.
 */
const lineColours = Array.from(
  { length: mostLines },
  (_, i) => `.line-${i} { --line: oklch(${i % 2 === 0 ? 0.6 : 0.74} 0.15 ${(i * 360) / mostLines + 15}) }`,
).join("\n");

/** Hovering over a class in the legend dims the others, without a script. */
const picking = Array.from(
  { length: mostLines },
  (_, i) => `section:has(.pick .line-${i}:hover) .line:not(.line-${i}) { opacity: .08 }`,
).join("\n");

export const styleSheet = `
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --card: #fff; --ink: #1d2326; --soft: #5d686e; --rule: #e3e0d8;
  --accent: #0b7285; --right: #237032; --wrong: #c92a2a; --train: #e8871e; --validation: #0b7285; --mean: #1d2326;
  --deep: #064b58; --deep-wrong: #8f1d1d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181b; --card: #1b2125; --ink: #e6e9ea; --soft: #98a4aa; --rule: #2e363b;
    --accent: #4fc3d9; --right: #69c97b; --wrong: #ff7b72; --train: #f2a84b; --validation: #4fc3d9; --mean: #fff;
    --deep: #4fc3d9; --deep-wrong: #ff7b72;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 40px 28px 64px }
header p { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: .04em }
h1 { margin: 2px 0 22px; font-size: 34px; line-height: 1.15; letter-spacing: -.015em; overflow-wrap: anywhere }
h2 { margin: 0 0 10px; font-size: 22px; letter-spacing: -.01em }
h3 { margin: 22px 0 8px; font-size: 15px; color: var(--soft); font-weight: 600 }
section { margin-top: 44px; padding-top: 22px; border-top: 1px solid var(--rule) }
p { max-width: 78ch; margin: 8px 0 }
.note, .file, figcaption span { color: var(--soft); font-size: 14px }
code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace }
pre { margin: 2px 0 0; padding: 8px 12px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
.scroll { overflow-x: auto; max-width: 100% }
a { color: var(--accent) }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 18px; font-size: 14px }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin: 0 0 20px }
.tiles div { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 11px 14px }
.tiles dt { color: var(--soft); font-size: 13px }
.tiles dd { margin: 0; font-size: 24px; font-weight: 650; letter-spacing: -.02em; line-height: 1.3; white-space: nowrap }
.tiles dd + dd { font-size: 13px; font-weight: 400; letter-spacing: 0; color: var(--soft); white-space: normal }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 3px 20px; margin: 0 0 18px; font-size: 15px }
.facts dt { color: var(--soft) }
.facts dd { margin: 0; overflow-wrap: anywhere }

figure { margin: 0; min-width: 0 }
figcaption { font-size: 14px; font-weight: 600; margin-bottom: 2px }
figcaption span { display: block; font-weight: 400 }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 20px 28px }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); gap: 16px 22px }
.chart { display: block; width: 100%; height: auto; overflow: visible }
.chart text { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums }
.grid { stroke: var(--rule); stroke-width: 1; fill: none }
.axis, .tick { stroke: var(--soft); stroke-width: 1; fill: none }
.line path { fill: none; stroke: var(--line); stroke-width: 1.3; stroke-linejoin: round; stroke-linecap: round }
.line circle { fill: var(--line) }
.line { transition: opacity .12s }
.line-train { --line: var(--train) } .line-validation { --line: var(--validation) } .line-mean { --line: var(--mean) }
.line.line-train path, .line.line-validation path { stroke-width: 2.2 }
.line.line-mean path { stroke-width: 1.8 }
${lineColours}
${picking}
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 8px 0 12px; padding: 0; font-size: 14px }
.legend li { overflow-wrap: anywhere }
.pick li { cursor: default }
.legend i { display: inline-block; width: 18px; height: 4px; border-radius: 2px; background: var(--line); margin-right: 6px; vertical-align: middle; forced-color-adjust: none }

table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums }
details { margin-top: 12px }
summary { cursor: pointer; color: var(--accent); font-size: 14px }
.numbers { margin-top: 10px }
.numbers th, .numbers td { padding: 3px 14px 3px 0; text-align: right; font-weight: 400; border-bottom: 1px solid var(--rule); white-space: nowrap }
.numbers thead th { color: var(--soft) }
.layers th:first-child, .layers th:nth-child(2), .layers td:nth-child(2), .layers td:nth-child(5) { text-align: left }
.taken { fill: var(--accent) } .kept { fill: var(--wrong) }
.confusion { margin: 12px 0 }
.confusion thead th { vertical-align: bottom; padding: 4px 0; font-weight: 500 }
.confusion thead th span { writing-mode: vertical-rl; rotate: 180deg; max-height: 12em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.confusion tbody th { text-align: right; padding-right: 10px; font-weight: 500; max-width: 16em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.confusion td { min-width: 38px; height: 32px; text-align: center; border: 2px solid var(--paper); border-radius: 5px }
.confusion thead td { border: 0 }
.confusion .none { color: var(--soft); opacity: .45 }
.confusion .right { background: color-mix(in oklab, var(--accent) calc(var(--share) * 88% + 8%), var(--paper)) }
.confusion .wrong { background: color-mix(in oklab, var(--wrong) calc(var(--share) * 82% + 14%), var(--paper)) }
.confusion .strong { color: var(--paper); font-weight: 600 }
.confusion .right.strong { background: color-mix(in oklab, var(--deep) calc(var(--share) * 40% + 60%), var(--paper)) }
.confusion .wrong.strong { background: color-mix(in oklab, var(--deep-wrong) calc(var(--share) * 40% + 60%), var(--paper)) }
.confusion .recall { padding-left: 12px; color: var(--soft); white-space: nowrap; text-align: right }
.beside { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 12px 56px }
.mistakes { margin: 6px 0 0; padding: 0; list-style: none; font-size: 15px; overflow-wrap: anywhere }
.mistakes span { color: var(--soft) }

.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(330px, 100%), 1fr)); gap: 12px; margin: 0; padding: 0; list-style: none }
.samples > li { display: flex; gap: 14px; background: var(--card); border: 1px solid var(--rule); border-left: 4px solid var(--rule); border-radius: 10px; padding: 12px; break-inside: avoid }
.samples > .right { border-left-color: var(--right) } .samples > .wrong { border-left-color: var(--wrong) }
.samples img { border-radius: 6px; object-fit: cover; flex: none }
.samples > li > span { flex: none; display: flex; flex-direction: column; gap: 4px }
.samples div { flex: 1; min-width: 0 }
.samples p { margin: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.mark { font-size: 13px; margin-left: 4px } .samples .right .mark { color: var(--right) } .samples .wrong .mark { color: var(--wrong) }
.samples ol { list-style: none; margin: 4px 0; padding: 0; font-size: 13.5px }
.samples ol li { display: flex; justify-content: space-between; gap: 8px; padding: 0 6px; margin: 2px 0; border-radius: 3px; line-height: 1.55;
  background: linear-gradient(to right, color-mix(in oklab, var(--soft) 28%, transparent) calc(var(--share) * 100%), transparent 0) }
.samples ol .truth { background: linear-gradient(to right, color-mix(in oklab, var(--right) 38%, transparent) calc(var(--share) * 100%), transparent 0) }
.samples ol span:last-child { flex: none }
.samples ol span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.samples .file { font-size: 12px }

@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #555; --rule: #ddd; --accent: #0b7285; --right: #237032; --wrong: #c92a2a; --train: #e8871e; --validation: #0b7285; --mean: #000; --deep: #064b58; --deep-wrong: #8f1d1d }
  body { font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact }
  main { padding: 0; max-width: none }
  nav { display: none }
  section { margin-top: 24px; padding-top: 14px }
  .tiles { grid-template-columns: repeat(6, 1fr); gap: 6px } .tiles div { padding: 6px 9px } .tiles dd { font-size: 16px } .tiles dd + dd, .tiles dt { font-size: 10px }
  .pair { grid-template-columns: 1fr 1fr } .multiples, .samples { grid-template-columns: repeat(3, 1fr) }
  .samples > li { padding: 7px; gap: 9px } .samples img { width: 64px; height: 64px } .samples ol { font-size: 10px } .samples .file, .mark { font-size: 9px }
  .note, figcaption, figcaption span, .legend { font-size: 11px } .confusion td { height: 24px; min-width: 28px }
  figure, tr, .confusion, .facts, .tiles div { break-inside: avoid }
  h2, h3 { break-after: avoid }
}
`;

/** The part that charts in separate files need: colours, with variants for dark mode, and rules for lines. */
export const chartStyle: string = [
  /^:root \{[\s\S]*?^\}/m.exec(styleSheet)?.[0],
  /^@media \(prefers-color-scheme: dark\) \{[\s\S]*?^\}/m.exec(styleSheet)?.[0],
  ...styleSheet.split("\n").filter((line) => /^\.(chart text|grid|axis|line)\b(?!.*transition)/.test(line)),
].join("\n");
