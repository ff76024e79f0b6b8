/** Names that other programs use for the training configuration's keys, to tell their users our names. */

/** Flags of timm and torchvision, arguments of Keras and fastai, without case, hyphens and underscores. */
const otherNames: Readonly<Record<string, string>> = {
  lr: "learningRate",
  lrmax: "learningRate",
  baselr: "learningRate",
  opt: "optimizer",
  optbetas: "betas",
  opteps: "eps",
  wd: "weightDecay",
  sched: "schedule",
  lrscheduler: "schedule",
  decaymilestones: "stepEpochs",
  milestones: "stepEpochs",
  b: "batchSize",
  bs: "batchSize",
  batch: "batchSize",
  gradaccumsteps: "microBatch",
  accumulate: "microBatch",
  accumulationsteps: "microBatch",
  accumulategradbatches: "microBatch",
  gradientaccumulationsteps: "microBatch",
  imgsize: "imageSize",
  inputsize: "imageSize",
  scale: "cropScale",
  ratio: "cropRatio",
  hflip: "mirror",
  traininterpolation: "interpolation",
  autoaugment: "aa",
  randomerase: "reprob",
  smoothing: "labelSmoothing",
  classweight: "classWeights",
  clipgradnorm: "clipGrad",
  ema: "modelEma",
  emadecay: "modelEmaDecay",
  maxiter: "maxSteps",
  earlystopping: "patience",
  initialcheckpoint: "weights",
  finetune: "weights",
  validationsplit: "valSplit",
};

/** Our key for another program's name; `undefined` for unknown names. */
export function keyOfOtherName(name: string): string | undefined {
  const plain = name.toLowerCase().replace(/[-_]/g, "");
  return Object.hasOwn(otherNames, plain) ? otherNames[plain] : undefined;
}
