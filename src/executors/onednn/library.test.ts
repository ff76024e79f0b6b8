import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { runNode, temporaryFolder } from "../../../tests/command.ts";
import { SenetError } from "../../errors.ts";
import { hasIsa, isaOf, loadLibrary, versionedNames } from "./library.node.ts";
import { faultOfTrial, truncationOf } from "./probe.node.ts";

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof SenetError && error.code === "executor" && pattern.test(error.message);

test("a path where no library is, is named with what to install", () => {
  assert.throws(
    () => loadLibrary("/nowhere/libdnnl.so"),
    refused(/SENET_ONEDNN=\/nowhere\/libdnnl\.so[\s\S]*libdnnl2/),
  );
});

/** Marks of libraries that were loaded go into a cache of the test's own. */
process.env.SENET_CACHE = join(temporaryFolder(), "cache");

const system = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"].find(
  (path) => existsSync(path),
);
const skipElf = { skip: system === undefined && "no library of the system is known here" };

test("a library that is cut off anywhere is found out by its own header, a whole one is not", skipElf, () => {
  assert.equal(truncationOf(system!), undefined);
  assert.equal(truncationOf("/nowhere"), undefined);
  const whole = readFileSync(system!);
  const file = join(temporaryFolder(), "cut.so");
  for (const size of [64, 100, 1000, whole.length >> 1, Math.floor(whole.length * 0.9)]) {
    writeFileSync(file, whole.subarray(0, size));
    assert.match(truncationOf(file) ?? "", new RegExp(`cut off: ${size} of at least [0-9]+ bytes`), `${size}`);
    assert.throws(() => loadLibrary(file), refused(/loading it would end the process/), `${size}`);
  }
});

test("a library that kills whoever loads it is refused, and the process lives", skipElf, () => {
  // Whole by its header, but full of nonsense where the loader follows addresses.
  const bytes = readFileSync(system!);
  const file = join(temporaryFolder(), "nonsense.so");
  bytes.fill(0x5a, 0x300, bytes.length - 64);
  writeFileSync(file, bytes);
  assert.equal(truncationOf(file), undefined);
  assert.throws(() => loadLibrary(file), refused(/./));
  const asked = { path: file, isa: 0, version: { major: 3, minor: 7, patch: 2 } };
  assert.match(faultOfTrial(asked) ?? "", /a process that loaded it (died of|ended with)/);
  assert.notEqual(faultOfTrial(asked), undefined, "that it fails is not forgotten for a success");
  assert.equal(faultOfTrial({ ...asked, version: { major: 2, minor: 6, patch: 3 } }), undefined, "2 is not tried");
});

test("a system's library that is cut off is passed over, and said where there is no other", skipElf, async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "libdnnl.so.2"), readFileSync(system!).subarray(0, 20_000));
  const url = new URL("./library.node.js", import.meta.url).href;
  const code = `process.env.LD_LIBRARY_PATH = ${JSON.stringify(folder)};
    const { loadLibrary } = await import(${JSON.stringify(url)});
    try { console.log(loadLibrary("").path); } catch (e) { console.log(e.message); }`;
  const { code: status, stdout } = await runNode(["--input-type=module", "-e", code]);
  assert.equal(status, 0);
  // Another one may be on this machine.
  assert.doesNotMatch(stdout, /^libdnnl\.so\.2$/m);
});

test("a pipe is not waited for", { skip: process.platform === "win32" }, () => {
  const pipe = join(temporaryFolder(), "libdnnl.so");
  execFileSync("mkfifo", [pipe]);
  assert.throws(() => loadLibrary(pipe), refused(/this library cannot be used[\s\S]*it is a pipe/));
});

test("a file that is no library is refused", () => {
  const file = join(temporaryFolder(), "libdnnl.so.2");
  writeFileSync(file, "not a library");
  assert.throws(() => loadLibrary(file), refused(/^SENET_ONEDNN=.*: this library of oneDNN does not load/));
});

const other = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6"].find((path) => existsSync(path));
test("a library that is not oneDNN is refused by the function that it lacks", {
  skip: other === undefined && "no other library is known here",
}, () => {
  assert.throws(() => loadLibrary(other), refused(/no function dnnl_version/));
});

test("instruction sets of both versions are told by the same numbers", () => {
  const has = (major: number, number: number, name: Parameters<typeof hasIsa>[1]) =>
    hasIsa(isaOf({ major }, number), name);
  const [avx2Vnni, xeonPhi, amx] = [0x407, 0x1f, 0x3e7];
  assert.ok(has(2, avx2Vnni, "avx2Vnni") && has(3, 0xf, "avx2Vnni"));
  assert.ok(!has(2, xeonPhi, "avx2Vnni") && has(2, xeonPhi, "avx2"));
  assert.ok(has(2, amx, "amx") && has(3, 0xfef, "amx") && has(3, 0xfef, "avx512Bf16"));
  assert.ok(!has(2, 0xe7, "amx") && !has(3, 0x1ef, "amx"), "bf16 and fp16 alone are no tiles");
});

test("libraries with their version in the name are found, the newest first, and no others", () => {
  const folder = temporaryFolder();
  const names = [
    "libdnnl.so.3.6",
    "libdnnl.so.3.10",
    "libdnnl.so.2.6",
    "libdnnl.so.3.6.1",
    "libdnnl.so",
    "libdnnl_graph.so.3.6",
  ];
  for (const name of names) writeFileSync(join(folder, name), "");
  assert.deepEqual(versionedNames(["/nowhere", folder]), [
    join(folder, "libdnnl.so.3.10"),
    join(folder, "libdnnl.so.3.6"),
  ]);
});
