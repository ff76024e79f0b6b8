/** The networks open in one thread, and the work it does with them. */

import { openNetwork } from "../api/open-network.node.ts";
import { SenetError } from "../errors.ts";
import { checkChannels } from "../evaluate/channels.ts";
import { predictionsOf } from "../evaluate/classify.ts";
import { Features } from "../evaluate/features.ts";
import { type Decode, pixelsOf } from "../evaluate/picture-input.ts";
import type { CompileOptions, Executable, Executor } from "../executors/executor.ts";
import { selectExecutor } from "../executors/select.node.ts";
import { Explainer } from "../explain/explainer.ts";
import { overlaid } from "../explain/heat.ts";
import { encodePng, openBytes } from "../images/decode.node.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import { returnFreed } from "../memory.node.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { hashOf, stampOf } from "./files.node.ts";
import { refusalOf } from "./refusal.ts";
import type { Explained, ExplainWork, ModelFacts, ModelSource, Outcome, Work } from "./work.node.ts";

export class Host {
  readonly #decode: Decode;
  readonly #networks = new Map<string, HostedNetwork>();

  /** @param mostPixels most pixels of a picture, checked in its header before it is decoded */
  constructor(mostPixels: number) {
    this.#decode = limited(mostPixels);
  }

  /** Opens a network. @throws SenetError as the library's `load`; `io` where the files cannot be read */
  async load(key: string, source: ModelSource): Promise<ModelFacts> {
    const network = await HostedNetwork.open(source, this.#decode);
    this.#networks.set(key, network);
    // Measuring has opened the network on other engines too.
    returnFreed();
    return network.facts;
  }

  async drop(key: string): Promise<void> {
    const network = this.#networks.get(key);
    this.#networks.delete(key);
    await network?.dispose();
    returnFreed();
  }

  /**
   * One outcome per work item. Items that only need logits, or what follows from them, go through the network as a
   * batch.
   */
  answer(key: string, works: readonly Work[]): Promise<readonly Outcome[]> {
    const network = this.#networks.get(key);
    if (network === undefined) throw new Error(`no network ${key} is open here`);
    return network.answer(works);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#networks.keys()].map((key) => this.drop(key)));
  }
}

const limited =
  (mostPixels: number): Decode =>
  (bytes, name) => {
    const opened = openBytes(bytes, name);
    const { width, height } = opened.size ?? { width: 0, height: 0 };
    if (width * height <= mostPixels) return opened.decode();
    throw new SenetError("data", "the picture has too many pixels", {
      where: name,
      expected: `at most ${mostPixels}`,
      found: `${width} × ${height}`,
      hint: "make it smaller",
    });
  };

/** Batch size tried in measurements. */
const triedBatch = 8;
/** Required speed-up of batching, since pictures wait for each other's decoding. */
const worthwhileGain = 1.25;
/** Required speed-up of another engine over the usual one. */
const worthwhileChange = 1.1;

class HostedNetwork {
  readonly facts: ModelFacts;
  readonly #checkpoint: Checkpoint;
  readonly #executor: Executor;
  readonly #threads: Pick<CompileOptions, "threads">;
  readonly #decode: Decode;
  readonly #single: Executable;
  /** The network compiled for batches. */
  readonly #several: Executable | undefined;
  #features: Promise<Features> | undefined;
  /** Only the last explainer is kept: each has its own copy of the weights. */
  #explainer: { readonly how: string; readonly made: Promise<Explainer> } | undefined;

  private constructor(
    opened: { readonly checkpoint: Checkpoint; readonly executor: Executor; readonly threads: number | undefined },
    facts: ModelFacts,
    decode: Decode,
    executables: { readonly single: Executable; readonly several: Executable | undefined },
  ) {
    this.facts = facts;
    this.#checkpoint = opened.checkpoint;
    this.#executor = opened.executor;
    this.#threads = { threads: opened.threads };
    this.#decode = decode;
    this.#single = executables.single;
    this.#several = executables.several;
  }

