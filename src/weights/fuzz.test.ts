/** The readers of the ports' files on some mutations; fuzz.slow.test.ts has all readers, and thousands. */

import { test } from "node:test";
import { fuzz } from "../../tests/fuzz.ts";
import { portReaders } from "../../tests/fuzz-ports.ts";

for (const [seed, reader] of portReaders.entries()) {
  test(`${reader.name}: some prefixes and 60 mutations`, async () => {
    await fuzz(reader, seed, 60, Math.ceil(reader.file.length / 40));
  });
}
