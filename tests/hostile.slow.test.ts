/**
 * Crafted files: small ones that ask for much. Each is opened by the command line in a process of its own, and must end in
 * a result or in a short error of ours, soon and within ten times its size of memory.
 *
 * Those that are too large to keep are made here (hostile.ts). What any file needs (the process itself, its engine) is
 * measured with a sound one and taken off. One alone: `node --test-name-pattern=concat28 dist/tests/hostile.slow.test.js`.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "./command.ts";
import { hostileFiles } from "./hostile.ts";
import { sharedData } from "./support.ts";

const seconds = 1;
const leastMemory = 64 * 2 ** 20;
const longestText = 2000;

const folder = temporaryFolder();
const launcher = join(folder, "measured.mjs");
const main = new URL("../src/cli/main.js", import.meta.url).href;
// What the process needed is told on a pipe of its own.
writeFileSync(
  launcher,
  `import { existsSync, readFileSync, writeSync } from "node:fs";
import { main } from ${JSON.stringify(main)};
// The usage that Linux counts begins with that of the process which started this one.
const status = "/proc/self/status";
const mostMemory = () =>
  existsSync(status)
    ? Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync(status, "utf8"))[1])
    : process.resourceUsage().maxRSS;
process.on("exit", () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  writeSync(3, JSON.stringify({ seconds: (userCPUTime + systemCPUTime) / 1e6, memory: mostMemory() * 1024 }));
});
await main(process.argv);
`,
);

interface Needed {
  /** Of the processor's time: how long it waits for its turn depends on what else the machine does. */
  readonly seconds: number;
  readonly memory: number;
}

interface Ended {
  readonly code: number | null;
  readonly text: string;
  /** Absent where the process did not end by itself. */
  readonly needed?: Needed;
}

function run(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    timeout: 8000,
    killSignal: "SIGKILL",
  });
  let text = "";
  let told = "";
  const [, out, error, report] = child.stdio;
  for (const stream of [out!, error!]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
  }
  (report as NodeJS.ReadableStream).on("data", (chunk: Buffer) => {
    told += chunk.toString("utf8");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({ code, text, ...(told === "" ? {} : { needed: JSON.parse(told) as Needed }) }),
    );
  });
}

const hostile = (name: string) => sharedData("cases", "hostile", name);
const picture = join(folder, "picture.png");
const sound = join(folder, "sound.safetensors");

/** The ways in which a file is used. */
const uses = {
  classify: (file: string) => ["classify", picture, "--weights", file, "--executor", "reference", "--top", "2"],
  convert: (file: string) => ["convert", file, join(folder, "out.safetensors")],
  definition: (file: string) => ["convert", file, join(folder, "small.caffemodel"), join(folder, "out.safetensors")],
  picture: (file: string) => ["classify", file, "--weights", sound, "--executor", "reference", "--top", "2"],
};
type Use = keyof typeof uses;

const usesOf = (name: string): readonly Use[] => {
  if (/\.png$|^png-/.test(name)) return ["picture"];
  if (/\.prototxt$|^bomb-pt_/.test(name)) return ["definition"];
  return ["classify", "convert"];
};

/** Those that are sound, and so must open; of all others either is good, a result or an error. */
const sounds: ReadonlySet<string> = new Set([
  ...["tiny.safetensors", "small.caffemodel"],
  ...["evil-labels.safetensors", "evil-name.safetensors", "pic.png"],
]);

/** Their names; the bytes are in the folder. */
async function makeFiles(): Promise<readonly string[]> {
  const files = await hostileFiles();
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return [...files.keys()];
}
const made = await makeFiles();

let usual: Readonly<Record<Use, Needed>>;
before(async () => {
  const measured = async (use: Use, file: string) => {
    const { code, text, needed } = await run(uses[use](file));
    assert.equal(code, 0, text);
    return needed!;
  };
  usual = {
    classify: await measured("classify", sound),
    convert: await measured("convert", sound),
    definition: await measured("definition", join(folder, "small.prototxt")),
    picture: await measured("picture", picture),
  };
});

async function check(use: Use, file: string, isSound: boolean): Promise<void> {
  const { code, text, needed } = await run(uses[use](file));
  const shown = text.slice(0, 300);
  assert.ok(needed !== undefined, `it did not end by itself: exit code ${code}, ${shown}`);
  assert.ok(code === 0 || code === 1, `exit code ${code}: ${shown}`);
  assert.doesNotMatch(text, /bug in senet|\n +at .*:\d+|NaN +%/, shown);
  assert.ok(text.length <= longestText, `${text.length} characters: ${shown}`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not come through
  assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/, JSON.stringify(shown));
  if (isSound) assert.equal(code, 0, shown);
  const allowed = Math.max(leastMemory, 10 * statSync(file).size);
  // A machine that takes more than this for a sound file is slow with every file.
  const longest = Math.max(seconds, usual[use].seconds);
  const over = (all: Needed) => ({
    seconds: all.seconds - usual[use].seconds,
    memory: all.memory - usual[use].memory,
  });
  let { seconds: took, memory } = over(needed);
  // When the collector comes by is not the file's doing, nor a busy neighbour: what is over is measured up to twice more.
  for (let more = 0; more < 2 && (took > longest || memory > allowed); more++) {
    const again = over((await run(uses[use](file))).needed!);
    took = Math.min(took, again.seconds);
    memory = Math.min(memory, again.memory);
  }
  assert.ok(took <= longest, `it took ${took.toFixed(1)} s: ${shown}`);
  assert.ok(memory <= allowed, `it took ${Math.round(memory / 2 ** 20)} MiB: ${shown}`);
}

/** A recipe for a file that is not kept: `see bombs.mjs NAME`. */
const isRecipe = (file: string) => statSync(file).size < 100 && readFileSync(file, "utf8").startsWith("see ");

const folderOfFiles = hostile("");
const shared = existsSync(folderOfFiles) ? readdirSync(folderOfFiles).sort() : [];
test("there are files of others", { skip: shared.length === 0 && "../shared/data/cases/hostile is absent" }, () => {
  assert.ok(shared.length > 50);
});
for (const name of shared) {
  if (name.endsWith(".md") || isRecipe(hostile(name))) continue;
  for (const use of usesOf(name)) {
    test(`${use} ${name}`, () => check(use, hostile(name), sounds.has(name)));
  }
}

for (const name of made) {
  if (!name.startsWith("bomb-")) continue;
  for (const use of usesOf(name)) test(`${use} ${name}, made here`, () => check(use, join(folder, name), false));
}
