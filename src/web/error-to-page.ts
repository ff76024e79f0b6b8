/** Converts the worker's errors for its page. */

import { SenetError } from "../errors.ts";
import type { SentError } from "./sent-error.ts";

/** Messages of Chromium, Firefox and Safari when a dynamically imported part cannot be loaded. */
const partIsMissing = /dynamically imported module|importing a module script failed/i;

/** The cause is left out, since it may be anything. */
export async function sentError(error: unknown): Promise<SentError> {
  if (error instanceof TypeError && partIsMissing.test(error.message)) {
    const hint = "load the page again: the network is away, or there is a newer version of the page";
    return {
      kind: "senet",
      code: "io",
      what: "a part of senet does not load",
      details: { found: error.message, hint },
    };
  }
  if (error instanceof SenetError) {
    const { cause: _, hint: given, ...details } = error.details;
    const { pageHint, pageLine } = await words();
    const hint = given === undefined ? undefined : pageHint(given);
    return {
      kind: "senet",
      code: error.code,
      what: pageLine(error.what),
      details: { ...details, ...(hint && { hint }) },
    };
  }
  if (error instanceof Error) return { kind: "other", name: error.name, message: error.message, stack: error.stack };
  return { kind: "other", name: "Error", message: String(error), stack: undefined };
}

/** Translates messages to the page's terms. */
export const inPageWords = async (lines: readonly string[]): Promise<readonly string[]> =>
  lines.length === 0 ? lines : lines.map((await words()).pageLine);

/** Loaded on demand; if that fails, the library's own words are used. */
const words = (): Promise<Pick<typeof import("./page-words.ts"), "pageHint" | "pageLine">> =>
  import("./page-words.ts").catch(() => ({ pageHint: (hint: string) => hint, pageLine: (line: string) => line }));
