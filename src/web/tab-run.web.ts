/** A training run in a worker: a page's pictures in, weights and the run's file out. */

import type { TrainingEvent } from "../api/training.ts";
import { byCodePoint } from "../data/by-code-point.ts";
import { openClasses } from "../data/classes.ts";
import type { Dataset, NameIn, Sample } from "../data/dataset.ts";
import { Failures } from "../data/failures.ts";
import { holdOut } from "../data/hold-out.ts";
import { SenetError } from "../errors.ts";
import type { ChosenEngine } from "../executors/select.web.ts";
import { copyOf } from "../tensor.ts";
import { type TrainingConfig, trainingConfig, withinSteps } from "../train/config.ts";
import { parametersOf, runCourse } from "../train/course.ts";
import { countsOf, stepsIn } from "../train/create-step.ts";
import { fingerprintOf } from "../train/fingerprint.ts";
import { preprocessingOf, trainingTransformOf, validationTransformOf } from "../train/pictures.ts";
import { resumedConfig, startFrom } from "../train/resume.ts";
import { checkFinite, judgedWeights, type Resumable, type SavedRun, savedRunIn, savedRunOf } from "../train/saved.ts";
import { beginWithPatches, type SourceNetwork, sourceDefaults, startOf } from "../train/start.ts";
import { initialState, isFinished, type TrainingState } from "../train/state.ts";
import type { Checkpoint, RunState } from "../weights/checkpoint.ts";
import { encodeCheckpoint } from "../weights/checkpoint-write.ts";
import { bytesOfBlob } from "./blob.web.ts";
import type { Given, NamedPicture, RunPosition } from "./calls.web.ts";
import { blobOf } from "./hosted.web.ts";
import { pageLine } from "./page-words.ts";
import { SeenPictures } from "./seen-pictures.web.ts";
import { type Pictures, type Room, TabLoader } from "./tab-loader.web.ts";

/** Bytes of decoded pictures to keep; a page has a few GB at most, shared with the engine. */
const roomBytes = 256 * 2 ** 20;

export interface TabRunOptions extends Omit<Given<"train">, "network" | "engine" | "threads" | "runtime" | "hasSaves"> {
  /** The network to fine-tune. */
  readonly source: SourceNetwork | undefined;
  readonly engineFor: (checkpoint: Checkpoint) => Promise<ChosenEngine>;
  readonly signal: AbortSignal;
  readonly tell: (event: TrainingEvent) => void;
  /** Called with the run's file whenever it is saved. */
  readonly onSave: ((last: Blob) => void) | undefined;
}

export interface TabRunResult {
  readonly config: TrainingConfig;
  readonly state: TrainingState;
  readonly finished: boolean;
  /**
   * The network with the weights that validated best; with the current ones if none did since the run was started or
   * resumed.
   */
  readonly best: Omit<Checkpoint, "run">;
  readonly last: Blob;
  readonly engine: ChosenEngine;
}

