/** All of it, with what needs Node: files, threads, ONNX Runtime. */

export {
  type ClassifyOptions,
  type DataOptions,
  type EvaluateOptions,
  type LoadOptions,
  load,
  Network,
  type OnnxExport,
} from "./api/network.node.ts";
export {
  type RunningOptions,
  type TrainedRun,
  Training,
  type TrainingEvent,
  type TrainOptions,
  train,
} from "./api/train.node.ts";
export type { Dataset, OpenOptions as OpenDatasetOptions, Sample, Source } from "./data/dataset.ts";
export { openDataset } from "./data/datasets.node.ts";
export { type Batch, Loader, type LoaderOptions } from "./data/loader.node.ts";
export { openTrainingData } from "./data/split.node.ts";
export { Classifier } from "./evaluate/classify.node.ts";
export { evaluateFolder, type FolderEvaluation } from "./evaluate/folder.node.ts";
export { ortExecutor } from "./executors/ort/executor.node.ts";
export { describeExecutors, selectExecutor } from "./executors/select.node.ts";
export { cacheFolder } from "./files/cache.node.ts";
export { decodePicture } from "./images/decode.node.ts";
export * from "./index.ts";
export { type KnownFile, knownFiles } from "./pull/addresses.ts";
export { type PullOptions, pull } from "./pull/pull.node.ts";
export { collectReport, type RunReportOptions } from "./report/run.node.ts";
export { openWeights } from "./weights/open.node.ts";
