/** The report of a run folder: measures its best weights anew and draws everything from files. */

import { cpus } from "node:os";
import { relative } from "node:path";
import { sourceOf } from "../data/dataset.ts";
import { Loader } from "../data/loader.node.ts";
import { localData } from "../data/remote.node.ts";
import { SourceReader } from "../data/source.node.ts";
import { openTrainingData } from "../data/split.node.ts";
import { Classifier } from "../evaluate/classify.node.ts";
import { meanGates } from "../evaluate/excitation.ts";
import { evaluateFolder } from "../evaluate/folder.node.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { readBytes } from "../files/files.node.ts";
import { type Format, formatOf } from "../images/format.ts";
import { readPicture } from "../images/read.node.ts";
import { graphCost } from "../ir/cost.ts";
import { bestFile, openRun } from "../train/out.node.ts";
import { decodeCheckpoint } from "../weights/checkpoint.ts";
import { inferenceGraph, type NetworkFunction } from "../zoo/index.ts";
import type { ReportData, ReportSample } from "./data.ts";
import { chooseSamples } from "./samples.ts";

export interface RunReportOptions {
  readonly title: string;
  /** The run's out folder. */
  readonly out: string;
  /** The data folder that it was trained on. */
  readonly data: string;
  readonly command: string;
  readonly executor?: string;
  /** The function of a network of one's own. */
  readonly model?: NetworkFunction;
  /** Pictures outside the data folder to classify and show, with their right class where it is known. */
  readonly heldBack?: readonly { readonly file: string; readonly label: number | undefined }[];
}

/** @throws SenetError `usage`, `weights` or `data` where the run or its pictures are not there or damaged */
export async function collectReport(options: RunReportOptions): Promise<ReportData> {
  const { out, data, model: build } = options;
  const { config, state } = await openRun(out, build);
  const checkpoint = decodeCheckpoint(await readBytes(bestFile(out)), bestFile(out), build);
  const { model, weights, preprocessing, labels } = checkpoint;
  const { train, val } = openTrainingData(await localData(data), { valSplit: config.valSplit, seed: config.seed });
  const { executor } = await selectExecutor({ name: options.executor });
  const { batchSize } = config;
  const imageSize = preprocessing.crop;

  const transform = { kind: "evaluate", preprocessing } as const;
  const loader = new Loader({ dataset: val, batchSize, transform, cacheBytes: 0 });
  const shared = { executor, model, weights, batchSize, imageSize };
  const { evaluation, gates } = await (async () => ({
    evaluation: await evaluateFolder({ ...shared, loader }),
    gates: await meanGates({ ...shared, batches: loader.epoch(0) }),
  }))().finally(() => loader.dispose());

  const reader = new SourceReader();
  const validation = await Promise.all(
    chooseSamples(evaluation.predictions, 24).map(async ({ sample, label, top }) => {
      const picture = val.samples[sample]!;
      const bytes = await reader.encoded(sourceOf(picture));
      return reportSample(bytes, relative(val.root, picture.file), label, top);
    }),
  ).finally(() => reader.close());
  const samples = [{ title: "Validation pictures, mistakes first", samples: validation }];
  if (options.heldBack !== undefined) {
    const classifier = await Classifier.create(checkpoint, executor);
    const shown: ReportSample[] = [];
    try {
      for (const { file, label } of options.heldBack) {
        const { predictions } = await classifier.classify(file, 3);
        shown.push(reportSample(readPicture(file), relative(data, file), label, predictions));
      }
    } finally {
      await classifier.dispose();
    }
    samples.unshift({ title: "Held-back pictures, classified", samples: shown });
  }

  const cost = graphCost(inferenceGraph(model, { batch: 1, imageSize }));
  return {
    title: options.title,
    model: model.name,
    parameters: cost.parameters,
    multiplyAdds: cost.multiplyAdds,
    top1Error: evaluation.top1Error,
    top5Error: evaluation.top5Error,
    trainImages: train.samples.length,
    validationImages: evaluation.images,
    seconds: state.history.reduce((sum, { seconds }) => sum + seconds, 0),
    seed: config.seed,
    executor: executor.description,
    command: options.command,
    facts: [
      { name: "Processor", value: `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} threads` },
      { name: "Node", value: process.version },
    ],
    epochs: state.history.map((metrics) => ({ ...metrics, epoch: metrics.epoch + 1 })),
    classes: labels,
    confusion: evaluation.confusion,
    samples,
    gates,
    configuration: config,
  };
}

const mediaTypes: Partial<Readonly<Record<Format, ReportSample["mediaType"]>>> = {
  PNG: "image/png",
  WebP: "image/webp",
};

function reportSample(
  bytes: Uint8Array,
  file: string,
  label: number | undefined,
  top: ReportSample["top"],
): ReportSample {
  const image = Buffer.from(bytes).toString("base64");
  return { file, image, mediaType: mediaTypes[formatOf(bytes) ?? "JPEG"] ?? "image/jpeg", label, top };
}
