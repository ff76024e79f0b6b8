/** The optimisers, each a row: what state it keeps, what can be set, and the formula that every engine runs. */

import * as z from "../schema.ts";
import { type Assignment, add, div, type Expression, mul, scalar, set, sqrt } from "./expression.ts";

/** What a formula may know of the step under way. */
export interface StepNumbers {
  /** The learning rate. */
  readonly rate: number;
  /** Updates that were made before, over the whole run. */
  readonly step: number;
  /** Instead of the optimiser's own, where it takes one from step to step. */
  readonly momentum?: number;
  readonly decay: number;
}

export interface Optimizer<Schema extends z.ObjectSchema = z.ObjectSchema, Config = z.output<Schema>> {
  /** What can be set; defaults are in it. A setting that `senet train` knows by the same name is taken from there. */
  readonly config: Schema;
  /** The highest learning rate that is usual for 256 pictures of a batch. */
  readonly usualRate: number;
  /** The tensors that it keeps for each parameter, by name, and what they begin with. */
  readonly slots: (config: Config) => Readonly<Record<string, number>>;
  /** Numbers that differ from step to step, by the names that the formula has for them. */
  readonly scalars: (config: Config, numbers: StepNumbers) => Readonly<Record<string, number>>;
  /** Whether matrices are learnt otherwise than the rest: the network's first and last layer count as the rest. */
  readonly knowsMatrices?: true;
  /**
   * What happens to `weight` and the slots when `gradient` is there.
   * @param decay the weight decay of these parameters; 0 for those that are left out
   */
  readonly formula: (config: Config, decay: number, isMatrix: boolean) => readonly Assignment[];
}

const fraction = z.number().check(z.gte(0), z.lt(1));
const positive = z.number().check(z.gt(0));

const sgdConfig = z.object({
  momentum: z._default(fraction, 0.9),
  /** Looks ahead, by the velocity that will be (Sutskever et al., 2013; as PyTorch has it). */
  nesterov: z._default(z.boolean(), false),
  /** Caffe's velocity holds the rate: a new rate changes only what is added from then on. */
  rateInVelocity: z._default(z.boolean(), false),
  /** Each step has a momentum of its own (one-cycle): a pass more over the velocity, since formulas hold `momentum` fast. */
  momentumCycles: z._default(z.boolean(), false),
});

/** The gradient with the decay of the weight in it, as SGD and RMSprop have it. */
const decayed = (decay: number) => add("gradient", mul(decay, "weight"));

const sgd: Optimizer<typeof sgdConfig> = {
  config: sgdConfig,
  usualRate: 0.1,
  slots: () => ({ velocity: 0 }),
  scalars: (config, { rate, momentum = config.momentum }) => ({ rate, minusRate: -rate, momentum }),
  formula: ({ momentum, nesterov, rateInVelocity, momentumCycles }, decay) => {
    const gradient = rateInVelocity ? mul(scalar("rate"), decayed(decay)) : decayed(decay);
    const kept = mul(momentumCycles ? scalar("momentum") : momentum, "velocity");
    const step = rateInVelocity ? -1 : scalar("minusRate");
    // Caffe's Nesterov too: (1 + momentum) · new − momentum · old, and the old one is what the new one was made of.
    const move = (addend: Expression) =>
      set("weight", add("weight", mul(step, nesterov ? add(kept, addend) : "velocity")));
    if (!momentumCycles) return [set("velocity", add(kept, gradient)), move(gradient)];
    // Kept by itself: oneDNN computes wrong numbers in a chain of all.
    return [set("addend", gradient), set("velocity", kept), set("velocity", add("velocity", "addend")), move("addend")];
  },
};

const adamConfig = z.object({
  /** How much is kept of the running means of the gradient and of its square. */
  betas: z._default(z.tuple([fraction, fraction]), [0.9, 0.999]),
  eps: z._default(positive, 1e-8),
});

type AdamConfig = z.output<typeof adamConfig>;

