/** Creates the report of a training in this page, in the same form as Node's. Loaded on demand. */

import type { EngineFacts, Network } from "senet/web";
import { renderEvaluation } from "#senet/report/evaluation.ts";
import { type ReportData, renderReport } from "#senet/report/report.ts";
import { besidesLoss, lossName } from "#senet/train/losses.ts";
import { bestErrors } from "#senet/train/state.ts";
import { evenly, gateAtlas } from "./gates.ts";
import type { Measured } from "./measuring.ts";
import { keptBack, split } from "./pictures.ts";
import type { TrainedHere } from "./state.ts";
import { costOf } from "./structure.ts";

export interface Reported {
  readonly network: Network;
  readonly name: string;
  readonly trained: TrainedHere | undefined;
  readonly engine: EngineFacts | undefined;
  readonly measured: Measured;
}

/** Pictures per class for its mean gates. */
const perClass = 16;

/** For a run, its training report; for an opened network, its results on these pictures. */
export async function reportOf({ network, name, trained, engine, measured }: Reported): Promise<string> {
  const { model, preprocessing, labels } = network;
  const { images, wrong, confusion, samples } = measured;
  if (trained === undefined) {
    const worst = samples[0]?.samples ?? [];
    const evaluated = { weights: name, model: model.name, classes: labels, images, confusion, worst };
    return renderEvaluation("Your pictures", [{ ...evaluated, top1Error: (100 * wrong) / images, top5Error: null }]);
  }
  const { run, classes } = trained;
  const { valSplit, seed } = run.config;
  const parts = classes.map((group) => split(group, valSplit === null ? keptBack : { valSplit, seed }));
  const cost = costOf(model, preprocessing.crop);
  const atlas = await gateAtlas(network, classes, (group) => evenly(parts[classes.indexOf(group)]!.val, perClass));
  const count = (part: "train" | "val") => parts.reduce((sum, each) => sum + each[part].length, 0);
  const data: ReportData = {
    title: `${model.name}: ${labels.join(", ")}`,
    model: model.name,
    parameters: cost.parameters,
    multiplyAdds: cost.multiplyAdds,
    ...bestErrors(run.history),
    trainImages: count("train"),
    validationImages: count("val"),
    measuredImages: images,
    seconds: run.history.reduce((sum, { seconds }) => sum + seconds, 0),
    seed: run.config.seed,
    executor: engine?.reason ?? "",
    facts: [{ name: "Browser", value: navigator.userAgent }],
    remarks: run.finished ? [] : [`The run has done ${run.history.length} of ${run.config.epochs} epochs.`],
    loss: { name: lossName(run.config), besides: besidesLoss(run.config) },
    epochs: run.history.map((metrics) => ({ ...metrics, epoch: metrics.epoch + 1 })),
    classes: labels,
    confusion,
    samples,
    gates: atlas?.blocks ?? [],
    configuration: run.config,
  };
  return renderReport(data);
}
