import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { availableMemory, scriptThreadsThatFit, stackBytes } from "./memory.node.ts";

const mebibyte = 2 ** 20;

/** A machine with 8 GiB left, and these files. */
function machine(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "senet-memory-"));
  t.after(() => rmSync(root, { recursive: true }));
  const all = { "proc/meminfo": `MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: ${8 * 2 ** 20} kB\n`, ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
}

test("what the system has left, where nothing else limits it", (t) => {
  assert.equal(availableMemory(machine(t, {})), 8192 * mebibyte);
  const none = machine(t, { "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max" });
  assert.equal(availableMemory(none), 8192 * mebibyte);
  assert.ok(availableMemory() > 0 && availableMemory(join(none, "absent")) > 0);
});

test("control groups, version 2: the poorest on the way up, without what caches hold unused", (t) => {
  const group = { "proc/self/cgroup": "0::/pod/container\n", "sys/fs/cgroup/memory.max": "max" };
  const at = (path: string, name: string) => `sys/fs/cgroup/${path}/memory.${name}`;
  const own = {
    [at("pod/container", "max")]: `${1500 * mebibyte}`,
    [at("pod/container", "current")]: `${600 * mebibyte}`,
    [at("pod/container", "stat")]: `anon 5\ninactive_file ${100 * mebibyte}\n`,
  };
  assert.equal(availableMemory(machine(t, { ...group, ...own })), 1000 * mebibyte);
  const throttled = { [at("pod/container", "high")]: `${700 * mebibyte}` };
  assert.equal(availableMemory(machine(t, { ...group, ...own, ...throttled })), 200 * mebibyte);
  const above = { [at("pod", "max")]: `${2000 * mebibyte}`, [at("pod", "current")]: `${1950 * mebibyte}` };
  assert.equal(availableMemory(machine(t, { ...group, ...own, ...above })), 50 * mebibyte);
  const full = { [at("pod", "max")]: `${mebibyte}`, [at("pod", "current")]: `${2 * mebibyte}` };
  assert.equal(availableMemory(machine(t, { ...group, ...full })), 0);
});

test("control groups, version 1, also where a container does not see its host's path", (t) => {
  const top = "sys/fs/cgroup/memory";
  const files = {
    "proc/self/cgroup": "4:memory:/docker/0123\n1:cpu:/docker/0123\n",
    [`${top}/memory.limit_in_bytes`]: `${1000 * mebibyte}`,
    [`${top}/memory.usage_in_bytes`]: `${500 * mebibyte}`,
    [`${top}/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${200 * mebibyte}\n`,
  };
  assert.equal(availableMemory(machine(t, files)), 700 * mebibyte);
  const unlimited = { ...files, [`${top}/memory.limit_in_bytes`]: "9223372036854771712" };
  assert.equal(availableMemory(machine(t, unlimited)), 8192 * mebibyte);
});

test("what ulimit leaves of address space and of data", (t) => {
  const limits = (space: string, data: string) => ({
    "proc/self/limits": `Limit Soft Hard Units\nMax data size             ${data}   unlimited  bytes\nMax address space         ${space}  unlimited  bytes`,
    "proc/self/status": `VmSize:\t ${3 * 2 ** 20} kB\nVmData:\t ${2 ** 20} kB`,
  });
  assert.equal(availableMemory(machine(t, limits(`${4096 * mebibyte}`, "unlimited"))), 1024 * mebibyte);
  assert.equal(availableMemory(machine(t, limits("unlimited", `${2048 * mebibyte}`))), 1024 * mebibyte);
  assert.equal(availableMemory(machine(t, limits("unlimited", "unlimited"))), 8192 * mebibyte);
});

test("a real ulimit is seen", { skip: process.platform !== "linux" }, () => {
  const script = `
    const { availableMemory } = await import(${JSON.stringify(new URL("./memory.node.js", import.meta.url).href)});
    console.log(availableMemory())`;
  const run = (limit: string) =>
    Number(
      execFileSync("sh", ["-c", `ulimit -v ${limit}; exec "$0" --input-type=module -e "$1"`, process.execPath, script]),
    );
  assert.ok(run("8388608") < 8 * 2 ** 30);
});

test("threads of JavaScript by the address space that is left: none of them is begun where V8 would end the process", () => {
  assert.equal(scriptThreadsThatFit("to work in", Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  assert.equal(scriptThreadsThatFit("to work in", 1600 * mebibyte), 2);
  assert.throws(
    () => scriptThreadsThatFit("to work in", 700 * mebibyte),
    /too little address space to work in\n.*768 MiB for a thread\n.*700 MiB left by `ulimit -v`/,
  );
});

test("the stack of an OpenMP thread, by its variables or the limit", (t) => {
  const limited = (soft: string) =>
    machine(t, { "proc/self/limits": `Max stack size    ${soft}    unlimited    bytes` });
  const of = (OMP_STACKSIZE?: string) => stackBytes(limited(`${16 * mebibyte}`), { OMP_STACKSIZE });
  assert.deepEqual([undefined, "nonsense", "2048", " 3 M ", "4g", "512K", "4096B"].map(of), [
    16 * mebibyte,
    16 * mebibyte,
    2 * mebibyte,
    3 * mebibyte,
    4096 * mebibyte,
    mebibyte / 2,
    4096,
  ]);
  assert.equal(stackBytes(limited("unlimited"), {}), 8 * mebibyte);
  assert.equal(stackBytes(limited("unlimited"), { GOMP_STACKSIZE: "1M" }), mebibyte);
});