  static async open({ files, options, batch }: ModelSource, decode: Decode): Promise<HostedNetwork> {
    const before = await stampOf(files);
    const { checkpoint, executor, reason, notes, files: read } = await openNetwork(files, options);
    const hash = await hashOf(read);
    if ((await stampOf(files)) !== before)
      throw new SenetError("io", "the files changed while they were read", { where: files.join(", ") });
    const all = [...new Set([...files, ...read])];
    const opened = { hash, files: all, stamp: await stampOf(all) };
    checkChannels(checkpoint);
    const { model, preprocessing, labels } = checkpoint;
    const input = [planesOf(preprocessing), preprocessing.crop, preprocessing.crop] as const;
    const compiled = async (executor: Executor, size: number) => {
      const graph = inferenceGraph(model, { batch: size, imageSize: preprocessing.crop });
      const program = await inferenceProgram(graph, checkpoint);
      const { threads } = options;
      return executor.compile(program.graph, program.weights, { threads });
    };
    const tried = [await tryOut(executor, reason, batch, input, compiled)];
    const other = batch === "auto" ? await otherExecutor(executor, options, checkpoint) : undefined;
    if (other !== undefined) tried.push(await tryOut(other, "faster here than the default", batch, input, compiled));
    // The usual engine comes first.
    const [usual, second] = tried as [Tried, Tried?];
    const isChanged = second !== undefined && usual.milliseconds >= worthwhileChange * second.milliseconds;
    const [chosen, left] = isChanged ? [second, usual] : [usual, second];
    await Promise.all([left?.single.dispose(), left?.several?.dispose()]);
    const facts: ModelFacts = {
      network: model.name,
      labels,
      input,
      ...opened,
      executor: chosen.executor.name,
      batch: chosen.most,
      ...(isChanged && { chosen: chosen.executor.name }),
      notes: [
        ...notes,
        `executor ${chosen.executor.name}: ${chosen.reason}`,
        chosen.speed,
        ...(left === undefined ? [] : [`executor ${left.executor.name}: ${left.speed}`]),
      ],
    };
    return new HostedNetwork(
      { checkpoint, threads: options.threads, executor: chosen.executor },
      facts,
      decode,
      chosen,
    );
  }

