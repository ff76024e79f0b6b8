/**
 * The worker of a page: opens networks, and runs and trains them. A worker file of one's own is
 * `startWorker()`, or `startWorker({ runtime })` with the module of onnxruntime-web.
 */

import { SenetError } from "../errors.ts";
import type { Executor } from "../executors/executor.ts";
import { loadRuntime, type RuntimeFiles, selectEngine, type WebRuntime } from "../executors/select.web.ts";
import { checkPreprocessing } from "../images/preprocess.ts";
import { zeros } from "../tensor.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Opened } from "../weights/open.ts";
import { inferenceProgram } from "../weights/program.ts";
import type { WeightFile } from "../weights/source.ts";
import { inferenceGraph } from "../zoo/graphs.ts";
import type { Given, NetworkReply, SentEngine, TrainReply } from "./calls.web.ts";
import { readSource } from "./files.web.ts";
import { blobOf, Hosted, type HostedFacts } from "./hosted.web.ts";
import { openOwn } from "./own-file.web.ts";
import { pageLine } from "./page-words.ts";
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
    const { format, run } = facts;
    const notes = facts.notes.map(pageLine);
    return { network, model, labels, preprocessing, format, notes, engine: facts.engine.facts, run };
  };
  const at = (network: number): Hosted => {
    const hosted = networks.get(network);
    if (hosted === undefined) throw new SenetError("executor", "it was disposed of and cannot run");
    return hosted;
  };

  const open = async ({ given, signal, tell }: Call<"open">): Promise<NetworkReply> => {
    const { sources, preprocessing, cache } = given;
    const say = (note: string) => tell({ note });
    const files = [];
    for (const source of sources) files.push(await readSource(source, { cache, signal, onProgress: tell, say }));
    tell({ phase: "open", loaded: 0, total: undefined });
    const isMeanSaid = preprocessing?.mean !== undefined;
    const { checkpoint, format, notes } = await opened(files, given, isMeanSaid);
    signal.throwIfAborted();
    const wanted = { ...checkpoint.preprocessing, ...preprocessing };
    // A mean for each pixel stands in the place of those of the channels.
    if (isMeanSaid && preprocessing.meanImage === undefined) delete wanted.meanImage;
    if (isMeanSaid && preprocessing.byPicture === undefined) delete wanted.byPicture;
    checkPreprocessing(wanted);
    const ready = { ...checkpoint, preprocessing: wanted };
    tell({ phase: "measure", loaded: 0, total: undefined });
    const engine = await engineFor(given, ready);
    signal.throwIfAborted();
    const { run, ...network } = ready;
    const file = files.map(({ where }) => where).join(", ");
    const isRun = run !== undefined && sources.length === 1;
    const last = isRun ? blobOf([files[0]!.bytes]) : undefined;
    const position = run && (await training()).positionOf(run, file);
    return add(network, { ...{ engine, format, notes, file, run: position }, ...(last && { last }) });
  };

  const train = async ({ given, signal, tell }: Call<"train">): Promise<TrainReply> => {
    const { network, engine: _, threads: __, runtime: ___, hasSaves, ...rest } = given;
    const source = network === undefined ? undefined : at(network);
    const { tabRun } = await training();
    const result = await tabRun({
      ...rest,
      ...{ signal, tell, source: source && { ...source.checkpoint, from: source.facts.file } },
      engineFor: async (checkpoint) => source?.facts.engine ?? (await engineFor(given, checkpoint)),
      onSave: hasSaves ? (last) => tell({ kind: "saved", last }) : undefined,
    });
    const { config, state, finished, best, last, engine } = result;
    const { history, bestTop1Error: top1Error } = state;
    const facts = { engine, last, notes: [], format: "safetensors" as const, file: "best.safetensors" };
    const reply = add(best, { ...facts, run: { config, history, finished } });
    return {
      ...{ network: reply, config, finished, top1Error, history, last },
      best: await at(reply.network).save("safetensors"),
    };
  };

  serveCalls({
    open,
    classify: async ({ given: { network, pictures, top }, signal }) => at(network).classify(pictures, top, signal),
    features: async ({ given: { network, pictures }, signal }) => at(network).features(pictures, signal),
    gates: async ({ given: { network, picture }, signal }) => at(network).gates(picture, signal),
    explain: async ({ given, signal }) => at(given.network).explain(given, signal),
    save: async ({ given: { network, format } }) => at(network).save(format),
    train,
    checkpoint: async ({ given: { network } }) => {
      const { last } = at(network).facts;
      if (last !== undefined) return last;
      throw new SenetError("usage", "this network did not come out of a run", {
        where: at(network).checkpoint.model.name,
        hint: "`save` gives its weights",
      });
    },
    release: async ({ given: { network } }) => {
      const hosted = at(network);
      networks.delete(network);
      await hosted.dispose();
      return undefined;
    },
  });
}

/** Loaded when it is wanted: most pages do not train. */
const training = () => import("./tab-run.web.ts");

/** Our own files by a short way; what reads all the others' is loaded when such a file comes. */
async function opened(
  files: readonly WeightFile[],
  { model, from, labels }: Given<"open">,
  isMeanSaid: boolean,
): Promise<Pick<Opened, "checkpoint" | "format" | "notes">> {
  const isAsked = model !== undefined || from !== undefined || labels !== undefined;
  const own = isAsked ? undefined : await openOwn(files);
  if (own !== undefined) return own;
  const { openFiles } = await import("../weights/open.ts");
  return openFiles(files, {
    ...(model !== undefined && { model }),
    ...(from !== undefined && { from }),
    ...(labels !== undefined && { labels }),
    isMeanSaid,
  });
}

/** Milliseconds that an engine takes for one picture. */
async function timed(executor: Executor, checkpoint: Checkpoint): Promise<number> {
  const { model, preprocessing } = checkpoint;
  const graph = inferenceGraph(model, { batch: 1, imageSize: preprocessing.crop });
  const program = inferenceProgram(graph, checkpoint);
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
