/**
 * Parses JSON bodies. Large ones are parsed in a separate thread, since 30 MB of numbers would block the main thread for a
 * second. The thread's heap is limited, so that a hostile body ends this thread only.
 */

import { causeText, SenetError } from "../errors.ts";
import { availableMemory, scriptThreadsThatFit } from "../memory.node.ts";
import { ownFile } from "../own-file.node.ts";
import { type ListedPictures, listedPictures, type PictureLimits } from "./json-pictures.node.ts";
import { type Inference, parseInference } from "./kserve.ts";
import { timedOut, unavailable, type Wish } from "./pool.node.ts";
import { Refusal } from "./refusal.ts";
import { Thread } from "./thread.node.ts";

export interface InferenceBody {
  readonly body: Uint8Array;
  readonly headerLength: string | undefined;
  readonly model: { readonly input: readonly number[] };
  readonly most: number;
}

export type ReadOrder =
  | ({ readonly kind: "inference" } & InferenceBody)
  | { readonly kind: "pictures"; readonly body: Uint8Array; readonly limits: PictureLimits };

export interface ReaderOptions {
  /** Bytes of the largest body. */
  readonly bodyBytes: number;
  /** Bodies up to this size are parsed in the calling thread; sending them would take as long. */
  readonly smallBytes?: number;
  readonly say: (line: string) => void;
}

/** Heap for parsing, as a multiple of the largest body; less if less memory is available. */
const timesLarger = 5;
const leastMiB = 64;

export class BodyReader {
  readonly #options: ReaderOptions;
  #thread: Thread<ReadOrder> | undefined;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** @throws Refusal 400, 413; 503 where it cannot be read in time; the signal's reason */
  pictures(body: Uint8Array, limits: PictureLimits, wish: Wish): Promise<ListedPictures> {
    return this.#read({ kind: "pictures", body, limits }, wish) as Promise<ListedPictures>;
  }

  /** @throws Refusal as `pictures` */
  inference(sent: InferenceBody, wish: Wish): Promise<Inference> {
    return this.#read({ kind: "inference", ...sent }, wish) as Promise<Inference>;
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }

  async #read(order: ReadOrder, wish: Wish): Promise<unknown> {
    const { bodyBytes, smallBytes = 128 * 1024, say } = this.#options;
    if (jsonBytes(order) <= smallBytes) return readBody(order);
    const lacks = (cause: unknown): Refusal => {
      say(`a body could not be read: ${causeText(cause)}`);
      return unavailable("the body takes too much to read");
    };
    try {
      this.#thread ??= this.#opened(Math.min(timesLarger * bodyBytes, availableMemory() / 4) / 2 ** 20);
    } catch (error) {
      throw lacks(error);
    }
    const body = ownMemory(order.body);
    try {
      return await inTime(this.#thread.ask({ ...order, body }, [body.buffer]), wish);
    } catch (error) {
      if (error instanceof Refusal || error instanceof SenetError || error === wish.signal.reason) throw error;
      throw lacks(error);
    }
  }

  /** @throws SenetError `usage` where `ulimit -v` leaves no room */
  #opened(heapMiB: number): Thread<ReadOrder> {
    scriptThreadsThatFit("to read a body in");
    const thread = new Thread<ReadOrder>(ownFile("./reader-worker.node.js", import.meta.url), undefined, {
      maxOldGenerationSizeMb: Math.max(leastMiB, Math.ceil(heapMiB)),
    });
    void thread.lost.then(() => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    return thread;
  }
}

/** The body with its own memory, which can be transferred; copied only if it shares its memory. */
const ownMemory = (body: Uint8Array): Uint8Array<ArrayBuffer> =>
  body.buffer instanceof ArrayBuffer && body.byteLength === body.buffer.byteLength
    ? (body as Uint8Array<ArrayBuffer>)
    : new Uint8Array(body);

/** Size of the JSON part; the binary part is not parsed. */
const jsonBytes = ({ body, ...order }: ReadOrder): number =>
  Math.min(body.length, order.kind === "inference" ? Number(order.headerLength ?? body.length) || 0 : body.length);

/** @throws Refusal */
export const readBody = (order: ReadOrder): ListedPictures | Inference =>
  order.kind === "pictures"
    ? listedPictures(order.body, order.limits)
    : parseInference(order.body, order.headerLength, order.model, order.most);

/** @throws Refusal 503 at the deadline; the signal's reason */
function inTime<T>(work: Promise<T>, { signal, deadline }: Wish): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    const timer = setTimeout(() => reject(timedOut(1)), Math.max(0, deadline - performance.now()));
    signal.addEventListener("abort", leave);
    void work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
    });
  });
}
