/** `senet`: everything that needs neither Node nor a browser: networks, graphs, gradients, weights and pixels. */

// Disposable classes need `Symbol.asyncDispose` in their types, whatever `lib` the consumer compiles with.
/// <reference lib="esnext.disposable" preserve="true" />

export { type DifferentiateOptions, differentiate, gradientOf } from "./autodiff/differentiate.ts";
export type { Backward, VjpRule, VjpRules } from "./autodiff/vjp.ts";
export type { Numbered, Numbering, Part as DatasetPart } from "./data/dataset.ts";
export type { EvaluationTransform, ImageTransform, InspectionTransform } from "./data/transform.ts";
export { type ErrorCode, type ErrorDetails, SenetError } from "./errors.ts";
export {
  type Agreement,
  type AgreementOptions,
  agreementOf,
  type LayerDifference,
  noisePictures,
} from "./evaluate/agreement.ts";
export { type Classification, PictureClassifier, type Prediction } from "./evaluate/classify.ts";
export {
  type Errors,
  type Evaluation,
  type EvaluationBatch,
  evaluate,
  type PictureLoss,
  type PicturePrediction,
  type PictureProbabilities,
  predict,
} from "./evaluate/evaluate.ts";
export { type ExcitationOptions, type GateMeans, type GatePlace, meanGates } from "./evaluate/excitation.ts";
export { Features } from "./evaluate/features.ts";
export { type LabelledPicture, type PictureBatchOptions, pictureBatches } from "./evaluate/picture-batches.ts";
export type { Decode, PictureBytes, PictureData, PictureOptions } from "./evaluate/picture-input.ts";
export { ConfidentLearning, type Suspect, type SuspectRank, type Suspects } from "./evaluate/suspects.ts";
export type {
  CompileOptions,
  Executable,
  Executor,
  PlanFacts,
  Running,
  SumOverRanks,
  Trainer,
  TrainingOptions,
  UpdateOptions,
  Weights,
} from "./executors/executor.ts";
export type { Dialect } from "./executors/ort/emitter.ts";
export { createOrtExecutor } from "./executors/ort/executor.ts";
export { encodeOnnx } from "./executors/ort/export.ts";
export type { OnnxRuntime, OnnxSession, OnnxTensor, OrtHost } from "./executors/ort/runtime.ts";
export { referenceExecutor } from "./executors/reference/reference.ts";
export { type ComparedGates, comparedGates, type UnusualGate } from "./explain/compared-gates.ts";
export {
  Explainer,
  type ExplainerOptions,
  type ExplainMethod,
  type ExplainOptions,
  type Explanation,
  explainMethods,
} from "./explain/explainer.ts";
export { type GateAtlas, GateProbe, gateAtlas, type PictureGates } from "./explain/gates.ts";
export { enlarged, type Heat, overlaid } from "./explain/heat.ts";
export type { MethodOptions } from "./explain/method.ts";
export { type BlockCost, type ChannelCost, type PruneCosts, type PruneOptions, pruneCosts } from "./explain/prune.ts";
export { removableBlocks, withoutBlocks } from "./explain/remove-blocks.ts";
export type { FormatFile, WeightFormat } from "./formats/formats.ts";
export { parseSafetensors, type Safetensors } from "./formats/safetensors.ts";
export { encodeSafetensors } from "./formats/safetensors-write.ts";
export type { RandomCrop } from "./images/augment/crop.ts";
export type { AugmentationKind, AugmentationStep } from "./images/augment/steps.ts";
export { standardTraining, type TrainingTransform } from "./images/augment.ts";
export {
  imagenetPreprocessing,
  type Normalization,
  type Preprocessing,
  preprocess,
  type Resize,
} from "./images/preprocess.ts";
export { type Region, seenRegion } from "./images/region.ts";
export { type Box, type Interpolation, type Picture, type ResizeOptions, resize } from "./images/resize.ts";
export type { SizeFrom } from "./images/sizes.ts";
export type { Views } from "./images/views.ts";
export type { HubConfig } from "./import/hub.ts";
export type { ClassOrder } from "./import/imagenet-classes.ts";
export { GraphBuilder, type Outputs, type ParameterOptions } from "./ir/builder.ts";
export { type GraphCost, graphCost, type NodeCost, nodeCost } from "./ir/cost.ts";
export type { AnyNode, Block, Graph, Initial, Node, Parameter, Place, Role, Tag, Type, Value } from "./ir/graph.ts";
export type { AcrossAttrs, Attrs, AvgPoolAttrs, ConvAttrs, Op, OutputCounts, PoolAttrs } from "./ir/ops.ts";
export { printGraph } from "./ir/print.ts";
export { verify } from "./ir/verify.ts";
export type { Extent, Padding, Sides, WindowAttrs } from "./ir/window.ts";
export {
  type BasicOptions,
  type BlockOptions,
  type BottleneckOptions,
  basicBlock,
  bottleneck,
  type Projection,
} from "./nn/blocks.ts";
export type { Freeze, Freezing } from "./nn/freeze.ts";
export type { Initialisation, Part } from "./nn/init.ts";
export {
  type Activation,
  activations,
  type BatchNormOptions,
  batchNorm,
  type ConvOptions,
  conv2d,
  dropout,
  linear,
  mish,
  relu,
  silu,
} from "./nn/layers.ts";
export { type BuildMode, Scope, type Style } from "./nn/scope.ts";
export { addShortcut, gate, type SqueezeExcitation, scaleChannels } from "./nn/se.ts";
export type { AverageConfig } from "./optim/average.ts";
export type { Chain, ChainStep, Orthogonalise, UpdateStep } from "./optim/chain.ts";
export type { Assignment, Expression, Ratio } from "./optim/expression.ts";
export type { OptimizerName, StepNumbers } from "./optim/optimizers.ts";
export type { Learnt, OptimizerConfig, OptimizerState, RuleState, UpdateRule } from "./optim/rule.ts";
export { inferencePasses, type Pass, type Program, runPasses, trainingPasses } from "./passes/index.ts";
export type { Quantization } from "./passes/quantize.ts";
export type { Hash } from "./pull/addresses.ts";
export type { LayerRow } from "./quantize/budget.ts";
export type { RangeMethodName } from "./quantize/methods.ts";
export type { Bucket, Ranks, Wire } from "./ranks.ts";
export type { Recipe, RecipeConfig, RecipeData } from "./recipes/recipe.ts";
export { type RecipeName, recipe, recipeConfig, recipeStart, recipes } from "./recipes/recipes.ts";
export type { ReportEpoch, ReportGate, ReportSample, ReportSampleGroup } from "./report/data.ts";
export { type QuantizationReport, renderQuantization } from "./report/quantization.ts";
export { type ReportData, renderReport } from "./report/report.ts";
export { type DType, type Shape, type Tensor, type TensorData, tensor, zeros } from "./tensor.ts";
export type { Clipping } from "./train/clipping.ts";
export { type TrainingConfig, trainingConfig } from "./train/config.ts";
export { type DecayingRole, type LearningOptions, learningRule } from "./train/learning.ts";
export type { Progress } from "./train/loop.ts";
export { learningRateAt, momentumAt, type ScheduleConfig, type ScheduleSettings } from "./train/schedule.ts";
export type { EpochMetrics } from "./train/state.ts";
export {
  type BatchResult,
  type StepOptions,
  type StepPosition,
  type StepRates,
  type StepResult,
  type StepState,
  type TogetherOptions,
  TrainingStep,
} from "./train/step.ts";
export type { Checkpoint, RunState, StoredQuantization, TrainedBy } from "./weights/checkpoint.ts";
export { encodeCheckpoint } from "./weights/checkpoint-write.ts";
export { decodeCheckpoint } from "./weights/decode-checkpoint.ts";
export { initialWeights } from "./weights/init.ts";
export { loadWeights } from "./weights/load.ts";
export { openFiles } from "./weights/open.ts";
export type { Opened, OpenOptions } from "./weights/opened.ts";
export type { NetworkWeights } from "./weights/program.ts";
export type { Parts, WeightFile } from "./weights/source.ts";
export type { FamilySchemas, ModelConfig } from "./zoo/families.ts";
export type { ConfigOf, Frozen, Port, Published, ZooEntry } from "./zoo/family.ts";
export {
  type GraphOptions,
  inferenceGraph,
  type Loss,
  type LossOptions,
  lossGraph,
  type Model,
  model,
  type NetworkFunction,
  withAct,
  zoo,
  zooEntry,
} from "./zoo/index.ts";
