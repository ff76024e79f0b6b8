// Runs the compiled tests: `node tools/test.mjs fast|all [name...]`.
//
// Tests sit beside their file (src/**/*.test.ts) or in tests/. A file named *.slow.test.ts runs only in `all`: it needs
// minutes, a browser, or whole networks. The last line counts: `N passed, M failed, K skipped`.

import { existsSync } from "node:fs";
import { Transform } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { globSync } from "./glob.mjs";

const [set = "fast", ...names] = process.argv.slice(2);
const files = globSync("dist", (path) => path.endsWith(".test.js"))
  // A build leaves what was compiled from files that have gone since.
  .filter((path) => existsSync(path.replace(/^dist./, "").replace(/js$/, "ts")))
  .filter((path) => set === "all" || !path.endsWith(".slow.test.js"))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)));

const counts = { passed: 0, failed: 0, skipped: 0 };
const count = new Transform({
  objectMode: true,
  transform(event, _encoding, done) {
    const isTest = event.data?.details?.type !== "suite";
    if (event.type === "test:fail" && isTest) counts.failed++;
    if (event.type === "test:pass" && isTest) {
      if (event.data.skip !== undefined || event.data.todo !== undefined) counts.skipped++;
      else counts.passed++;
    }
    done(null, event);
  },
});

run({ files, concurrency: 2, timeout: 15 * 60_000 })
  .pipe(count)
  .pipe(new spec())
  .on("end", () => {
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
  })
  .pipe(process.stdout, { end: false });