/** Runs the training. @throws SenetError `data`, `usage`, `weights`, `training` or `executor` */
export async function tabRun(options: TabRunOptions): Promise<TabRunResult> {
  const { source, signal, tell, onSave } = options;
  const say = (line: string) => tell({ kind: "note", text: pageLine(line) });
  const given = picturesOf(options.train, "the pictures to train on");
  const earlier =
    options.resume && savedRunIn(await bytesOfBlob(options.resume, nameOf(options.resume)), nameOf(options.resume));
  const asked = earlier === undefined ? newConfig(options, given) : goingOn(earlier, options, say);
  const { train, val } = dividedBy(asked, given, options.val);

  const { batchSize, lastBatch } = asked;
  const stepsPerEpoch = stepsIn(train.dataset.samples.length, { batchSize, lastBatch }, train.dataset.root);
  const config = withinSteps(asked, stepsPerEpoch);
  const begin = earlier ?? startOf({ config, labels: train.dataset.classes, source });
  // First, since it refuses what cannot be frozen.
  parametersOf(begin.model, config);
  const data = fingerprintOf(train.dataset, val.dataset, nameIn);
  const resuming = {
    file: nameOf(options.resume),
    pictures: "the pictures",
    say,
    acceptChanges: options.acceptChanges,
  };
  const start = earlier ? startFrom(earlier, resuming, train.dataset.classes, data, stepsPerEpoch) : initialState;
  for (const note of "notes" in begin ? begin.notes : []) say(note);
  const preprocessing = preprocessingOf(config, begin.preprocessing);
  const { model, weights } = begin;
  const checkpoint = { model, labels: train.dataset.classes, preprocessing, weights };
  const engine = await options.engineFor(checkpoint);
  const { executor, facts } = engine;

  const room: Room = { left: roomBytes };
  const failing = (dataset: Dataset) => new Failures(dataset, (failure) => tell({ kind: "failure", ...failure }));
  const failures = { train: failing(train.dataset), val: failing(val.dataset) };
  const transform = trainingTransformOf(config, preprocessing);
  const partSize = config.microBatch ?? config.batchSize;
  const trainLoader = new TabLoader({
    ...train,
    batchSize: partSize,
    transform,
    seed: config.seed,
    shuffle: config.shuffle,
    room,
    dropLast: lastBatch === "leave",
    repeats: Math.max(1, config.augRepeats),
    failures: failures.train,
  });
  const valLoader = new TabLoader({
    ...val,
    batchSize: config.batchSize,
    transform: validationTransformOf(config, preprocessing),
    room,
    failures: failures.val,
  });
  if ("notes" in begin) await beginWithPatches(begin, { config, batches: () => trainLoader.epoch(0) });
  const isHead = options.keepFeatures && config.freeze === "backbone";
  const seen = isHead
    ? await SeenPictures.create(checkpoint, engine, { train, val, failures, signal, partSize, config, room, tell })
    : undefined;

  type Saved = { readonly network: Omit<Checkpoint, "run">; readonly run: SavedRun };
  let saved = undefined as Saved | undefined;
  let best: Omit<Checkpoint, "run"> | undefined;
  const lastOf = ({ network, run }: Saved) => blobOf(encodeCheckpoint({ ...network, run }));
  const result = await runCourse({
    config,
    checkpoint,
    executor,
    start,
    data,
    stepsPerEpoch,
    signal,
    say,
    onFeatures: isHead,
    reason: facts.reason,
    threads: facts.threads,
    saveEverySeconds: options.saveEverySeconds,
    counts: { train: countsOf(train.dataset), val: countsOf(val.dataset) },
    left: { ...earlier?.run },
    // So that a run stopped before its first step can be resumed, too.
    savesStart: true,
    batches: (epoch, from) => (seen ?? trainLoader).epoch(epoch, from),
    validation: () => seen?.validation() ?? valLoader.epoch(0),
    onStart: (facts) => tell({ kind: "start", ...facts }),
    onStep: (progress) => tell({ kind: "step", ...progress }),
    onEpoch: (metrics, isBest) => tell({ kind: "epoch", isBest, ...metrics }),
    onValidation: (done, total) => tell({ kind: "validation", done, total }),
    save: async (network, run, isBest) => {
      checkFinite(network, run);
      saved = { network, run };
      if (isBest) best = kept(judgedWeights(network, run));
      onSave?.(lastOf(saved));
    },
  });
  trainLoader.dispose();
  valLoader.dispose();
  const { network, run } = saved!;
  return { config, ...result, best: best ?? kept(judgedWeights(network, run)), last: lastOf({ network, run }), engine };
}

/** A copy of the weights, which further training does not change. */
const kept = (checkpoint: Omit<Checkpoint, "run">): Omit<Checkpoint, "run"> => ({
  ...checkpoint,
  weights: new Map([...checkpoint.weights].map(([name, value]) => [name, copyOf(value)])),
});

const nameOf = (blob: Blob | undefined): string => (blob instanceof File ? blob.name : "last.safetensors");

