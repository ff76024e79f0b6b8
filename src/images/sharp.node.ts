/** The decoder of pictures, where it is installed and loads. */

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

/** @throws SenetError `io` with the reason where it does not load: not `data`, since no picture is at fault */
export function sharp(): Sharp {
  const library = load();
  if (!isSet) library.concurrency(Math.min(library.concurrency(), usableThreads()));
  isSet = true;
  return library;
}
