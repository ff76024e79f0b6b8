/** Weights as a response of `fetch`. Imported on demand: most pages hand in addresses or files. */

import { causeText, SenetError } from "../errors.ts";
import { fileNameAt } from "./address.web.ts";
import type { SentSource } from "./calls.web.ts";

/** Reads the response. @throws SenetError `io` where it is not a file, or was read before */
export async function sentResponse(response: Response): Promise<SentSource> {
  const where = response.url || "the response";
  const fail = (found: string, hint?: string, cause?: unknown): never => {
    throw new SenetError("io", "the weights cannot be read", { where, found, ...(hint && { hint }), cause });
  };
  if (!response.ok) fail(`HTTP ${response.status}${response.statusText && ` ${response.statusText}`}`);
  if (response.bodyUsed) fail("an answer that was read already", "hand it in before it is read, or a clone of it");
  try {
    return { kind: "blob", blob: await response.blob(), name: response.url ? fileNameAt(response.url) : "weights" };
  } catch (cause) {
    return fail(causeText(cause), undefined, cause);
  }
}
