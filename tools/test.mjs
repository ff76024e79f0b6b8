// Runs the compiled tests: `node tools/test.mjs fast|all [name...]`.
//
// Tests sit beside their file (src/**/*.test.ts) or in tests/. A file named *.slow.test.ts runs only in `all`: it needs
// minutes, a browser, or whole networks. The last line counts: `N passed, M failed, K skipped`.
//
// The fast files of a folder share a process: to start one and to load the library takes longer than most files' tests.
// (`isolation: "none"` is newer than the oldest supported Node.)

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
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

/** More of them in one process would leave the other processor idle in the end. */
const mostInGroup = 10;

const groups = join("dist", "test-groups");

/** Modules that load the files of a folder, a few of them each; other files as they are. */
function grouped(files) {
  rmSync(groups, { recursive: true, force: true });
  mkdirSync(groups, { recursive: true });
  const isAlone = (file) => file.endsWith(".slow.test.js") || alone.some((name) => file.endsWith(name));
  const open = new Map();
  for (const file of files.filter((file) => !isAlone(file))) {
    const folder = dirname(relative("dist", file)).replaceAll(/\W/g, "-");
    let members = open.get(folder)?.at(-1);
    if (members === undefined || members.length === mostInGroup) {
      members = [];
      open.set(folder, [...(open.get(folder) ?? []), members]);
    }
    members.push(`import ${JSON.stringify(pathToFileURL(file).href)};\n`);
  }
  const modules = [...open].flatMap(([folder, chunks]) =>
    chunks.map((lines, i) => {
      const module = join(groups, `${folder}-${i + 1}.mjs`);
      writeFileSync(module, lines.join(""));
      return module;
    }),
  );
  // Those of tests/ take longest: they begin.
  return [...modules.reverse(), ...files.filter(isAlone)];
}

// Threads that wait for each other by turning in circles take the processor from the tests beside them.
process.env.OMP_WAIT_POLICY ??= "passive";

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

run({ files: grouped(files), concurrency: 2, timeout: 15 * 60_000 })
  .pipe(count)
  .pipe(new spec())
  .on("end", () => {
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
  })
  .pipe(process.stdout, { end: false });
