/** `senet explain`: shows what in a picture speaks for the answer, and which gates it opens. */

import type { Command } from "commander";
import { Network } from "../../api/network.node.ts";
import type { Dataset } from "../../data/dataset.ts";
import { nameIn } from "../../data/sample-name.node.ts";
import { SenetError } from "../../errors.ts";
import { selectExecutor } from "../../executors/select.node.ts";
import { type ComparedGates, comparedGates, type UnusualGate } from "../../explain/compared-gates.ts";
import { type ExplainMethod, type Explanation, explainMethods } from "../../explain/explainer.ts";
import type { GateAtlas } from "../../explain/gates.ts";
import { type Heat, overlaid } from "../../explain/heat.ts";
import { replaceFile } from "../../files/replace.node.ts";
import { encodePng } from "../../images/decode.node.ts";
import { sheetOf } from "../../images/sheet.ts";
import { packagedName } from "../../pull/packaged.node.ts";
import { type ExplainedPicture, openerSide, renderExplanations, shownOpeners } from "../../report/explanations.ts";
import { thumbnailsOf } from "../../report/thumbnails.node.ts";
import {
  choiceOption,
  count,
  type EngineFlags,
  executorOption,
  jsonOption,
  precisionOption,
  stateOption,
  threadsOption,
} from "../options.ts";
import { checkKeeps, checkOutFile } from "../out-file.ts";
import { print, printJson, say } from "../output.ts";
import {
  PictureReader,
  type PicturesOptions,
  picturesAndNetwork,
  printClassification,
  unlessUnreadable,
} from "../pictures.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";

interface ExplainCommandOptions extends PicturesOptions, EngineFlags {
  readonly method: ExplainMethod;
  readonly stage?: number;
  readonly class?: string;
  readonly steps?: number;
  readonly patch?: number;
  readonly stride?: number;
  readonly out?: string;
  readonly data?: string;
  readonly top: number;
  readonly json?: true;
}

export function explainCommand(program: Command): void {
  const command = program
    .command("explain")
    .description("explain answers: which parts of pictures and which gates led to them")
    .argument("<picture...>", "as for senet classify")
    .option("--weights <file>", `as for senet classify; default: ${packagedName}`)
    .addOption(stateOption())
    .option("--out <file>", "a sheet (.png): each picture, plain and with its map; or a page (.html)")
    .addOption(choiceOption("--method <name>", "how the map is made", explainMethods).default(explainMethods[0]))
    .option("--class <name>", "explain this class (name or index); default: the predicted one")
    .option("--stage <n>", "grad-cam: after which stage; default: the last", count)
    .option("--steps <n>", "integrated-gradients: number of steps; default: 32", count)
    .option("--patch <pixels>", "occlusion: side of the covered square; default: a fifth of the input's", count)
    .option("--stride <pixels>", "occlusion: how far it moves; default: a third of its side", count)
    .option(
      "--data <path>",
      "pictures of the classes, as for senet evaluate: which channels the picture opens and closes unlike them",
    )
    .option("--top <k>", "predictions per picture", count, 3)
    .option("--no-recursive", "take only the pictures directly in a folder, not in its subfolders")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(threadsOption())
    .addOption(jsonOption())
    .addOption(labelsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet explain dog.jpg --out explained.png\n" +
        "  senet explain holiday/ --weights runs/first/best.safetensors --data pictures/train --out explained.html\n" +
        "  senet explain dog.jpg --class 'English springer' --method occlusion --json\n\n" +
        "Grad-CAM is arXiv 1610.02391, integrated gradients 1703.01365, occlusion 1311.2901.",
    )
    .action(explainPictures);
  for (const option of preprocessingOptions()) command.addOption(option);
}

/** All pictures stay in memory until the sheet is drawn, hence a limit. */
const mostPictures = 256;

interface Explained {
  readonly explanation: Explanation;
  readonly gates: readonly ComparedGates[];
}

