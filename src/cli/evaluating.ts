/** Evaluation at the terminal: a live line while it runs, then rows for people and for programs. */

import type { HeldBack } from "../data/hold-out.ts";
import type { Journal } from "../evaluate/journal.node.ts";
import { openPictures } from "../evaluate/labelled.node.ts";
import { type Measurement, measure } from "../evaluate/measure.node.ts";
import { topFive } from "../evaluate/metrics.ts";
import { csv, errorsByClass } from "../evaluate/per-class.ts";
import { type SelectOptions, selectExecutor } from "../executors/select.node.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import { shownResize } from "../images/preprocessing-facts.ts";
import type { Views } from "../images/views.ts";
import { type ClassOrder, classOrderOf } from "../import/imagenet-classes.ts";
import { evaluatedNetwork } from "../report/evaluation.node.ts";
import type { EvaluatedNetwork } from "../report/evaluation.ts";
import type { StoredQuantization } from "../weights/checkpoint.ts";
import type { Published } from "../zoo/family.ts";
import { zoo } from "../zoo/index.ts";
import { FailureReport, requireSound } from "./failures.ts";
import { clock, grouped, type LiveLine, table } from "./output.ts";
import { networkName, type WeightsOptions, weightsOf } from "./weights.ts";

/** Which pictures to measure on, and how they are shown to the networks. */
export interface Protocol {
  readonly data: string;
  readonly list: string | undefined;
  /** The order of ImageNet's classes in the list; undefined: worked out from the pictures' names. */
  readonly listOrder: ClassOrder | undefined;
  readonly allowMissing: boolean;
  /** The part of the pictures that training kept back. */
  readonly held: HeldBack | undefined;
  /** Whether to decode every picture first. */
  readonly check?: boolean;
  readonly views: Views;
  readonly opening: WeightsOptions;
  /** Whether to collect what a report page needs, with the worst mistakes. */
  readonly isShown?: boolean;
}

export interface Engine {
  /** The requested executor and precision; the network decides what is left open. */
  readonly choice: Pick<SelectOptions, "name" | "precision">;
  readonly batchSize: number;
  readonly threads: number | undefined;
  readonly workers: number | undefined;
}

/** The result for one network. */
export interface Row {
  /** The value of `--weights`. */
  readonly weights: string;
  readonly model: string;
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly views: Views;
  /** How many listed pictures were missing. */
  readonly missing: number;
  /** The authors' figures for the weights that they released. */
  readonly published: Published | undefined;
  readonly measured: Measurement;
  /** For the report page, if there is one. */
  readonly page?: EvaluatedNetwork | undefined;
  /** Set for a network in eight bits. */
  readonly quantization?: StoredQuantization | undefined;
  /** Weights of its float32 source, if that was measured too. */
  readonly source?: string;
}

/** Measures one network, given by files or name, with progress on the live line. */
export async function evaluateOne(
  files: readonly string[],
  protocol: Protocol,
  engine: Engine,
  line: LiveLine,
  signal: AbortSignal,
  journal?: Journal,
): Promise<Row> {
  const weights = networkName(files);
  const opened = await weightsOf(files, protocol.opening);
  const { model, preprocessing, quantization } = opened;
  const { choice, ...running } = engine;
  const { executor, reason } = await selectExecutor({
    ...choice,
    inEightBits: quantization !== undefined,
    say: (text) => line.print(text),
  });
  const { views } = protocol;
  const dataset = openPictures({ ...protocol, areNamed: protocol.opening.labels !== undefined }, opened.labels);
  const { classes: labels } = dataset;
  const { missing, remarks = [] } = dataset;
  const total = grouped(dataset.samples.length);
  line.print(`${weights}: ${model.name} on executor ${executor.name}: ${reason}`);
  line.print(`${total} pictures, ${shown({ preprocessing, views })}`);
  line.print(`pictures as ${opened.told}`);
  for (const remark of remarks) line.print(remark);
  if (protocol.check === true) await requireSound([dataset], engine.workers, line, signal);
  const left = new FailureReport((text) => line.print(text));
  const checkpoint = { ...opened, labels };
  const measured = await measure({
    ...running,
    executor,
    checkpoint,
    dataset,
    views,
    // A list may have only one picture per class.
    tolerant: protocol.list !== undefined,
    ...(journal !== undefined && { journal: { file: journal, name: weights } }),
    signal,
    onFailure: (failure) => left.met(failure),
    onProgress: ({ done, imagesPerSecond, secondsLeft }) =>
      line.show(
        () =>
          // The name comes last: it may be long, and a terminal cuts off the end.
          `${grouped(done)} of ${total}, ${clock(secondsLeft)} left, ${imagesPerSecond.toFixed(1)} images/s: ${weights}`,
      ),
  });
  left.summary(measured.failures.length);
  const published = classOrderOf(labels) === undefined ? undefined : zoo.get(model.name)?.published;
  const shownOn = protocol.isShown === true && measured.images > 0;
  const page = shownOn ? await evaluatedNetwork({ weights, checkpoint, dataset, measured, executor }) : undefined;
  return { weights, model: model.name, labels, preprocessing, views, missing, published, measured, page, quantization };
}