  async answer(works: readonly Work[]): Promise<readonly Outcome[]> {
    const inputs = await Promise.all(works.map((work) => outcomeOf(() => this.#inputOf(work))));
    const images = inputs.flatMap((input) => ("answer" in input && input.answer !== undefined ? [input.answer] : []));
    const logits = images.length === 0 ? undefined : await this.#logits(images);
    let row = 0;
    const outcomes: Outcome[] = [];
    for (const [i, work] of works.entries()) {
      const input = inputs[i]!;
      if ("refusal" in input) outcomes.push(input);
      else if (work.kind === "classify") outcomes.push(await outcomeOf(() => this.#predictions(logits!, row++, work)));
      else if (work.kind === "infer") {
        const classes = logits!.shape[1]!;
        outcomes.push({ answer: Float32Array.from(logits!.data.subarray(row * classes, ++row * classes)) });
      } else if (work.kind === "features") outcomes.push(await outcomeOf(() => this.#featuresOf(work.picture)));
      else outcomes.push(await outcomeOf(() => this.#explained(work)));
    }
    return outcomes;
  }

  async dispose(): Promise<void> {
    await Promise.all([this.#single.dispose(), this.#several?.dispose()]);
    const made = await Promise.allSettled([this.#features, this.#explainer?.made]);
    await Promise.all(made.map(async (result) => result.status === "fulfilled" && (await result.value?.dispose())));
  }

  /** The input for a batch; `undefined` for work that cannot be batched. */
  async #inputOf(work: Work): Promise<Float32Array | undefined> {
    if (work.kind === "infer") return work.image;
    if (work.kind !== "classify") return undefined;
    return preprocess(await pixelsOf(work.picture, this.#decode), this.#checkpoint.preprocessing);
  }

  async #logits(images: readonly Float32Array[]): Promise<Tensor> {
    const shape = [images.length, ...this.facts.input];
    const together = images.length === 1 ? images[0]! : new Float32Array(images.length * images[0]!.length);
    if (images.length > 1) for (const [i, image] of images.entries()) together.set(image, i * image.length);
    const network = images.length === 1 ? this.#single : (this.#several ?? this.#single);
    return (await network.run(new Map([[inputName, tensor(shape, together)]]))).get("logits")!;
  }

  #predictions(logits: Tensor, row: number, { top, picture }: Extract<Work, { readonly kind: "classify" }>) {
    return predictionsOf(logits, row, { labels: this.facts.labels, top, file: picture.name });
  }

  async #featuresOf(picture: { readonly name: string; readonly bytes: Uint8Array }): Promise<Float32Array> {
    this.#features ??= Features.create(this.#checkpoint, this.#executor, { ...this.#threads, decode: this.#decode });
    return (await this.#features).of(picture);
  }

  async #explained({ picture, method, stage, target, top, overlay }: ExplainWork): Promise<Explained> {
    const how = `${method} ${stage}`;
    if (this.#explainer?.how !== how) {
      const last = this.#explainer;
      const options = { ...this.#threads, method, stage, decode: this.#decode };
      this.#explainer = { how, made: Explainer.create(this.#checkpoint, this.#executor, options) };
      await last?.made.then(
        (explainer) => explainer.dispose(),
        () => {},
      );
    }
    const { predictions, heat, input, ...found } = await (await this.#explainer.made).explain(picture, { target, top });
    return {
      predictions,
      target: found.target,
      heat,
      region: found.region,
      overlay: overlay ? await encodePng(overlaid(input, heat)) : undefined,
    };
  }
}

/** A network on an executor, with its speed. */
interface Tried {
  readonly executor: Executor;
  readonly reason: string;
  readonly single: Executable;
  readonly several: Executable | undefined;
  /** Best batch size. */
  readonly most: number;
  /** Milliseconds per picture at that batch size. */
  readonly milliseconds: number;
  readonly speed: string;
}

async function tryOut(
  executor: Executor,
  reason: string,
  batch: number | "auto",
  input: readonly number[],
  compiled: (executor: Executor, size: number) => Promise<Executable>,
): Promise<Tried> {
  const single = await compiled(executor, 1);
  const asked = batch === 1 ? undefined : await compiled(executor, batch === "auto" ? triedBatch : batch);
  const { milliseconds, gain } = await measured(single, batch === "auto" ? asked : undefined, input);
  const isWorthwhile = gain === undefined || gain >= worthwhileGain;
  if (!isWorthwhile) await asked!.dispose();
  const several = isWorthwhile ? asked : undefined;
  const most = several === undefined ? 1 : batch === "auto" ? triedBatch : batch;
  const found = gain === undefined ? "" : `, ${triedBatch} at once ${gain.toFixed(1)} times as fast`;
  const together = most === 1 ? "one at a time" : `up to ${most} at once`;
  const speed = `${milliseconds.toFixed(1)} ms a picture${found}: ${together}`;
  return {
    executor,
    reason,
    single,
    several,
    most,
    speed,
    milliseconds: milliseconds / (several === undefined ? 1 : (gain ?? 1)),
  };
}

/** The other fast engine, if none was requested and it is available; eight bits and bf16 have a fixed one. */
async function otherExecutor(
  { name }: Executor,
  { executor, precision = "float32" }: ModelSource["options"],
  { quantization }: Checkpoint,
): Promise<Executor | undefined> {
  const other = { ort: "onednn", onednn: "ort" }[name];
  if (executor !== undefined || precision !== "float32" || quantization !== undefined || other === undefined) return;
  try {
    return (await selectExecutor({ name: other })).executor;
  } catch (error) {
    if (error instanceof SenetError) return undefined;
    throw error;
  }
}

/** Catches the client's faults. @throws all others */
async function outcomeOf<A>(answer: () => Promise<A> | A): Promise<Outcome<A>> {
  try {
    return { answer: await answer() };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return { refusal };
  }
}

/** Number of measurements of each; the fastest counts, since other programs may interfere. */
const turns = 5;

/** Milliseconds for a single picture and, if requested, the speed-up of a batch of `triedBatch`. */
async function measured(
  single: Executable,
  several: Executable | undefined,
  input: readonly number[],
): Promise<{ readonly milliseconds: number; readonly gain: number | undefined }> {
  const least = { alone: Number.POSITIVE_INFINITY, together: Number.POSITIVE_INFINITY };
  const run = async (network: Executable, count: number): Promise<number> => {
    const inputs = new Map([[inputName, zeros("float32", [count, ...input])]]);
    const start = performance.now();
    await network.run(inputs);
    return (performance.now() - start) / count;
  };
  for (let i = 0; i < turns; i++) {
    least.alone = Math.min(least.alone, await run(single, 1));
    if (several !== undefined) least.together = Math.min(least.together, await run(several, triedBatch));
  }
  return { milliseconds: least.alone, gain: several === undefined ? undefined : least.alone / least.together };
}
