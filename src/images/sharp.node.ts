/** Loads sharp, the picture decoder, if it is installed. */

import { isMainThread } from "node:worker_threads";
import { SenetError } from "../errors.ts";
import { usableThreads } from "../machine.node.ts";
import { lazily } from "../packages.node.ts";

type Sharp = typeof import("sharp")["default"];

const load = lazily<Sharp>(
  "sharp",
  (found, cause) =>
    new SenetError("io", "pictures cannot be decoded: sharp does not load here", {
      where: "sharp",
      found,
      hint: "npm install --include=optional sharp, on the system and with the processor that it is to run on",
      cause,
    }),
);

let isSet = false;

/**
 * Our threads decode many small pictures in parallel, so each uses one thread of the decoder, and no cache for files
 * that are read once.
 * @throws SenetError `io`, with the reason, where it does not load; not `data`, since no picture is at fault
 */
export function sharp(): Sharp {
  const library = load();
  if (!isSet) {
    library.concurrency(isMainThread ? Math.min(library.concurrency(), usableThreads()) : 1);
    if (!isMainThread) library.cache(false);
  }
  isSet = true;
  return library;
}
