/** Learning-rate and momentum schedules, as pure functions of the step. */

import { configKey } from "../config-key.ts";
import { optimizerNames, optimizers } from "../optim/optimizers.ts";
import * as z from "../schema.ts";

const rate = z.number().check(z.gte(0));
const momentum = rate.check(z.lt(1));
const scheduleNames = ["cosine", "step", "poly", "exponential", "one-cycle", "flat-cosine"] as const;
const usualRates = optimizerNames.map((name) => `${optimizers[name].usualRate} (${name})`).join(", ");
const byRoot = optimizerNames.filter((name) => optimizers[name].rateScale === "root").join(", ");

/** Keys of the schedule. Epochs may be fractions, and count from the start of the run. */
export const scheduleKeys = {
  /**
   * The highest rate; `null`: the optimiser's usual rate for 256 pictures (0.1 for `sgd`), scaled with the batch
   * (`rateFactor`).
   */
  learningRate: configKey(
    z._default(z.nullable(rate.check(z.gt(0))), null),
    `highest learning rate; default, for batches of 256 pictures: ${usualRates}; it scales with the batch, of ${byRoot} with its root`,
    { flag: "lr", value: "rate" },
  ),
  schedule: configKey(z._default(z.enum(scheduleNames), "cosine"), "how the learning rate falls"),
  scheduleBy: configKey(
    z._default(z.enum(["step", "epoch"]), "step"),
    "whether it changes at every step or every epoch",
  ),
  minLr: configKey(z._default(rate, 0), "the lowest rate, reached at the end", { value: "rate" }),
  /** Ignored by `one-cycle`, which rises by itself. */
  warmupEpochs: configKey(z._default(rate, 1), "epochs at the start in which the rate rises"),
  warmup: configKey(
    z._default(z.enum(["linear", "constant"]), "linear"),
    "whether the rate then rises steadily or stays at its first value",
  ),
  /** `null`: a linear warm-up starts near 0, a constant one uses a tenth of the highest rate. */
  warmupLr: configKey(
    z._default(z.nullable(rate), null),
    "first rate of the warm-up; default: almost 0; a tenth of the highest if constant; a 25th in one-cycle",
    { value: "rate" },
  ),
  stepEpochs: configKey(
    z._default(z.array(rate.check(z.gt(0))), [30, 60, 90]),
    "step: epochs at which the rate is cut",
  ),
  stepFactor: configKey(z._default(rate.check(z.lte(1)), 0.1), "step: the factor at each cut"),
  decayRate: configKey(z._default(rate.check(z.gt(0), z.lte(1)), 0.97), "exponential: the factor of each fall"),
  decayEpochs: configKey(z._default(rate.check(z.gt(0)), 2.4), "exponential: epochs between falls, after the warm-up"),
  polyPower: configKey(
    z._default(rate.check(z.gt(0)), 1),
    "poly: the rate falls with this power of the rest of the run; 1: a straight line",
  ),
  /** `null`: 0.3 for `one-cycle` (as PyTorch), 0.75 for `flat-cosine` (as fastai). */
  pctStart: configKey(
    z._default(z.nullable(momentum), null),
    "part of the run in which the rate rises (one-cycle; default: 0.3) or stays (flat-cosine; default: 0.75)",
    { value: "part" },
  ),
  /** Momentum is lowest where the rate is highest (Smith, arXiv 1708.07120); for `sgd`. */
  cycleMomentum: configKey(
    z._default(z.tuple([momentum, momentum]), [0.85, 0.95]),
    "one-cycle with sgd: lowest and highest momentum",
    { value: "low,high" },
  ),
};

export type ScheduleSettings = z.OutputOf<typeof scheduleKeys>;

/** A schedule; keys left out have their defaults. */
export interface ScheduleConfig extends Partial<Omit<ScheduleSettings, "schedule" | "learningRate" | "stepEpochs">> {
  readonly schedule: ScheduleSettings["schedule"];
  readonly stepEpochs?: readonly number[];
  /** The highest rate. */
  readonly learningRate: number;
  readonly epochs: number;
  /** The run ends after this many steps, if its epochs have more; `null`: after all of them. */
  readonly maxSteps?: number | null;
}

type Full = Required<ScheduleConfig>;

/**
 * Position in a run: `progress` from 0 at the end of the warm-up to 1, and epochs since the start and since the
 * warm-up.
 */
interface Position {
  readonly progress: number;
  readonly epoch: number;
  readonly sinceWarmup: number;
}

/** Half a cosine wave, from `from` at 0 to `to` at 1. */
const cosine = (from: number, to: number, part: number): number =>
  to + 0.5 * (from - to) * (1 + Math.cos(Math.PI * part));

