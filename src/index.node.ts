/** `senet/node`: `senet` plus everything that needs Node: files, threads, native engines. */

export {
  type ClassifyOptions,
  type DataOptions,
  type EvaluateOptions,
  load,
  Network,
  type NetworkFacts,
  type OnnxExport,
  type QuantizationOptions,
  type QuantizedNetwork,
  type SuspectOptions,
} from "./api/network.node.ts";
export type { LoadOptions } from "./api/open-network.node.ts";
export { type FindRateOptions, type FoundRates, findLearningRate } from "./api/rates.node.ts";
export {
  type RunningOptions,
  type TrainedRun,
  type TrainOptions,
  train,
} from "./api/train.node.ts";
export { Training, type TrainingEvent } from "./api/training.ts";
export type { Dataset, Failure, OpenOptions as OpenDatasetOptions, Sample, Source } from "./data/dataset.ts";
export { openDataset } from "./data/datasets.node.ts";
export type { Share } from "./data/epoch.ts";
export { type CheckDataOptions, checkData } from "./data/health.node.ts";
export type { BadPicture, CheckedPicture, DataHealth, PartHealth, SimilarPictures, Spread } from "./data/health.ts";
export type { InspectOptions } from "./data/inspect.node.ts";
export { type Batch, Loader, type LoaderOptions, type LoadingOptions } from "./data/loader.node.ts";
export type { PictureMemory } from "./data/picture-memory.node.ts";
export { type FetchDataOptions, localData } from "./data/remote.node.ts";
export { type ListOptions, openTrainingData, type PartOptions, type TrainingData } from "./data/split.node.ts";
export { Classifier } from "./evaluate/classify.node.ts";
export { evaluateFolder, type FolderEvaluation } from "./evaluate/folder.node.ts";
export type { Entry, Failed, Journal, Outcome, Settings } from "./evaluate/journal.node.ts";
export type { Measurement, MeasureOptions, MeasureProgress } from "./evaluate/measure.node.ts";
export type { NetworkSubject, Watch } from "./evaluate/network.ts";
export type { PictureInput } from "./evaluate/picture-input.node.ts";
export {
  type LabelSuspects,
  labelSuspects,
  type SuspectPicture,
  type SuspectsOptions,
} from "./evaluate/suspects.node.ts";
export { ortExecutor } from "./executors/ort/executor.node.ts";
export {
  describeExecutors,
  type ExecutorReport,
  type Precision,
  type PrecisionChoice,
  type Selection,
  type SelectOptions,
  selectExecutor,
} from "./executors/select.node.ts";
export { cacheFolder, type Environment } from "./files/cache.node.ts";
export { decodePicture } from "./images/decode.node.ts";
export * from "./index.ts";
export type { Job } from "./mpi/job.ts";
export { openJob } from "./mpi/launch.node.ts";
export { type KnownFile, knownFiles } from "./pull/addresses.ts";
export type { Progress as DownloadProgress } from "./pull/download.node.ts";
export type { FetchOptions } from "./pull/fetch.node.ts";
export type { FetchFilesOptions } from "./pull/files.node.ts";
export { type Pretrained, pretrained } from "./pull/pretrained.node.ts";
export { type PullOptions, pull } from "./pull/pull.node.ts";
export type { Timing } from "./pull/request.node.ts";
export type { Quantized, QuantizeOptions } from "./quantize/quantize.node.ts";
export { collectReport, type RunReportOptions, report, type WrittenReport } from "./report/run.node.ts";
export type { EarlierOptions } from "./train/earlier.node.ts";
export type { Phase, RunFacts } from "./train/facts.ts";
export type { RatePoint, RateSuggestions, RateTrial } from "./train/lr-find.ts";
export type { PrepareOptions } from "./train/prepare.node.ts";
export type { Accepting } from "./train/resume.ts";
export type { RunOptions } from "./train/run.node.ts";
export type { WithBatch } from "./train/smaller-batch.ts";
export type { SourceNetwork } from "./train/start.ts";
export { openWeights } from "./weights/open.node.ts";
