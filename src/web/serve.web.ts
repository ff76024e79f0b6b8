/** The worker's side of the connection: answers calls by a table of functions. */

import type { CallName, Given, Gives, Told } from "./calls.web.ts";
import type { Answered, Asked } from "./connection.web.ts";
import { sentError } from "./error-to-page.ts";
import { version } from "./version.ts";

export interface Call<Name extends CallName> {
  readonly given: Given<Name>;
  /** Aborted if the page has cancelled the call, or wants it to finish early. */
  readonly signal: AbortSignal;
  readonly tell: (told: Told<Name>) => void;
}

export type Handlers = { readonly [Name in CallName]: (call: Call<Name>) => Promise<Gives<Name>> };

/** The parts of a worker's global scope that are used, for which the page's types have no declarations. */
interface Scope {
  onmessage: ((event: MessageEvent<Asked>) => void) | null;
  postMessage(message: Answered): void;
}

export function serveCalls(handlers: Handlers): void {
  const scope = globalThis as unknown as Scope;
  const underWay = new Map<number, AbortController>();
  const answer = async ({ id, name, given }: Extract<Asked, { kind: "call" }>) => {
    const controller = new AbortController();
    underWay.set(id, controller);
    const tell = (told: unknown) => scope.postMessage({ kind: "told", id, told });
    try {
      const handle = handlers[name] as (call: Call<CallName>) => Promise<unknown>;
      const value = await handle({ given: given as never, signal: controller.signal, tell });
      scope.postMessage({ kind: "done", id, value });
    } catch (error) {
      scope.postMessage({ kind: "failed", id, error: await sentError(error) });
    } finally {
      underWay.delete(id);
    }
  };
  scope.onmessage = ({ data }) => {
    if (data.kind === "stop") underWay.get(data.id)?.abort();
    else void answer(data);
  };
  scope.postMessage({ kind: "senet", version });
}