/** The rate after the warm-up, for each schedule. */
const shapes: Readonly<Record<ScheduleSettings["schedule"], (config: Full, position: Position) => number>> = {
  cosine: ({ learningRate, minLr }, { progress }) => cosine(learningRate, minLr, progress),
  step: ({ learningRate, minLr, stepEpochs, stepFactor }, { epoch }) =>
    Math.max(minLr, learningRate * stepFactor ** stepEpochs.filter((cut) => epoch >= cut).length),
  poly: ({ learningRate, minLr, polyPower }, { progress }) =>
    minLr + (learningRate - minLr) * (1 - progress) ** polyPower,
  exponential: ({ learningRate, minLr, decayRate, decayEpochs }, { sinceWarmup }) =>
    Math.max(minLr, learningRate * decayRate ** (sinceWarmup / decayEpochs)),
  "one-cycle": (config, { progress }) => {
    const { learningRate, minLr, warmupLr } = config;
    return cycle(config, progress, warmupLr ?? learningRate / 25, learningRate, minLr);
  },
  "flat-cosine": ({ learningRate, minLr, pctStart }, { progress }) => {
    const flat = pctStart ?? 0.75;
    return progress < flat ? learningRate : cosine(learningRate, minLr, (progress - flat) / (1 - flat));
  },
};

/** Goes from `first` to `middle` during the first part of the run, and to `last` during the rest. */
function cycle({ pctStart }: Full, progress: number, first: number, middle: number, last: number): number {
  const rise = pctStart ?? 0.3;
  return progress < rise
    ? cosine(first, middle, progress / rise)
    : cosine(middle, last, (progress - rise) / (1 - rise));
}

const defaults = { ...z.object(scheduleKeys).parse({}), maxSteps: null };

/** The rate of optimiser step `step`, counted from 0 over the whole run. */
export function learningRateAt(given: ScheduleConfig, step: number, stepsPerEpoch: number): number {
  const config = { ...defaults, ...given };
  const { at, warmup, position } = positionOf(config, step, stepsPerEpoch);
  return at < warmup ? warmingUp(config, at, warmup) : shapes[config.schedule](config, position);
}

/** What a schedule has beyond the end of its run, such as of a recipe with fewer epochs; one line each. */
export function beyondTheEnd({ schedule, warmupEpochs, stepEpochs, epochs }: ScheduleSettings & Length): string[] {
  const isTooLong = schedule !== "one-cycle" && warmupEpochs > epochs;
  const hasNoCut = schedule === "step" && stepEpochs.length > 0 && stepEpochs.every((cut) => cut >= epochs);
  const run = epochs === 1 ? "one epoch" : `${epochs} epochs`;
  return [
    ...(isTooLong
      ? [`the warm-up takes ${warmupEpochs} epochs, the run ${run}: the highest rate is never reached`]
      : []),
    ...(hasNoCut ? [`the rate is cut after epochs ${stepEpochs.join(", ")}, the run has ${run}: it never falls`] : []),
  ];
}

interface Length {
  readonly epochs: number;
}

/** The momentum of a step; `undefined` if the schedule does not change it. */
export function momentumAt(given: ScheduleConfig, step: number, stepsPerEpoch: number): number | undefined {
  const config = { ...defaults, ...given };
  if (config.schedule !== "one-cycle") return undefined;
  const [low, high] = config.cycleMomentum;
  return cycle(config, positionOf(config, step, stepsPerEpoch).position.progress, high, low, high);
}

/** `at` and `warmup` in the schedule's unit: steps or epochs. */
function positionOf(config: Full, step: number, stepsPerEpoch: number) {
  const { schedule, scheduleBy, epochs, maxSteps, warmupEpochs } = config;
  const isByEpoch = scheduleBy === "epoch";
  const [at, perEpoch] = isByEpoch ? [Math.floor(step / stepsPerEpoch), 1] : [step, stepsPerEpoch];
  const warmup = schedule === "one-cycle" ? 0 : warmupEpochs * perEpoch;
  const end = Math.min(epochs * perEpoch, isByEpoch ? epochs : (maxSteps ?? Number.POSITIVE_INFINITY));
  const progress = Math.min(1, (at - warmup) / Math.max(1, end - warmup));
  return { at, warmup, position: { progress, epoch: at / perEpoch, sinceWarmup: (at - warmup) / perEpoch } };
}

function warmingUp({ warmup: kind, warmupLr, learningRate }: Full, at: number, warmup: number): number {
  if (kind === "constant") return warmupLr ?? learningRate / 10;
  if (warmupLr === null) return (learningRate * (at + 1)) / (warmup + 1);
  return warmupLr + ((learningRate - warmupLr) * at) / warmup;
}
