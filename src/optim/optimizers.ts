/** The table of optimisers: each one's state, settings, and the formula that every engine runs. */

import * as z from "../schema.ts";
import { type Assignment, add, div, type Expression, mul, scalar, set, sqrt } from "./expression.ts";

/** Numbers of the current step that a formula may use. */
export interface StepNumbers {
  /** The learning rate. */
  readonly rate: number;
  /** Number of earlier updates in the whole run. */
  readonly step: number;
  /** Replaces the optimiser's own momentum, if it may vary by step. */
  readonly momentum?: number;
  readonly decay: number;
}

export interface Optimizer<Schema extends z.ObjectSchema = z.ObjectSchema, Config = z.output<Schema>> {
  /** Settings, with defaults. A setting that is also a key of the training configuration takes its value from there. */
  readonly config: Schema;
  /** The usual peak learning rate for a batch of 256 pictures. */
  readonly usualRate: number;
  /**
   * How the rate scales with the batch. With its root where a step's length does not follow the gradient's (You et al.,
   * arXiv 1904.00962, for LAMB; timm's `--lr-base-scale`).
   */
  readonly rateScale: "linear" | "root";
  /** State tensors for each parameter, by name, with their initial values. */
  readonly slots: (config: Config) => Readonly<Record<string, number>>;
  /** Scalars of a step, by their names in the formula. */
  readonly scalars: (config: Config, numbers: StepNumbers) => Readonly<Record<string, number>>;
  /** Whether matrices have another formula; the network's first and last layers do not count as matrices. */
  readonly knowsMatrices?: true;
  /**
   * How `weight` and the slots change, given `gradient`.
   * @param decay the weight decay of these parameters; 0 for parameters without decay
   */
  readonly formula: (config: Config, decay: number, isMatrix: boolean) => readonly Assignment[];
}

const fraction = z.number().check(z.gte(0), z.lt(1));
const positive = z.number().check(z.gt(0));

const sgdConfig = z.object({
  momentum: z._default(fraction, 0.9),
  /** Nesterov momentum (Sutskever et al., 2013), in PyTorch's form. */
  nesterov: z._default(z.boolean(), false),
  /** As in Caffe, the velocity includes the rate: a changed rate only affects what is added later. */
  rateInVelocity: z._default(z.boolean(), false),
  /**
   * The momentum varies by step (one-cycle); costs one more pass over the velocity, since `momentum` is a constant in
   * chains.
   */
  momentumCycles: z._default(z.boolean(), false),
});

/** The gradient plus weight decay, as in SGD and RMSprop. */
const decayed = (decay: number) => add("gradient", mul(decay, "weight"));

const sgd: Optimizer<typeof sgdConfig> = {
  config: sgdConfig,
  usualRate: 0.1,
  rateScale: "linear",
  slots: () => ({ velocity: 0 }),
  scalars: (config, { rate, momentum = config.momentum }) => ({ rate, minusRate: -rate, momentum }),
  formula: ({ momentum, nesterov, rateInVelocity, momentumCycles }, decay) => {
    const gradient = rateInVelocity ? mul(scalar("rate"), decayed(decay)) : decayed(decay);
    const kept = mul(momentumCycles ? scalar("momentum") : momentum, "velocity");
    const step = rateInVelocity ? -1 : scalar("minusRate");
    // Also Caffe's Nesterov, (1 + momentum) · new − momentum · old, rewritten without the old velocity.
    const move = (addend: Expression) =>
      set("weight", add("weight", mul(step, nesterov ? add(kept, addend) : "velocity")));
    if (!momentumCycles) return [set("velocity", add(kept, gradient)), move(gradient)];
    // A separate chain: oneDNN computes wrong results for a single one.
    return [set("addend", gradient), set("velocity", kept), set("velocity", add("velocity", "addend")), move("addend")];
  },
};

const adamConfig = z.object({
  /** Decay of the running means of the gradient and of its square. */
  betas: z._default(z.tuple([fraction, fraction]), [0.9, 0.999]),
  eps: z._default(positive, 1e-8),
});

type AdamConfig = z.output<typeof adamConfig>;

/** Running means of the gradient and of its square. */
const moments = ({ betas: [beta1, beta2] }: AdamConfig): readonly Assignment[] => [
  set("mean", add(mul(beta1, "mean"), mul(1 - beta1, "gradient"))),
  set("square", add(mul(beta2, "square"), mul(1 - beta2, mul("gradient", "gradient")))),
];

