/** The worker of a page: opens, runs and trains networks. */

import { SenetError } from "../errors.ts";
import { loadRuntime, type RuntimeFiles, selectEngine, type WebRuntime } from "../executors/select.web.ts";
import type { Preprocessing } from "../images/preprocess.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import type { Opened } from "../weights/opened.ts";
import type { WeightFile } from "../weights/source.ts";
import type { Given, NetworkReply, SentEngine, TrainReply } from "./calls.web.ts";
import { inPageWords } from "./error-to-page.ts";
import { readSource } from "./files.web.ts";
import { blobOf, Hosted, type HostedFacts } from "./hosted.web.ts";
import { openOwn } from "./own-file.web.ts";
import { type Call, serveCalls } from "./serve.web.ts";

export interface WorkerOptions {
  /**
   * The module `onnxruntime-web`, imported by the worker itself: for bundlers, and for pages that cannot import from
   * addresses.
   */
  readonly runtime?: WebRuntime;
}

/** Starts answering the page. */
export function answerPage(options: WorkerOptions): void {
  const networks = new Map<number, Hosted>();
  let count = 0;
  let runtime: Promise<WebRuntime> | undefined;
  const handedIn = options.runtime;

  const runtimeFor = (files: RuntimeFiles | undefined): Promise<WebRuntime> | undefined => {
    if (handedIn !== undefined) return Promise.resolve(handedIn);
    if (files === undefined) return undefined;
    // Loaded only once: a second one would be a second module with its own memory.
    runtime ??= loadRuntime(files);
    return runtime;
  };
  const engineFor = async ({ engine, threads, runtime: files }: SentEngine, checkpoint: Checkpoint) => {
    const runtime = engine === "reference" ? undefined : await runtimeFor(files);
    return selectEngine({
      engine,
      threads,
      runtime,
      measure: async (executor) => (await import("./timed.ts")).timed(executor, checkpoint),
    });
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
    const { sources, preprocessing, cache } = given;
    const say = (note: string) => tell({ note });
    const files = [];
    for (const source of sources) files.push(await readSource(source, { cache, signal, onProgress: tell, say }));
    tell({ phase: "open", loaded: 0, total: undefined });
    const isMeanSaid = preprocessing?.mean !== undefined;
    const { checkpoint, format, notes } = await opened(files, given, isMeanSaid);
    signal.throwIfAborted();
    for (const { keep } of files) await keep?.();
    signal.throwIfAborted();
    const ready = preprocessing === undefined ? checkpoint : await withOverridden(checkpoint, preprocessing);
    tell({ phase: "measure", loaded: 0, total: undefined });
    const engine = await engineFor(given, ready);
    signal.throwIfAborted();
    const { run, ...network } = ready;
    const file = files.map(({ where }) => where).join(", ");
    const isRun = run !== undefined && sources.length === 1;
    const last = isRun ? blobOf([files[0]!.bytes]) : undefined;
    const position = run && (await training()).positionOf(run, file);
    return add(network, {
      engine,
      format,
      notes: await inPageWords(notes),
      file,
      run: position,
      ...(last && { last }),
    });
  };

  const train = async (call: Call<"train">): Promise<TrainReply> => {
    const { network } = call.given;
    const source = network === undefined ? undefined : at(network);
    const { trained } = await training();
    const { best, facts, ...rest } = await trained(call, source, (checkpoint) => engineFor(call.given, checkpoint));
    const reply = add(best, facts);
    return { ...rest, network: reply, best: await at(reply.network).save("safetensors") };
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

async function withOverridden(checkpoint: Checkpoint, given: Partial<Preprocessing>): Promise<Checkpoint> {
  const { overridden } = await import("../images/check-preprocessing.ts");
  return { ...checkpoint, preprocessing: overridden(checkpoint.preprocessing, given) };
}

/** Loaded on demand: most pages do not train. */
const training = () => import("./train-call.web.ts");

/** Opens our own files directly; the readers of other formats are loaded on demand. */
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