async function explainPictures(names: readonly string[], options: ExplainCommandOptions): Promise<void> {
  const { out, data, json, top, class: target, method, stage, steps, patch, stride, threads } = options;
  if (out === undefined && json === undefined && data === undefined) {
    throw new SenetError("usage", "nothing says where the explanation goes", {
      expected: "--out FILE.png, --out FILE.html or --json",
    });
  }
  const isPage = out !== undefined && checkOutFile(out, [".png", ".html"], "explained") === ".html";
  const { pictures, checkpoint } = await picturesAndNetwork(names, options);
  const files = pictures.flatMap((picture) => (picture.from === "file" ? [picture.name] : []));
  if (out !== undefined) checkKeeps(out, [...files, ...checkpoint.read], "another --out");
  if (pictures.length > mostPictures) {
    throw new SenetError("usage", "these are too many pictures for one explanation", {
      expected: `at most ${mostPictures}`,
      found: `${pictures.length}`,
    });
  }
  const { executor, reason } = await selectExecutor({ name: options.executor, precision: options.precision, say });
  if (options.precision === "auto") say(`${checkpoint.model.name} on executor ${executor.name}: ${reason}`);
  await using network = new Network(checkpoint, executor, { threads });
  // Computed after the first explanation, which rejects unsuitable options: going through the data takes long.
  let against: { readonly atlas: GateAtlas; readonly dataset: Dataset } | undefined;
  const reader = new PictureReader();
  const explained: Explained[] = [];
  try {
    for (const named of pictures) {
      const result = await unlessUnreadable(async () => {
        const picture = await reader.open(named);
        const explanation = await network.explain(picture, { target, top, method, stage, steps, patch, stride });
        return { explanation, gates: data === undefined ? [] : await network.gatesOf(picture) };
      });
      if (result === undefined) continue;
      against ??= data === undefined ? undefined : await network.gateAtlas(data);
      const { explanation, gates } = result;
      const compared = against === undefined ? [] : comparedGates(gates, against.atlas, explanation.target.index);
      const one = { explanation, gates: compared };
      explained.push(one);
      if (json !== true) printExplanation(one, against?.dataset);
    }
  } finally {
    await reader.close();
  }
  if (json === true)
    printJson(
      explained.map((one) => jsonOf(one, against?.dataset)),
      2,
    );
  if (out === undefined || explained.length === 0) return;
  const title = `${checkpoint.model.name}, ${method}`;
  await replaceFile(
    out,
    [await (isPage ? pageOf(title, explained, against?.dataset) : sheet(explained))],
    "another --out",
  );
  say(`${explained.length} ${explained.length === 1 ? "picture" : "pictures"}: ${out}`);
}

/** The picture as the network sees it, and the same picture with the map over it. */
const stripOf = ({ explanation: { input, heat } }: Explained) => [input, overlaid(input, heat)];

const sheet = (explained: readonly Explained[]): Promise<Uint8Array> => encodePng(sheetOf(explained.map(stripOf)));

async function pageOf(title: string, explained: readonly Explained[], dataset: Dataset | undefined): Promise<string> {
  const samples = dataset?.samples ?? [];
  const openers = new Set(explained.flatMap(({ gates }) => shownOpeners(gates)));
  const thumbnails = await thumbnailsOf(
    [...openers].map((sample) => samples[sample]!),
    2 * openerSide,
  );
  const pictures: ExplainedPicture[] = [];
  for (const one of explained) {
    const strip = Buffer.from(await encodePng(sheetOf([stripOf(one)]))).toString("base64");
    pictures.push({ explanation: one.explanation, strip, gates: one.gates });
  }
  return renderExplanations({ title, pictures, files: samples.map(({ file }) => file), thumbnails });
}

function printExplanation({ explanation, gates }: Explained, dataset: Dataset | undefined): void {
  const { target, heat } = explanation;
  printClassification(explanation);
  print(`  for ${target.label} speaks ${whatSpeaks(heat)}`);
  if (dataset === undefined) return;
  for (const { block, opened, closed } of gates) {
    const told = (unusual: readonly UnusualGate[]) =>
      unusual.map(({ channel, gate, mean }) => `${channel} (${gate.toFixed(2)}, mean ${mean.toFixed(2)})`).join(", ") ||
      "none";
    print(`  ${block}: opens ${told(opened)}; closes ${told(closed)}`);
  }
}

/** Where the map is brightest, in words; a map can also speak against the class everywhere. */
function whatSpeaks({ width, height, values }: Heat): string {
  const at = values.indexOf(values.reduce((a, b) => Math.max(a, b)));
  if (!(values[at]! > 0)) return "nothing";
  const third = (place: number, size: number) => Math.min(2, Math.floor((3 * (place + 0.5)) / size));
  const column = ["left", "in the middle", "right"][third(at % width, width)]!;
  const row = ["above", "half way down", "below"][third(Math.floor(at / width), height)]!;
  return `most what is ${column}, ${row}`;
}

const rounded = (value: number): number => Number(value.toPrecision(6));

/** The explanations as JSON: the maps' values, with pictures as their names. */
function jsonOf({ explanation, gates }: Explained, dataset: Dataset | undefined): unknown {
  const { heat, input: _, ...rest } = explanation;
  const { width, height, values } = heat;
  const unusualOf = ({ openers, ...gate }: UnusualGate) => ({
    ...gate,
    openers: openers.map((sample) => nameIn(dataset!, dataset!.samples[sample]!.file)),
  });
  return {
    ...rest,
    heat: { width, height, values: Array.from(values, rounded) },
    ...(dataset !== undefined && {
      gates: gates.map(({ opened, closed, gates: answers, means, ...place }) => ({
        ...place,
        gates: Array.from(answers, rounded),
        means: Array.from(means, (mean) => (Number.isNaN(mean) ? null : rounded(mean))),
        opened: opened.map(unusualOf),
        closed: closed.map(unusualOf),
      })),
    }),
  };
}
