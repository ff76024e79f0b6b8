// Runs the compiled tests: `node tools/test.mjs fast|all [name...]`.
//
// Tests sit beside their file (src/**/*.test.ts) or in tests/. A file named *.slow.test.ts runs only in `all`: it needs
// minutes, a browser, or whole networks. The last line counts: `N passed, M failed, K skipped`.
//
// Fast files share a process, some of them each: to start one and to load the library takes longer than most files' tests.
// (`isolation: "none"` is newer than the oldest supported Node.)

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Transform } from "node:stream";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import { globSync } from "./glob.mjs";

const [set = "fast", ...names] = process.argv.slice(2);
const files = globSync("dist", (path) => path.endsWith(".test.js"))
  // A build leaves what was compiled from files that have gone since.
  .filter((path) => existsSync(path.replace(/^dist./, "").replace(/js$/, "ts")))
  .filter((path) => set === "all" || !path.endsWith(".slow.test.js"))
  .filter((path) => names.length === 0 || names.some((name) => path.includes(name)));

/** Fast, but in a process of their own: they look at what memory it takes. */
const alone = ["images/decode.test.js"];

/** Fewer processes would leave the other processor idle in the end; each has a second of loading and compiling. */
const groupCount = 4;

/** Seconds of processor time that all fast tests may take; beyond it the slowest are named (CONTRIBUTING.md, "A test"). */
const budget = 80;

const groups = join("dist", "test-groups");

/** Modules that load neighbouring files, some of them each; other files as they are. */
function grouped(files) {
  rmSync(groups, { recursive: true, force: true });
  mkdirSync(groups, { recursive: true });
  const isAlone = (file) => file.endsWith(".slow.test.js") || alone.some((name) => file.endsWith(name));
  const shared = files.filter((file) => !isAlone(file));
  // Where one file's tests end while the next is being loaded, Node takes the process for done, and tidies up.
  writeFileSync(
    join(groups, "hold.mjs"),
    'import { before } from "node:test";\nexport let begin;\n' +
      "const loaded = new Promise((resolve) => {\n  begin = resolve;\n});\nbefore(() => loaded);\n",
  );
  const count = Math.min(groupCount, shared.length);
  const modules = Array.from({ length: count }, (_, i) => {
    const module = join(groups, `${i + 1}.mjs`);
    // Neighbours take as long as each other: dealt out, each process has as much to do.
    const members = shared.filter((_, k) => k % count === i);
    const imports = members.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`);
    writeFileSync(module, ['import { begin } from "./hold.mjs";\n', ...imports, "begin();\n"].join(""));
    return module;
  });
  return [...modules, ...files.filter(isAlone)];
}

/** Of the processes that have ended, and theirs; where the system says it. */
function processorSeconds() {
  try {
    const fields = readFileSync("/proc/self/stat", "utf8").split(") ").at(-1).split(" ");
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}

/** What to look at where the fast tests have become slow. */
function slowestTests() {
  const lines = durations
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, 12)
    .map(({ name, ms }) => `  ${(ms / 1000).toFixed(1)} s  ${name}`);
  return [`more than the ${budget} s that the fast tests may take; the slowest, with waiting:`, ...lines].join("\n");
}

// Tests that go through many of a kind go through all of them.
if (set === "all") process.env.SENET_TESTS ??= "all";
// Threads that wait for each other by turning in circles take the processor from the tests beside them.
process.env.OMP_WAIT_POLICY ??= "passive";
// Two processes have one processor each. What threads do together is asked for by its tests, and by the slow ones.
if (set === "fast") process.env.OMP_NUM_THREADS ??= "1";

const counts = { passed: 0, failed: 0, skipped: 0 };
const durations = [];
const count = new Transform({
  objectMode: true,
  transform(event, _encoding, done) {
    const isTest = event.data?.details?.type !== "suite";
    if (isTest && /^test:(?:pass|fail)$/.test(event.type)) {
      durations.push({ name: event.data.name, ms: event.data.details.duration_ms });
    }
    if (event.type === "test:fail" && isTest) counts.failed++;
    if (event.type === "test:pass" && isTest) {
      if (event.data.skip !== undefined || event.data.todo !== undefined) counts.skipped++;
      else counts.passed++;
    }
    done(null, event);
  },
});

run({ files: grouped(files), concurrency: 2, timeout: 15 * 60_000 })
  .pipe(count)
  .pipe(new spec())
  .on("end", () => {
    const seconds = processorSeconds();
    if (seconds !== undefined) console.log(`${seconds.toFixed(0)} s of processor time`);
    if (set === "fast" && seconds > budget) console.log(slowestTests());
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
  })
  .pipe(process.stdout, { end: false });