const viewWords: Readonly<Record<Views, string>> = {
  centre: "centre crop",
  mirror: "centre crop and its mirror image",
  "ten-crop": "ten crops",
};

const shown = ({ preprocessing: { resize, crop }, views }: Pick<Row, "preprocessing" | "views">): string =>
  `${viewWords[views]} of ${crop} from ${shownResize(resize)}`;

const percent = (value: number): string => `${value.toFixed(2)} %`;

/** `senet-154: 10,000 of 50,000 pictures, top-1 error 18.70 %, top-5 error 4.50 %` */
export function summary({ weights, measured: { images, top1Error, top5Error } }: Row): string {
  const errors =
    images === 0
      ? ""
      : `, top-1 error ${percent(top1Error)}${topFive(top5Error, (error) => `, top-5 error ${percent(error)}`)}`;
  return `${weights}: ${grouped(images)} pictures${errors}`;
}

/** A table as in the original repository: published and measured errors, and the cost of eight bits. */
export function tableOf(rows: readonly Row[]): string {
  const losses = rows.flatMap((row) => {
    const source = rows.find(({ weights }) => weights === row.source);
    if (source === undefined) return [];
    const loss = row.measured.top1Error - source.measured.top1Error;
    return [
      `${row.weights}: ${Math.abs(loss).toFixed(2)} points of top-1 error ${loss < 0 ? "less" : "more"} than ${source.weights}`,
    ];
  });
  const text = [rowsOf(rows), ...losses].join("\n");
  const differs = rows.some((row) => row.published !== undefined && !isAsPublished(row));
  return differs ? `${text}\n\n${publishedProtocol}` : text;
}

function rowsOf(rows: readonly Row[]): string {
  const isPublished = rows.some(({ published }) => published !== undefined);
  const beside = (text: string) => (isPublished ? [text] : []);
  const isTopFive = rows.some(({ measured }) => measured.top5Error !== null);
  return table(
    [
      ...["weights", "model", "pictures", "views", "top-1 error", ...beside("published")],
      ...(isTopFive ? ["top-5 error", ...beside("published")] : []),
      "images/s",
    ],
    rows.map((row) => {
      const { images, top1Error, top5Error, imagesPerSecond } = row.measured;
      const { published } = row;
      return [
        ...[row.weights, row.model, grouped(images), shown(row)],
        ...[percent(top1Error), ...beside(published === undefined ? "" : percent(published.top1Error))],
        ...(isTopFive
          ? [topFive(top5Error, percent), ...beside(published === undefined ? "" : percent(published.top5Error))]
          : []),
        imagesPerSecond === 0 ? "" : imagesPerSecond.toFixed(1),
      ];
    }),
  );
}

const publishedProtocol = "Published figures are for all 50,000 validation pictures, centre crop of 224 from 256.";

function isAsPublished({ preprocessing: { resize, crop }, views, measured }: Row): boolean {
  return views === "centre" && resize === 256 && crop === 224 && measured.images === 50_000;
}

/** One line of `--json`. */
export function resultOf(row: Row): Record<string, unknown> {
  const { measured, published, preprocessing } = row;
  return {
    images: measured.images,
    top1_error: measured.top1Error,
    top5_error: measured.top5Error,
    images_per_second: measured.imagesPerSecond,
    ...(row.quantization && { source: row.source ?? null }),
    ...(published && { published_top1_error: published.top1Error, published_top5_error: published.top5Error }),
    weights: row.weights,
    model: row.model,
    resize: preprocessing.resize,
    crop: preprocessing.crop,
    views: row.views,
    left_out: measured.failures.length,
    missing: row.missing,
  };
}

/** Errors by class and network, as CSV. */
export function classesCsv(rows: readonly Row[]): string {
  return csv(
    ["weights", "label", "pictures", "top1_error", "top5_error"],
    rows.flatMap(({ weights, labels, measured }) =>
      errorsByClass(measured.outcomes, labels).map(({ label, images, top1Error, top5Error }) => [
        ...[weights, label, images, top1Error, top5Error ?? ""],
      ]),
    ),
  );
}
