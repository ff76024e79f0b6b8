/** The page's connection to its worker: calls with results, progress messages, and cancellation. */

import { causeText, SenetError } from "../errors.ts";
import type { CallName, Given, Gives, Told } from "./calls.web.ts";
import { receivedError, type SentError } from "./sent-error.ts";
import { version } from "./version.ts";

/** Messages from the page. */
export type Asked =
  | { readonly kind: "call"; readonly id: number; readonly name: CallName; readonly given: unknown }
  | { readonly kind: "stop"; readonly id: number };

/** Messages from the worker; the first one says that it is ready. */
export type Answered =
  | { readonly kind: "senet"; readonly version: string }
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "told"; readonly id: number; readonly told: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: SentError };

export interface CallOptions<Name extends CallName> {
  /** Aborts the call: it rejects at once with the signal's reason, and the worker stops when it can. */
  readonly signal?: AbortSignal | undefined;
  /** Asks the worker to finish early; it still returns a result. */
  readonly stop?: AbortSignal | undefined;
  readonly onTold?: ((told: Told<Name>) => void) | undefined;
  /** The parts of `given` to transfer to the worker rather than copy. */
  readonly transfer?: readonly Transferable[] | undefined;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
  readonly onTold: ((told: never) => void) | undefined;
}

/** The source of the worker: an address, or a function that creates one; default: the library's own file. */
export type WorkerSource = string | URL | (() => Worker);

/** Timeout for the worker's start: a script may load slowly, but another program's would never answer. */
const startMilliseconds = 60_000;

const scriptHint = "`worker`: the address of a bundle of senet/web/worker on the page's own origin (docs/browser.md)";

/** A reference-counted worker, which ends with its last holder. */
export class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** Messages to send once it is ready. */
  #unsent: (() => void)[] | undefined = [];
  readonly #limit: ReturnType<typeof setTimeout>;
  #calls = 0;
  #holders = 1;
  #end: SenetError | undefined;

  /** @throws SenetError `executor` where the browser does not allow the worker */
  constructor(source: WorkerSource | undefined) {
    this.#worker = begin(source);
    this.#worker.onmessage = ({ data }: MessageEvent<Answered | undefined>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      if (this.#unsent === undefined) this.#fail(event.message || "an error that the browser says nothing of");
      else this.#failToBegin(event.message || "its script, or what that imports, does not load");
    };
    this.#worker.onmessageerror = () => this.#fail("what it said could not be read");
    const seconds = startMilliseconds / 1000;
    this.#limit = setTimeout(() => this.#failToBegin(`no word of senet's within ${seconds} s`), startMilliseconds);
  }

  call<Name extends CallName>(
    name: Name,
    given: Given<Name>,
    { signal, stop, onTold, transfer }: CallOptions<Name> = {},
  ): Promise<Gives<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end;
      signal?.throwIfAborted();
      const id = this.#calls++;
      const giveUp = () => {
        this.#waiting.delete(id);
        end();
        settle(() => reject(signal!.reason));
      };
      const end = () => this.#ask({ kind: "stop", id });
      const settle = (how: () => void) => {
        signal?.removeEventListener("abort", giveUp);
        stop?.removeEventListener("abort", end);
        how();
      };
      this.#waiting.set(id, {
        resolve: (value: Gives<Name>) => settle(() => resolve(value)),
        reject: (reason) => settle(() => reject(reason)),
        onTold,
      });
      this.#ask({ kind: "call", id, name, given }, transfer);
      signal?.addEventListener("abort", giveUp);
      stop?.addEventListener("abort", end);
      if (stop?.aborted) end();
    });
  }

  /** Adds a holder. */
  hold(): this {
    this.#holders++;
    return this;
  }

  /** Removes a holder; the last one ends the worker and everything in it. */
  release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#close(new SenetError("executor", "it was disposed of and cannot run"));
  }

  get isLast(): boolean {
    return this.#holders === 1;
  }

  #ask(asked: Asked, transfer: readonly Transferable[] = []): void {
    if (this.#end !== undefined) return;
    const post = () => {
      try {
        this.#worker.postMessage(asked, [...transfer]);
      } catch (cause) {
        const waiting = this.#waiting.get(asked.id);
        this.#waiting.delete(asked.id);
        waiting?.reject(unsendable(cause));
      }
    };
    if (this.#unsent === undefined) post();
    else this.#unsent.push(post);
  }

  #hear(answer: Answered | undefined): void {
    if (answer?.kind === "senet") this.#greet(answer.version);
    // A custom worker may also send other messages.
    else if (answer && this.#waiting.has(answer.id)) this.#settle(answer, this.#waiting.get(answer.id)!);
  }

  #settle(answer: Exclude<Answered, { readonly kind: "senet" }>, { onTold, resolve, reject }: Waiting): void {
    if (answer.kind === "told") {
      onTold?.(answer.told as never);
      return;
    }
    this.#waiting.delete(answer.id);
    if (answer.kind === "done") resolve(answer.value as never);
    else reject(receivedError(answer.error));
  }

  #greet(found: string): void {
    clearTimeout(this.#limit);
    if (found !== version) {
      const hint = "build the worker again, together with the page; or clear the cache that has the old one";
      const what = "the page and its worker are of different versions of senet";
      this.#close(new SenetError("executor", what, { expected: version, found, hint }));
      return;
    }
    const unsent = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const post of unsent) post();
  }

  #failToBegin(found: string): void {
    this.#close(new SenetError("executor", "the worker that computes does not begin", { found, hint: scriptHint }));
  }

  #fail(found: string): void {
    const hint = "a smaller network or picture size, where memory ran out; else see the browser's console";
    this.#close(new SenetError("executor", "the worker that computes has ended", { found, hint }));
  }

  #close(reason: SenetError): void {
    clearTimeout(this.#limit);
    this.#end ??= reason;
    this.#worker.terminate();
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(this.#end);
  }
}

const unsendable = (cause: unknown): SenetError =>
  new SenetError("usage", "something of this cannot be sent to a worker", {
    found: causeText(cause),
    hint: "plain data, files and pictures can; of a picture from another origin the <img> needs `crossorigin`",
    cause,
  });

function workerOf(made: Worker): Worker {
  if (made instanceof Worker) return made;
  throw new TypeError("`worker` gave something else than a Worker");
}

function begin(source: WorkerSource | undefined): Worker {
  try {
    if (typeof source === "function") return workerOf(source());
    if (source !== undefined) return new Worker(source, { type: "module", name: "senet" });
    // Written such that bundlers like Vite recognise and bundle it.
    return new Worker(new URL("./worker.web.js", import.meta.url), { type: "module", name: "senet" });
  } catch (cause) {
    throw new SenetError("executor", "no worker can begin in this page", {
      found: causeText(cause),
      hint: scriptHint,
      cause,
    });
  }
}
