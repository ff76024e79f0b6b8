/** The page's side of its worker: calls that are answered, told of, and given up. */

import { SenetError } from "../errors.ts";
import type { CallName, Given, Gives, Told } from "./calls.web.ts";
import { receivedError, type SentError } from "./sent-error.ts";

/** From the page. */
export type Asked =
  | { readonly kind: "call"; readonly id: number; readonly name: CallName; readonly given: unknown }
  | { readonly kind: "stop"; readonly id: number };

/** From the worker. */
export type Answered =
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | { readonly kind: "told"; readonly id: number; readonly told: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: SentError };

export interface CallOptions<Name extends CallName> {
  /** Gives the call up: it rejects at once with the signal's reason, and the worker leaves off when it can. */
  readonly signal?: AbortSignal | undefined;
  /** Asks the worker to come to an end, which then answers as ever. */
  readonly stop?: AbortSignal | undefined;
  readonly onTold?: ((told: Told<Name>) => void) | undefined;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
  readonly onTold: ((told: never) => void) | undefined;
}

/** How a worker is had: the library's own file as it stands beside this one, another address, or one that somebody made. */
export type WorkerSource = string | URL | (() => Worker);

/** One worker, which ends when nobody holds it any more. */
export class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;
  #holders = 1;
  #end: SenetError | undefined;

  /** @throws SenetError `executor` where the browser lets no worker begin */
  constructor(source: WorkerSource | undefined) {
    this.#worker = begin(source);
    this.#worker.onmessage = ({ data }: MessageEvent<Answered>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message || "it could not be loaded");
    };
    this.#worker.onmessageerror = () => this.#fail("what it said could not be read");
  }

  call<Name extends CallName>(
    name: Name,
    given: Given<Name>,
    { signal, stop, onTold }: CallOptions<Name> = {},
  ): Promise<Gives<Name>> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) throw this.#end;
      signal?.throwIfAborted();
      const id = this.#calls++;
      const ask = (asked: Asked) => this.#worker.postMessage(asked);
      const giveUp = () => {
        this.#waiting.delete(id);
        if (this.#end === undefined) ask({ kind: "stop", id });
        settle(() => reject(signal!.reason));
      };
      const end = () => ask({ kind: "stop", id });
      const settle = (how: () => void) => {
        signal?.removeEventListener("abort", giveUp);
        stop?.removeEventListener("abort", end);
        how();
      };
      // Where something in it cannot be sent this throws, and nothing waits.
      ask({ kind: "call", id, name, given });
      this.#waiting.set(id, {
        resolve: (value: Gives<Name>) => settle(() => resolve(value)),
        reject: (reason) => settle(() => reject(reason)),
        onTold,
      });
      signal?.addEventListener("abort", giveUp);
      stop?.addEventListener("abort", end);
      if (stop?.aborted) end();
    });
  }

  /** One more holder. */
  hold(): this {
    this.#holders++;
    return this;
  }

  /** The last one to let go ends the worker, with all that it has. */
  release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#end ??= new SenetError("executor", "it was disposed of and cannot run");
    this.#worker.terminate();
    this.#rejectAll(this.#end);
  }

  get isLast(): boolean {
    return this.#holders === 1;
  }

  #hear(answer: Answered): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    if (answer.kind === "told") {
      waiting.onTold?.(answer.told as never);
      return;
    }
    this.#waiting.delete(answer.id);
    if (answer.kind === "done") waiting.resolve(answer.value as never);
    else waiting.reject(receivedError(answer.error));
  }

  #fail(found: string): void {
    this.#end ??= new SenetError("executor", "the worker that computes has ended", {
      found,
      hint: "a smaller network or picture size, where memory ran out; else see the browser's console",
    });
    this.#worker.terminate();
    this.#rejectAll(this.#end);
  }

  #rejectAll(reason: SenetError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(reason);
  }
}

function begin(source: WorkerSource | undefined): Worker {
  try {
    if (typeof source === "function") return source();
    if (source !== undefined) return new Worker(source, { type: "module", name: "senet" });
    // Written so that Vite and its like find it, and bundle what it needs.
    return new Worker(new URL("./worker.web.js", import.meta.url), { type: "module", name: "senet" });
  } catch (cause) {
    throw new SenetError("executor", "no worker can begin in this page", {
      found: cause instanceof Error ? cause.message : String(cause),
      hint: "`worker`: the address of a bundle of senet/web/worker on the page's own origin (docs/browser.md)",
      cause,
    });
  }
}
