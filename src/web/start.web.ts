/**
 * The worker of a page: opens networks, and runs and trains them. A worker file of one's own is
 * `startWorker()`, or `startWorker({ runtime })` with the module of onnxruntime-web.
 */

import { SenetError } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import {
  type ChosenEngine,
  loadRuntime,
  type RuntimeFiles,
  selectEngine,
  type WebRuntime,
} from "../executors/select.web.ts";
import { checkPreprocessing } from "../images/preprocess.ts";
import { zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openFiles } from "../weights/open.ts";
import { predictionProgram } from "../weights/program.ts";
import { inferenceGraph } from "../zoo/index.ts";
import type { NetworkReply, SentEngine } from "./calls.web.ts";
import { readSource } from "./files.web.ts";
import { Hosted, type HostedFacts } from "./hosted.web.ts";
import { type Call, serveCalls } from "./serve.web.ts";

export interface WorkerOptions {
  /** The module `onnxruntime-web`, imported by the worker itself: for bundlers, and where no address may be imported. */
  readonly runtime?: WebRuntime;
}

export type { WebRuntime };

/** Answers the page from now on. To be called once, when the worker begins. */
export function startWorker(options: WorkerOptions = {}): void {
  const networks = new Map<number, Hosted>();
  let count = 0;
  let runtime: Promise<WebRuntime> | undefined;
  const handedIn = options.runtime;

  const runtimeFor = (files: RuntimeFiles | undefined): Promise<WebRuntime> | undefined => {
    if (handedIn !== undefined) return Promise.resolve(handedIn);
    if (files === undefined) return undefined;
    // A second one would be a second module with a memory of its own.
    runtime ??= loadRuntime(files);
    return runtime;
  };
  const engineFor = async ({ engine, threads, runtime: files }: SentEngine, checkpoint: Checkpoint) => {
    const runtime = engine === "reference" ? undefined : await runtimeFor(files);
    return selectEngine({ engine, threads, runtime, measure: (executor) => timed(executor, checkpoint) });
  };
  const add = (checkpoint: Checkpoint, facts: HostedFacts): NetworkReply => {
    const network = count++;
    networks.set(network, new Hosted(checkpoint, facts));
    const { model, labels, preprocessing } = checkpoint;
    const { format, notes, run } = facts;
    return { network, model, labels, preprocessing, format, notes, engine: facts.engine.facts, run };
  };
  const at = (network: number): Hosted => {
    const hosted = networks.get(network);
    if (hosted === undefined) throw new SenetError("executor", "it was disposed of and cannot run");
    return hosted;
  };

  const open = async ({ given, signal, tell }: Call<"open">): Promise<NetworkReply> => {
    const { sources, model, from, labels, preprocessing, cache } = given;
    const say = (note: string) => tell({ note });
    const files = [];
    for (const source of sources) files.push(await readSource(source, { cache, signal, onProgress: tell, say }));
    tell({ phase: "open", loaded: 0, total: undefined });
    const isMeanSaid = preprocessing?.mean !== undefined;
    const { checkpoint, format, notes } = await openFiles(files, {
      ...(model !== undefined && { model }),
      ...(from !== undefined && { from }),
      ...(labels !== undefined && { labels }),
      isMeanSaid,
    });
    signal.throwIfAborted();
    const wanted = { ...checkpoint.preprocessing, ...preprocessing };
    // A mean for each pixel stands in the place of those of the channels.
    if (isMeanSaid && preprocessing.meanImage === undefined) delete wanted.meanImage;
    if (isMeanSaid && preprocessing.byPicture === undefined) delete wanted.byPicture;
    checkPreprocessing(wanted);
    const opened = { ...checkpoint, preprocessing: wanted };
    tell({ phase: "measure", loaded: 0, total: undefined });
    const engine = await engineFor(given, opened);
    signal.throwIfAborted();
    return add(opened, { engine, format, notes, run: undefined });
  };

  serveCalls({
    open,
    classify: async ({ given: { network, pictures, top }, signal }) => at(network).classify(pictures, top, signal),
    features: async ({ given: { network, pictures }, signal }) => at(network).features(pictures, signal),
    gates: async ({ given: { network, picture } }) => at(network).gates(picture),
    explain: async ({ given }) => at(given.network).explain(given),
    save: async ({ given: { network, format } }) => at(network).save(format),
    train: async () => {
      throw new SenetError("executor", "training in the tab is being written");
    },
    checkpoint: async () => {
      throw new SenetError("executor", "training in the tab is being written");
    },
    release: async ({ given: { network } }) => {
      const hosted = at(network);
      networks.delete(network);
      await hosted.dispose();
      return undefined;
    },
  });
}

export type { ChosenEngine };

/** Milliseconds that an engine takes for one picture. */
async function timed(executor: Executor, checkpoint: Checkpoint): Promise<number> {
  const { model, preprocessing } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = predictionProgram(graph, checkpoint);
  await using network = await executor.compile(program.graph, program.weights);
  const inputs = new Map(graph.inputs.map(({ name, type }) => [name, zeros(type.dtype, type.shape)]));
  await network.run(inputs);
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await network.run(inputs);
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}
