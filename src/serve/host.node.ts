/** The networks that one thread has open, and what it does with them. */

import { openNetwork } from "../api/network.node.ts";
import { SenetError } from "../errors.ts";
import { checkChannels } from "../evaluate/channels.ts";
import { predictionsOf } from "../evaluate/classify.ts";
import { Features } from "../evaluate/features.ts";
import { type Decode, pixelsOf } from "../evaluate/picture-input.ts";
import type { Executable, Executor } from "../executors/executor.ts";
import { Explainer } from "../explain/explainer.ts";
import { overlaid } from "../explain/heat.ts";
import { encodePng, openBytes } from "../images/decode.node.ts";
import { planesOf, preprocess } from "../images/preprocess.ts";
import { type Tensor, tensor, zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { inferenceProgram } from "../weights/program.ts";
import { inferenceGraph, inputName } from "../zoo/index.ts";
import { hashOf } from "./files.node.ts";
import { refusalOf } from "./refusal.ts";
import type { Explained, ExplainWork, ModelFacts, ModelSource, Outcome, Work } from "./work.node.ts";

export class Host {
  readonly #decode: Decode;
  readonly #networks = new Map<string, HostedNetwork>();

  /** @param mostPixels of a picture, by its header, before it is decoded */
  constructor(mostPixels: number) {
    this.#decode = limited(mostPixels);
  }

  /** @throws SenetError as `load` of the library, `io` where the files cannot be read */
  async load(key: string, source: ModelSource): Promise<ModelFacts> {
    const network = await HostedNetwork.open(source, this.#decode);
    this.#networks.set(key, network);
    return network.facts;
  }

  async drop(key: string): Promise<void> {
    const network = this.#networks.get(key);
    this.#networks.delete(key);
    await network?.dispose();
  }

  /** One outcome for each. Those that only ask for logits, or for what is read off them, go through the network together. */
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

/** How many at once a measurement tries. */
const triedBatch = 8;
/** Times faster that pictures have to become by going together: they wait for each other's decoding. */
const worthwhileGain = 1.25;

class HostedNetwork {
  readonly facts: ModelFacts;
  readonly #checkpoint: Checkpoint;
  readonly #executor: Executor;
  readonly #threads: { readonly threads?: number };
  readonly #decode: Decode;
  readonly #single: Executable;
  /** For several at once. */
  readonly #several: Executable | undefined;
  #features: Promise<Features> | undefined;
  /** The last one that was asked for: each has the network's weights once more. */
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
    this.#threads = opened.threads === undefined ? {} : { threads: opened.threads };
    this.#decode = decode;
    this.#single = executables.single;
    this.#several = executables.several;
  }

  static async open({ files, options, batch }: ModelSource, decode: Decode): Promise<HostedNetwork> {
    const hash = await hashOf(files);
    const { checkpoint, executor, reason, notes } = await openNetwork(files, options);
    checkChannels(checkpoint);
    const { model, preprocessing, labels } = checkpoint;
    const input = [planesOf(preprocessing), preprocessing.crop, preprocessing.crop] as const;
    const compiled = async (size: number) => {
      const graph = inferenceGraph(model, { batch: size, imageSize: preprocessing.crop });
      const program = inferenceProgram(graph, checkpoint);
      const { threads } = options;
      return executor.compile(program.graph, program.weights, threads === undefined ? {} : { threads });
    };
    const single = await compiled(1);
    const asked = batch === 1 ? undefined : await compiled(batch === "auto" ? triedBatch : batch);
    const took = await measured(single, batch === "auto" ? asked : undefined, input);
    const isWorthwhile = took.gain === undefined || took.gain >= worthwhileGain;
    if (!isWorthwhile) await asked!.dispose();
    const several = isWorthwhile ? asked : undefined;
    const most = several === undefined ? 1 : batch === "auto" ? triedBatch : batch;
    const found = took.gain === undefined ? "" : `, ${triedBatch} at once ${took.gain.toFixed(1)} times as fast`;
    const together = most === 1 ? "one at a time" : `up to ${most} at once`;
    const speed = `${took.milliseconds.toFixed(1)} ms a picture${found}: ${together}`;
    const facts: ModelFacts = {
      ...{ network: model.name, labels, input, hash, executor: executor.name, batch: most },
      notes: [...notes, `executor ${executor.name}: ${reason}`, speed],
    };
    return new HostedNetwork({ checkpoint, executor, threads: options.threads }, facts, decode, { single, several });
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

  /** What goes through the network with those of others; nothing for work that has its own way. */
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
      overlay: overlay ? await encodePng(overlaid(input, heat)) : undefined,
    };
  }
}

/** @throws what is not the client's fault */
async function outcomeOf<A>(answer: () => Promise<A> | A): Promise<Outcome<A>> {
  try {
    return { answer: await answer() };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    return { refusal };
  }
}

/** Turns that each has: the shortest counts, whatever else the machine does. */
const turns = 5;

/** Milliseconds that a picture takes alone, and how many times as fast `triedBatch` of them go together, if that is asked. */
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
