// Tests are beside the file that they test (src/**/*.test.ts) or in tests/. A file named *.slow.test.ts runs only in
// `all`: it needs minutes, a browser, or whole networks. The last line counts: `N passed, M failed, K skipped`.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Transform } from "node:stream";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import { globSync } from "./glob.mjs";

const [set = "fast", ...names] = process.argv.slice(2);
const files = globSync("dist", (path) => path.endsWith(".test.js"))
  // A build does not delete the output of deleted source files.
  .filter((path) => existsSync(path.replace(/^dist./, "").replace(/js$/, "ts")))
  .filter((path) => set === "all" || !path.endsWith(".slow.test.js"))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)));

/** Fast files that need a process of their own, because they measure its memory. */
const alone = ["images/decode.test.js"];

/** Files whose tests control a browser or an MPI job. */
const driving = /^(?:app|browser|chromium|pictures|web-\w+|mpi-\w+)\.slow\.test\.js$/;

/** Processes for fast tests on two processors: more than two, as tests also wait; each takes a second to load its files. */
const groupCount = 4;

/**
 * The processor time, in seconds, that all fast tests may take together; if they take longer, the slowest are listed
 * (CONTRIBUTING.md, "A test").
 */
const budget = 80;

const groups = join("dist", "test-groups");

/** Writes modules that load several fast test files each, and returns them with the files that run alone. */
function grouped(files) {
  rmSync(groups, { recursive: true, force: true });
  mkdirSync(groups, { recursive: true });
  const isAlone = (file) => file.endsWith(".slow.test.js") || alone.some((name) => file.endsWith(name));
  const shared = files.filter((file) => !isAlone(file));
  // If all loaded tests have ended while the next file is still loading, Node considers the process finished.
  writeFileSync(
    join(groups, "hold.mjs"),
    'import { before } from "node:test";\nexport let begin;\n' +
      "const loaded = new Promise((resolve) => {\n  begin = resolve;\n});\nbefore(() => loaded);\n",
  );
  const count = Math.min(groupCount, shared.length);
  const modules = Array.from({ length: count }, (_, i) => {
    const module = join(groups, `${i + 1}.mjs`);
    // Files of one folder take about the same time: dealt out evenly, each process has as much work.
    const members = shared.filter((_, k) => k % count === i);
    const imports = members.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`);
    writeFileSync(module, ['import { begin } from "./hold.mjs";\n', ...imports, "begin();\n"].join(""));
    return module;
  });
  return [...modules, ...files.filter(isAlone)];
}

/** Processor time of this process and its finished child processes, in seconds, if the system reports it. */
function processorSeconds() {
  try {
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1).split(" ");
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}

/** A list of the slowest fast tests. */
function slowestTests() {
  const lines = durations
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, 12)
    .map(({ name, ms }) => `  ${(ms / 1000).toFixed(1)} s  ${name}`);
  return [`more than the ${budget} s that the fast tests may take; the slowest, with waiting:`, ...lines].join("\n");
}

// Tests over many similar cases run all of them.
if (set === "all") process.env.SENET_TESTS ??= "all";
// Spinning threads would slow down the tests beside them.
process.env.OMP_WAIT_POLICY ??= "passive";
// The processes already keep all processors busy. Tests that need several threads ask for them, as do the slow tests.
if (set === "fast") process.env.OMP_NUM_THREADS ??= "1";

const counts = { passed: 0, failed: 0, skipped: 0 };
const durations = [];

/** Runs files and counts their tests. Returns the counts of each file in which a test failed. */
async function runAll(files, concurrency) {
  const byFile = new Map();
  const count = new Transform({
    objectMode: true,
    transform(event, _encoding, done) {
      const isTest = event.data?.details?.type !== "suite";
      if (isTest && /^test:(?:pass|fail)$/.test(event.type)) {
        const { name, file, skip, todo } = event.data;
        durations.push({ name, ms: event.data.details.duration_ms });
        const outcome =
          event.type === "test:fail" ? "failed" : skip !== undefined || todo !== undefined ? "skipped" : "passed";
        counts[outcome]++;
        const own = byFile.get(file) ?? { passed: 0, failed: 0, skipped: 0 };
        own[outcome]++;
        byFile.set(file, own);
      }
      done(null, event);
    },
  });
  const report = run({ files, concurrency, timeout: 15 * 60_000 })
    .pipe(count)
    .pipe(new spec());
  report.pipe(process.stdout, { end: false });
  await finished(report);
  return [...byFile].filter(([, { failed }]) => failed > 0);
}

// All groups of fast tests at once: they differ in length, so two at a time would leave a processor idle in the end.
const failed = await runAll(grouped(files), set === "fast" ? groupCount : 2);
// A browser or an MPI job sometimes crashes on an overloaded machine. Such a file runs once more, alone; only the
// second result counts, and the first failure stays in the output.
for (const [file, before] of failed) {
  const name = basename(file);
  if (!driving.test(name)) continue;
  for (const outcome of Object.keys(counts)) counts[outcome] -= before[outcome];
  console.log(`\n${name}: ${before.failed} failed beside other tests; the file runs once more, alone`);
  const isStill = (await runAll([file], 1)).length > 0;
  console.log(`${name}: ${isStill ? "fails alone too" : "passes alone: look above for what was in its way"}`);
}

const seconds = processorSeconds();
if (seconds !== undefined) console.log(`${seconds.toFixed(0)} s of processor time`);
if (set === "fast" && seconds > budget) console.log(slowestTests());
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
