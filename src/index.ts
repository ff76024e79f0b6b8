/** What runs anywhere: networks, graphs, gradients, weights and pixels, without Node. */

export { differentiate, gradientOf } from "./autodiff/differentiate.ts";
export { type ErrorCode, type ErrorDetails, SenetError } from "./errors.ts";
export { type Classification, PictureClassifier, type Prediction } from "./evaluate/classify.ts";
export {
  type Evaluation,
  type EvaluationBatch,
  evaluate,
  type PicturePrediction,
  predict,
} from "./evaluate/evaluate.ts";
export { type GateMeans, meanGates } from "./evaluate/excitation.ts";
export type {
  CompileOptions,
  Executable,
  Executor,
  PlanFacts,
  Trainer,
  TrainingOptions,
  Weights,
} from "./executors/executor.ts";
export { createOrtExecutor } from "./executors/ort/executor.ts";
export { encodeOnnx } from "./executors/ort/export.ts";
export type { OnnxRuntime, OnnxSession, OnnxTensor, OrtHost } from "./executors/ort/runtime.ts";
export { referenceExecutor } from "./executors/reference/reference.ts";
export { encodeSafetensors, parseSafetensors } from "./formats/safetensors.ts";
export { imagenetPreprocessing, type Preprocessing, preprocess } from "./images/preprocess.ts";
export { type Picture, resize } from "./images/resize.ts";
export { GraphBuilder } from "./ir/builder.ts";
export { type GraphCost, graphCost, type NodeCost, nodeCost } from "./ir/cost.ts";
export type { Graph, Node, Parameter, Role, Type, Value } from "./ir/graph.ts";
export type { Attrs, Op } from "./ir/ops.ts";
export { printGraph } from "./ir/print.ts";
export { verify } from "./ir/verify.ts";
export {
  type BasicOptions,
  type BlockOptions,
  type BottleneckOptions,
  basicBlock,
  bottleneck,
  type Projection,
} from "./nn/blocks.ts";
export { batchNorm, type ConvOptions, conv2d, dropout, linear, relu } from "./nn/layers.ts";
export { type BuildMode, Scope } from "./nn/scope.ts";
export { addShortcut, gate, type SqueezeExcitation, scaleChannels } from "./nn/se.ts";
export { inferencePasses, type Pass, type Program, runPasses } from "./passes/index.ts";
export { type ReportData, renderReport } from "./report/report.ts";
export { type DType, type Shape, type Tensor, tensor, zeros } from "./tensor.ts";
export { type TrainingConfig, trainingConfig } from "./train/config.ts";
export { type LearningOptions, learningRule } from "./train/learning.ts";
export { learningRateAt, type ScheduleConfig } from "./train/schedule.ts";
export { type StepOptions, type StepResult, TrainingStep } from "./train/step.ts";
export { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./weights/checkpoint.ts";
export { initialWeights } from "./weights/init.ts";
export { loadWeights } from "./weights/load.ts";
export { type Opened, type OpenOptions, openFiles } from "./weights/open.ts";
export type { WeightFile } from "./weights/source.ts";
export { inferenceGraph, lossGraph, type Model, model, type NetworkFunction, zoo, zooEntry } from "./zoo/index.ts";
