// Tests are beside the file that they test (src/**/*.test.ts) or in tests/. A file named *.slow.test.ts runs only in
// `all`: it needs minutes, a browser, or whole networks. The last line counts: `N passed, M failed, K skipped`.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { PassThrough } from "node:stream";
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
const driving = /^(?:app|browser|chromium|other-browsers|pictures|web-\w+|mpi-\w+)\.slow\.test\.js$/;

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

/** The longest, by the wall clock, a line each. */
function slowest(timed) {
  const longest = timed.toSorted((a, b) => b.ms - a.ms).slice(0, 12);
  return longest.map(({ name, ms }) => `  ${(ms / 1000).toFixed(1)} s  ${name}`).join("\n");
}

// Tests over many similar cases run all of them.
if (set === "all") process.env.SENET_TESTS ??= "all";
// Spinning threads would slow down the tests beside them.
process.env.OMP_WAIT_POLICY ??= "passive";
// The processes already keep all processors busy. Tests that need several threads ask for them, as do the slow tests.
if (set === "fast") process.env.OMP_NUM_THREADS ??= "1";

const counts = { passed: 0, failed: 0, skipped: 0 };
const durations = [];
const fileTimes = [];

const report = new PassThrough({ objectMode: true });
const reported = report.pipe(new spec());
reported.pipe(process.stdout, { end: false });

function outcomeOf({ type, data }) {
  if (type === "test:fail") return "failed";
  return data.skip !== undefined || data.todo !== undefined ? "skipped" : "passed";
}

/**
 * Runs a file and counts its tests; those that a module defines for several files belong to the file that ran them. What
 * it has to say is reported in one piece, since other files run beside it.
 */
async function runFile(file) {
  const own = { passed: 0, failed: 0, skipped: 0 };
  const events = [];
  const begun = performance.now();
  for await (const event of run({ files: [file], timeout: 15 * 60_000 })) {
    const { type, data } = event;
    if (/^test:(?:pass|fail)$/.test(type) && data.details.type !== "suite") {
      own[outcomeOf(event)]++;
      durations.push({ name: data.name, ms: data.details.duration_ms });
    }
    // Node's own counts are of one file.
    if (type !== "test:diagnostic" || data.file !== undefined) events.push(event);
  }
  fileTimes.push({ name: basename(file), ms: performance.now() - begun });
  for (const event of events) report.write(event);
  for (const outcome of Object.keys(counts)) counts[outcome] += own[outcome];
  return own;
}

/** Runs files, `concurrency` at a time. Returns the counts of each file in which a test failed. */
async function runAll(files, concurrency) {
  const waiting = files.values();
  const failed = [];
  const work = async () => {
    for (const file of waiting) {
      const own = await runFile(file);
      if (own.failed > 0) failed.push([file, own]);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return failed;
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
  const { failed } = await runFile(file);
  console.log(`${name}: ${failed > 0 ? "fails alone too" : "passes alone: look above for what was in its way"}`);
}
report.end();
await finished(reported);

const seconds = processorSeconds();
if (seconds !== undefined) console.log(`${seconds.toFixed(0)} s of processor time`);
if (set === "fast" && seconds > budget)
  console.log(
    `more than the ${budget} s that the fast tests may take; the slowest, with waiting:\n${slowest(durations)}`,
  );
if (set === "all") console.log(`the slowest files:\n${slowest(fileTimes)}`);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
