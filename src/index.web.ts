/** `senet/web`: networks in a web page, run, explained and trained in a worker (docs/browser.md). */

/// <reference lib="esnext.disposable" preserve="true" />

export type { Training, TrainingEvent } from "./api/training.ts";
export type { Failure } from "./data/dataset.ts";
export { type ErrorCode, type ErrorDetails, SenetError } from "./errors.ts";
export type { Prediction } from "./evaluate/classify.ts";
export type { GatePlace } from "./evaluate/excitation.ts";
export type { Decode, PictureOptions } from "./evaluate/picture-input.ts";
export type { CompileOptions, SumOverRanks } from "./executors/executor.ts";
export type { EngineChoice, EngineFacts, EngineName } from "./executors/select.web.ts";
export type { ExplainerOptions, ExplainMethod, ExplainOptions, Explanation } from "./explain/explainer.ts";
export type { PictureGates } from "./explain/gates.ts";
export { enlarged, type Heat, overlaid } from "./explain/heat.ts";
export type { MethodOptions } from "./explain/method.ts";
export type { WeightFormat } from "./formats/formats.ts";
export type { Normalization, Preprocessing, Resize } from "./images/preprocess.ts";
export type { Region } from "./images/region.ts";
export type { Interpolation, Picture } from "./images/resize.ts";
export type { TrainingConfig } from "./train/config.ts";
export type { RunFacts } from "./train/facts.ts";
export type { Progress } from "./train/loop.ts";
export type { EpochMetrics } from "./train/state.ts";
export type { LoadProgress, RunPosition, SentPicture } from "./web/calls.web.ts";
export type { WorkerSource } from "./web/connection.web.ts";
export type { EngineOptions } from "./web/engine-options.web.ts";
export {
  type AskOptions,
  type ClassifyOptions,
  type ExplainPictureOptions,
  type LoadOptions,
  load,
  Network,
  type PictureList,
  type TabTraining,
  type TrainedRun,
  train,
} from "./web/network.web.ts";
export type { PictureSource, PlainPicture, RuntimeAddress, ShownPicture, WeightSource } from "./web/sources.web.ts";
export type { Run } from "./web/training.web.ts";
export type {
  ClassPictures,
  FineTuneOptions,
  RunningOptions,
  TrainingPictures,
  TrainOptions,
} from "./web/training-request.web.ts";
export type { FamilySchemas, ModelConfig } from "./zoo/families.ts";
export type { ConfigOf, Frozen } from "./zoo/family.ts";
export type { Model } from "./zoo/index.ts";