/** Running means of the gradient and of its square. */
const moments = ({ betas: [beta1, beta2] }: AdamConfig): readonly Assignment[] => [
  set("mean", add(mul(beta1, "mean"), mul(1 - beta1, "gradient"))),
  set("square", add(mul(beta2, "square"), mul(1 - beta2, mul("gradient", "gradient")))),
];

/** What the means lack because they began with zero. */
const corrections = ({ betas: [beta1, beta2] }: AdamConfig, step: number) => ({
  mean: 1 / (1 - beta1 ** (step + 1)),
  root: 1 / Math.sqrt(1 - beta2 ** (step + 1)),
});

/** Loshchilov and Hutter, arXiv 1711.05101, as PyTorch has it. */
const adamw: Optimizer<typeof adamConfig> = {
  config: adamConfig,
  usualRate: 2.5e-4,
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

/** How far the mean of squares can be trusted after so many steps: a factor of the move, or 0 where it cannot (ibid., section 3). */
function rectification(beta2: number, step: number): number {
  const longest = 2 / (1 - beta2) - 1;
  const kept = beta2 ** (step + 1);
  const length = longest - (2 * (step + 1) * kept) / (1 - kept);
  if (length <= 5) return 0;
  return Math.sqrt(((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length));
}

/**
 * Liu et al., arXiv 1908.03265, as PyTorch has it with decoupled decay: Adam that warms up by itself, since in the first steps,
 * where a mean of squares says little, it goes by the mean of gradients alone.
 */
const radam: Optimizer<typeof adamConfig> = {
  config: adamConfig,
  usualRate: 2.5e-4,
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
  /** Of matrices; `betas` and `eps` are the others'. */
  momentum: z._default(fraction, 0.95),
  nesterov: z._default(z.boolean(), true),
});

/**
 * Jordan et al. (kellerjordan.github.io/posts/muon), as PyTorch has it: matrices move by orthogonal ones. With PyTorch's
 * `match_rms_adamw` (Liu et al., arXiv 2502.16982), by which one rate and one decay fit these and AdamW's parameters.
 */
const muon: Optimizer<typeof muonConfig> = {
  config: muonConfig,
  usualRate: 2.5e-4,
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
 * TensorFlow's, which the MobileNets and EfficientNets were trained with: the mean of squares begins with 1, eps is under
 * the root, and the velocity holds the rate. timm calls it `rmsproptf`.
 */
const rmsprop: Optimizer<typeof rmspropConfig> = {
  config: rmspropConfig,
  usualRate: 0.016,
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
 * You et al., arXiv 1904.00962, as timm has it: each parameter moves by a part of its own length. Parameters that do not
 * decay move as in Adam. timm's also clips the whole gradient to a length of 1, which is `clipGrad` here.
 */
const lamb: Optimizer<typeof adamConfig> = {
  config: z.extend(adamConfig, { eps: z._default(positive, 1e-6) }),
  usualRate: 6.25e-4,
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
  /** How far a layer moves at most at a rate of 1, as a part of its own length: the paper's η. */
  trustCoeff: z._default(positive, 1e-3),
  eps: z._default(positive, 1e-8),
  /** As the paper has it (section 4), and TensorFlow; timm and apex have it outside. */
  rateInVelocity: z._default(z.boolean(), false),
});

/**
 * You, Gitman and Ginsburg, arXiv 1708.03888, as timm has it: SGD in which each parameter's gradient is brought to a part of the
 * parameter's own length. Parameters that do not decay (biases and batch norm's) move as in SGD.
 */
const lars: Optimizer<typeof larsConfig> = {
  config: larsConfig,
  // 25 for 16,384 (tensorflow/tpu, models/official/resnet/lars_util.py).
  usualRate: 0.4,
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

/** Every optimiser by its name; a new one is a row here. */
export const optimizers = { sgd, adamw, radam, muon, rmsprop, lamb, lars } as const;

export type OptimizerName = keyof typeof optimizers;

export const optimizerNames = Object.keys(optimizers) as readonly OptimizerName[];