/** The names that pictures would have in folders. */
const nameIn: NameIn = (_, file) => file.normalize();

/**
 * The pictures, as class folders with these names would be read. @throws SenetError `data` where the names cannot be
 * classes
 */
function picturesOf(given: Given<"train">["train"], root: string, known?: readonly string[]): Pictures {
  const names = Object.keys(given).sort(byCodePoint);
  for (const name of names) checkClassName(name);
  const { classes, find } = openClasses(root, names, known);
  const samples: Sample[] = [];
  const pictures: NamedPicture[] = [];
  for (const name of names) {
    const label = find(name)!;
    const list = [...given[name]!].sort((a, b) => byCodePoint(a.name, b.name));
    if (list.length === 0 && known === undefined) {
      throw new SenetError("data", "a class has no pictures", {
        where: name,
        hint: "add some, or leave the class out",
      });
    }
    for (const picture of list) {
      samples.push({ file: `${name}/${picture.name}`, label });
      pictures.push(picture);
    }
  }
  return { dataset: { root, classes, samples }, pictures };
}

/** Checks that a class can be a folder, so that the run can be resumed in Node. @throws SenetError `data` */
function checkClassName(name: string): void {
  if (!/^\.{0,2}$|[/\\\0]/.test(name)) return;
  throw new SenetError("data", "a class has a name that no folder can have, but Node needs it as a folder", {
    where: JSON.stringify(name),
    hint: "another name, without / and \\",
  });
}

/** Divides the pictures into training and validation. */
function dividedBy(config: TrainingConfig, given: Pictures, val: Given<"train">["val"]) {
  const { dataset, pictures } = given;
  if (val !== undefined) {
    return { train: given, val: picturesOf(val, "the pictures to validate with", dataset.classes) };
  }
  const valSplit = config.valSplit ?? 0;
  const parts = holdOut(dataset, { valSplit, seed: config.seed }, nameIn);
  const places = new Map(dataset.samples.map(({ file }, place) => [file, place]));
  const part = (dataset: Dataset): Pictures => ({
    dataset,
    pictures: dataset.samples.map(({ file }) => pictures[places.get(file)!]!),
  });
  if (parts.val.samples.length > 0) return { train: part(parts.train), val: part(parts.val) };
  throw new SenetError("data", "there are too few pictures to keep some back", {
    where: dataset.root,
    expected: "two pictures of a class at least",
    found: `${dataset.samples.length} pictures of ${dataset.classes.length} classes`,
  });
}

/** Default batch size, for few pictures. */
const usualBatch = 16;
const usualSplit = 0.2;

/** Rates that worked best for some dozens of pictures per class (docs/log.md). */
function usualRates(freeze: unknown): Pick<Partial<TrainingConfig>, "learningRate" | "layerDecay"> {
  if (typeof freeze !== "string") return {};
  // A random head has far to go; pre-trained layers do not.
  return freeze === "backbone" ? { learningRate: 0.05 } : { learningRate: 0.03, layerDecay: 0.3 };
}

function newConfig({ source, values, val }: TabRunOptions, given: Pictures): TrainingConfig {
  const usual = {
    valSplit: val === undefined ? usualSplit : null,
    ...(source && { ...sourceDefaults(source), weights: source.from, ...usualRates(values.freeze) }),
    ...values,
  };
  const { train } = dividedBy(trainingConfig({ batchSize: usualBatch, ...usual }), given, val);
  return trainingConfig({ batchSize: Math.min(usualBatch, train.dataset.samples.length), ...usual });
}

const goingOn = (earlier: Resumable, { values }: TabRunOptions, say: (line: string) => void): TrainingConfig =>
  resumedConfig(earlier.run, { values, nameOf: (key) => key }, "the run", say);

/** The progress of a run in a file. @throws SenetError `weights` where it is impossible */
export function positionOf(run: RunState, file: string): RunPosition {
  const { config, state } = savedRunOf(run, file);
  return { config, history: state.history, finished: isFinished(state, config) };
}
