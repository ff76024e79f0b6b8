/** The worker's side: takes calls, and answers each by the table that it is given. */

import type { CallName, Given, Gives, Told } from "./calls.web.ts";
import type { Answered, Asked } from "./connection.web.ts";
import { sentError } from "./error-to-page.ts";
import { version } from "./version.ts";

export interface Call<Name extends CallName> {
  readonly given: Given<Name>;
  /** Aborted where the page has given it up, or wants it to come to an end. */
  readonly signal: AbortSignal;
  readonly tell: (told: Told<Name>) => void;
}

export type Handlers = { readonly [Name in CallName]: (call: Call<Name>) => Promise<Gives<Name>> };

/** A worker's global scope, as far as it is used; the page's types have no other. */
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
