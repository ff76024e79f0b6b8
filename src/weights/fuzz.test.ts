/** The readers of the ports' files on a few hundred mutations; fuzz.slow.test.ts has all readers, and thousands. */

import { test } from "node:test";
import { fuzz } from "../../tests/fuzz.ts";
import { portReaders } from "../../tests/fuzz-ports.ts";

for (const [seed, reader] of portReaders.entries()) {
  test(`${reader.name}: some prefixes and 200 mutations`, async () => {
    await fuzz(reader, seed, 200, Math.ceil(reader.file.length / 100));
  });
}
