import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { root as checkout } from "../tests/support.ts";
import {
  cgroupFolders,
  describeThreads,
  instructionSets,
  lastCache,
  type Machine,
  machineThreads,
  mostWorkers,
  usableThreads,
} from "./machine.node.ts";

/** A machine of 16 processors with these files. */
function machineOf(t: TestContext, files: Readonly<Record<string, string>>, more: Partial<Machine> = {}): Machine {
  const root = mkdtempSync(join(tmpdir(), "senet-machine-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return { root, parallelism: 16, environment: {}, ...more };
}

test("without control groups the processors that the process may run on count", (t) => {
  assert.equal(machineThreads(machineOf(t, {})), 16);
  assert.equal(machineThreads(machineOf(t, {}, { parallelism: 3 })), 3);
  assert.equal(describeThreads(machineOf(t, {}), 16), "16");
  assert.equal(
    describeThreads(machineOf(t, {}, { parallelism: 3 }), 16),
    "3 of 16 processors: this process may run on 3",
  );
});

test("the last cache is the third, or the second where there is none", (t) => {
  const cache = (files: Readonly<Record<number, string>>) =>
    lastCache(
      machineOf(
        t,
        Object.fromEntries(
          Object.entries(files).map(([index, size]) => [`sys/devices/system/cpu/cpu0/cache/index${index}/size`, size]),
        ),
      ),
    );
  assert.equal(cache({ 2: "1024K", 3: "32768K" }), 2 ** 25);
  assert.equal(cache({ 2: "1024K" }), 2 ** 20);
  assert.equal(cache({}), 2 ** 24);
});

test("CPU quotas count, of both versions of control groups and of every group above", (t) => {
  const v2 = (path: string, files: Record<string, string>, top = "") =>
    machineOf(t, {
      "proc/self/cgroup": `0::${path}`,
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`sys/fs/cgroup${top}/${name}`, text])),
    });
  assert.equal(machineThreads(v2("/", { "cpu.max": "max 100000" })), 16, "no limit");
  assert.equal(machineThreads(v2("/", { "cpu.max": "200000 100000" })), 2, "a container sees its group as the root");
  assert.equal(machineThreads(v2("/a/b", { "a/b/cpu.max": "350000 100000" })), 3, "its own");
  assert.equal(machineThreads(v2("/a/b", { "a/b/cpu.max": "max 100000", "a/cpu.max": "50000 50000" })), 1, "above");
  assert.equal(machineThreads(v2("/a/b", { "a/b/cpu.max": "400000 100000", "cpu.max": "300000 100000" })), 3);
  assert.equal(machineThreads(v2("/", { "cpu.max": "50000 100000" })), 1, "half a processor is one thread");
  assert.equal(
    machineThreads(v2("/docker/0123", { "cpu.max": "200000 100000" })),
    2,
    "the host's path, not seen inside",
  );
  assert.equal(machineThreads(v2("/", { "cpu.max": "200000 100000" }, "/unified")), 2, "beside version 1");
  assert.equal(machineThreads(v2("/", { "cpu.max": "nonsense" })), 16);

  const v1 = (controllers: string, folder: string, quota: string) =>
    machineOf(t, {
      "proc/self/cgroup": `3:cpuset:/x\n2:${controllers}:/docker/0123\n1:name=systemd:/docker/0123`,
      [`sys/fs/cgroup/${folder}/cpu.cfs_quota_us`]: quota,
      [`sys/fs/cgroup/${folder}/cpu.cfs_period_us`]: "100000",
    });
  assert.equal(machineThreads(v1("cpu,cpuacct", "cpu,cpuacct/docker/0123", "150000")), 1);
  assert.equal(machineThreads(v1("cpu,cpuacct", "cpu", "400000")), 4, "by the link of one name, from inside");
  assert.equal(machineThreads(v1("cpuacct,cpu", "cpuacct,cpu/docker", "400000")), 4);
  assert.equal(machineThreads(v1("cpu", "cpu", "-1")), 16, "no limit");
  assert.match(describeThreads(v1("cpu", "cpu", "50000"), 16), /^1 of 16 processors: the CPU quota pays for 0.5$/);
});

test("the folders of another controller, from the own group up", (t) => {
  const machine = machineOf(t, {
    "proc/self/cgroup": "4:memory:/a/b\n1:cpu:/c",
    "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "1",
    "sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "-1",
  });
  const at = (...path: string[]) => join(machine.root, "sys/fs/cgroup", ...path);
  assert.deepEqual(cgroupFolders("memory", machine.root), [at("memory/a/b"), at("memory/a"), at("memory")]);
});

test("OMP_NUM_THREADS is obeyed where it asks for fewer", (t) => {
  const threads = (OMP_NUM_THREADS: string) => usableThreads(machineOf(t, {}, { environment: { OMP_NUM_THREADS } }));
  assert.equal(threads("4"), 4);
  assert.equal(threads("2,8"), 2, "the outer team");
  assert.equal(threads("400"), 16);
  for (const nonsense of ["", "0", "-1", "many"]) assert.equal(threads(nonsense), 16, nonsense);
  const one = machineOf(t, {}, { environment: { OMP_NUM_THREADS: "1" } });
  assert.equal(describeThreads(one, 16), "1 of 16 processors: OMP_NUM_THREADS=1");
  assert.equal(mostWorkers(one), 64, "which is about computing, not about decoding");
});

const taskset = spawnSync("taskset", ["-c", "0", "true"]).status === 0;
const skip = cpus().length < 2 ? "one processor" : taskset ? false : "there is no taskset";

test("bound to one processor, one thread", { skip }, () => {
  const script = `import(${JSON.stringify(join(checkout, "dist/src/machine.node.js"))}).then((m) => console.log(m.usableThreads()))`;
  const out = execFileSync("taskset", ["-c", "0", process.execPath, "-e", script], { encoding: "utf8" });
  assert.equal(out.trim(), "1");
});

test("of the processor's instruction sets those of use are told, as Linux names them", (t) => {
  const intel =
    "processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile\n\nprocessor : 1\nflags : sse";
  const setsOf = (files: Record<string, string>) => instructionSets(machineOf(t, files));
  assert.deepEqual(setsOf({ "proc/cpuinfo": intel }), ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]);
  assert.deepEqual(setsOf({ "proc/cpuinfo": "Features\t: fp asimd bf16" }), ["asimd", "bf16"]);
  assert.deepEqual(setsOf({}), []);
});