/** Corrections for the means' start at zero. */
const corrections = ({ betas: [beta1, beta2] }: AdamConfig, step: number) => ({
  mean: 1 / (1 - beta1 ** (step + 1)),
  root: 1 / Math.sqrt(1 - beta2 ** (step + 1)),
});

/** Loshchilov and Hutter, arXiv 1711.05101, as in PyTorch. */
const adamw: Optimizer<typeof adamConfig> = {
  config: adamConfig,
  usualRate: 1e-3,
  rateScale: "root",
  slots: () => ({ mean: 0, square: 0 }),
  scalars: (config, { rate, step, decay }) => {
    const { mean, root } = corrections(config, step);
    return { kept: 1 - rate * decay, minusRate: -rate * mean, root };
  },
  formula: (config, decay) => {
    const deviation = add(mul(scalar("root"), sqrt("square")), config.eps);
    return [
      ...(decay === 0 ? [] : [set("weight", mul(scalar("kept"), "weight"))]),
      ...moments(config),
      set("weight", add("weight", mul(scalar("minusRate"), div("mean", deviation)))),
    ];
  },
};

/** The rectification term, a factor on the update, or 0 while the mean of squares is unreliable (ibid., section 3). */
function rectification(beta2: number, step: number): number {
  const longest = 2 / (1 - beta2) - 1;
  const kept = beta2 ** (step + 1);
  const length = longest - (2 * (step + 1) * kept) / (1 - kept);
  if (length <= 5) return 0;
  return Math.sqrt(((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length));
}

/**
 * Liu et al., arXiv 1908.03265, as in PyTorch with decoupled decay: Adam with a built-in warm-up. In the first steps,
 * while the mean of squares is unreliable, it uses only the mean of gradients.
 */
const radam: Optimizer<typeof adamConfig> = {
  config: adamConfig,
  usualRate: 1e-3,
  rateScale: "root",
  slots: () => ({ mean: 0, square: 0 }),
  scalars: (config, { rate, step, decay }) => {
    const { mean, root } = corrections(config, step);
    const trust = rectification(config.betas[1], step);
    return { kept: 1 - rate * decay, byMean: trust === 0 ? -rate * mean : 0, byBoth: (-rate * mean * trust) / root };
  },
  formula: (config, decay) => [
    ...(decay === 0 ? [] : [set("weight", mul(scalar("kept"), "weight"))]),
    ...moments(config),
    set("weight", add("weight", mul(scalar("byMean"), "mean"))),
    set("weight", add("weight", mul(scalar("byBoth"), div("mean", add(sqrt("square"), config.eps))))),
  ],
};

const muonConfig = z.extend(adamConfig, {
  /** For matrices; `betas` and `eps` are for the other parameters. */
  momentum: z._default(fraction, 0.95),
  nesterov: z._default(z.boolean(), true),
});

/**
 * Jordan et al. (kellerjordan.github.io/posts/muon), as in PyTorch: updates of matrices are orthogonalised. Uses
 * PyTorch's `match_rms_adamw` (Liu et al., arXiv 2502.16982), so that one rate and decay fit these and AdamW's
 * parameters.
 */
const muon: Optimizer<typeof muonConfig> = {
  config: muonConfig,
  usualRate: 7e-3,
  rateScale: "root",
  knowsMatrices: true,
  slots: () => ({ mean: 0, square: 0 }),
  scalars: (config, numbers) => ({ ...adamw.scalars(config, numbers), minusPlainRate: -numbers.rate }),
  formula: (config, decay, isMatrix) => {
    if (!isMatrix) return adamw.formula(config, decay, isMatrix);
    const { momentum, nesterov } = config;
    const added = mul(1 - momentum, "gradient");
    return [
      ...(decay === 0 ? [] : [set("weight", mul(scalar("kept"), "weight"))]),
      set("mean", add(mul(momentum, "mean"), added)),
      set("update", nesterov ? add(mul(momentum, "mean"), added) : "mean"),
      { orthogonal: "update", rms: 0.2 },
      set("weight", add("weight", mul(scalar("minusPlainRate"), "update"))),
    ];
  },
};

const rmspropConfig = z.object({
  momentum: z._default(fraction, 0.9),
  /** The weight of the old mean of squares. */
  alpha: z._default(fraction, 0.9),
  eps: z._default(positive, 1e-3),
});

/**
 * TensorFlow's version, with which MobileNets and EfficientNets were trained: the mean of squares starts at 1, eps is
 * inside the root, and the velocity includes the rate. Called `rmsproptf` in timm.
 */
const rmsprop: Optimizer<typeof rmspropConfig> = {
  config: rmspropConfig,
  usualRate: 0.016,
  rateScale: "linear",
  slots: () => ({ square: 1, velocity: 0 }),
  scalars: (_config, { rate }) => ({ rate }),
  formula: ({ momentum, alpha, eps }, decay) => {
    const gradient = decay === 0 ? "gradient" : "decayed";
    return [
      ...(decay === 0 ? [] : [set("decayed", decayed(decay))]),
      set("square", add(mul(alpha, "square"), mul(1 - alpha, mul(gradient, gradient)))),
      set("velocity", add(mul(momentum, "velocity"), mul(scalar("rate"), div(gradient, sqrt(add("square", eps)))))),
      set("weight", add("weight", mul(-1, "velocity"))),
    ];
  },
};

/**
 * You et al., arXiv 1904.00962, as in timm: each parameter moves by a fraction of its own norm; parameters without
 * decay move as in Adam. timm also clips the whole gradient to norm 1, which is `clipGrad` here.
 */
const lamb: Optimizer<typeof adamConfig> = {
  config: z.extend(adamConfig, { eps: z._default(positive, 1e-6) }),
  usualRate: 1.8e-3,
  rateScale: "root",
  slots: () => ({ mean: 0, square: 0 }),
  scalars: (config, { rate, step }) => {
    const { mean, root } = corrections(config, step);
    return { correction: mean, root, minusRate: -rate };
  },
  formula: (config, decay) => {
    const deviation = add(mul(scalar("root"), sqrt("square")), config.eps);
    const adam = mul(scalar("correction"), div("mean", deviation));
    const minus = mul(scalar("minusRate"), "update");
    return decay === 0
      ? [...moments(config), set("update", adam), set("weight", add("weight", minus))]
      : [
          ...moments(config),
          set("update", add(adam, mul(decay, "weight"))),
          { ratio: "trust", of: "weight", to: "update" },
          set("weight", add("weight", mul(scalar("trust"), minus))),
        ];
  },
};

const larsConfig = z.object({
  momentum: z._default(fraction, 0.9),
  /** The paper's η: the largest move of a layer at rate 1, as a fraction of its norm. */
  trustCoeff: z._default(positive, 1e-3),
  eps: z._default(positive, 1e-8),
  /** As in the paper (section 4) and TensorFlow; timm and apex keep the rate outside. */
  rateInVelocity: z._default(z.boolean(), false),
});

/**
 * You, Gitman and Ginsburg, arXiv 1708.03888, as in timm: SGD in which each parameter's gradient is scaled to a
 * fraction of the parameter's norm. Parameters without decay (biases and batch norm's) move as in SGD.
 */
const lars: Optimizer<typeof larsConfig> = {
  config: larsConfig,
  // From 25 for a batch of 16,384 (tensorflow/tpu, models/official/resnet/lars_util.py).
  usualRate: 0.4,
  rateScale: "linear",
  slots: () => ({ velocity: 0 }),
  scalars: (_config, { rate }) => ({ rate, minusRate: -rate }),
  formula: ({ momentum, trustCoeff, eps, rateInVelocity }, decay) => {
    const step = decay === 0 ? "gradient" : mul(scalar("trust"), decayed(decay));
    const added = rateInVelocity ? mul(scalar("rate"), step) : step;
    return [
      ...(decay === 0 ? [] : [{ ratio: "trust", of: "weight", to: "gradient", factor: trustCoeff, part: decay, eps }]),
      set("velocity", add(mul(momentum, "velocity"), added)),
      set("weight", add("weight", mul(rateInVelocity ? -1 : scalar("minusRate"), "velocity"))),
    ];
  },
};

/** All optimisers by name; a new one is a row here. */
export const optimizers = { sgd, adamw, radam, muon, rmsprop, lamb, lars } as const;

export type OptimizerName = keyof typeof optimizers;

/** The factor of a rate whose batch becomes `factor` times as large. */
export const rateFactor = (name: OptimizerName, factor: number): number =>
  optimizers[name].rateScale === "root" ? Math.sqrt(factor) : factor;

export const optimizerNames = Object.keys(optimizers) as readonly OptimizerName[];
