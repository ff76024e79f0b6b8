/** Pulls that wait, and processes that are killed. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "../../tests/command.ts";
import { assertWhole, base, content, failure, fast, good, half, hash, ranges, start } from "../../tests/pull.ts";
import { type Handler, inTurn, status } from "../../tests/server.ts";

test("statuses that may pass are waited for; others are not", async () => {
  const patient = await start({ handlers: [inTurn(status(500), status(503, { "retry-after": "0" }), good)] });
  await patient.run();
  assertWhole(patient.cache);

  const busy = await start({ handlers: [inTurn(status(429, { "retry-after": "1" }), good)] });
  const before = performance.now();
  await busy.run();
  assert.ok(performance.now() - before > 950);

  const later = new Date(Date.now() + 600_000).toUTCString();
  const rude = await start({ handlers: [status(429, { "retry-after": later }), good] });
  await rude.run();
  assert.match(rude.said[0]!, /429, and asks to wait for [56]\d\d seconds/);

  const { run, asked } = await start({ handlers: [status(404), status(500), status(403)] });
  const message = await failure(run);
  assert.match(message, /status 404\n.*status 500 \(3 attempts\)\n.*status 403\n/);
  assert.deepEqual(
    asked.map((requests) => requests.length),
    [1, 3, 1],
  );
});

test("a server that goes silent is left after a while, with what it sent", async () => {
  const silent: Handler = (_, response) => {
    response.writeHead(200, { "content-length": content.length, etag: '"1"' }).write(content.subarray(0, half));
  };
  const impatient = { ...fast, stallMs: 500 };
  const { run, cache, asked, said } = await start({
    handlers: [inTurn(silent, good)],
    options: { timing: impatient },
  });
  await run();
  assertWhole(cache);
  assert.match(said[0]!, /nothing was received for 0\.5 seconds/);
  assert.equal(ranges(asked[0]!)[1], half);
  const mute = await start({ handlers: [() => {}], options: { timing: { ...impatient, attempts: 1 } } });
  assert.match(await failure(mute.run), /nothing was received/);
});

/** Pulls in a process of its own. */
function pullingChild(address: string, cache: string, shell?: string) {
  const script = join(temporaryFolder(), "pull.mjs");
  const known = JSON.stringify([["w", { ...base, hash, addresses: [address] }]]);
  writeFileSync(
    script,
    `import { pull } from ${JSON.stringify(new URL("./pull.node.js", import.meta.url).href)};
     try { await pull("w", { known: new Map(${known}), cache: ${JSON.stringify(cache)} }); }
     catch (error) { console.error(error.code + " " + error.message); process.exitCode = 1; }`,
  );
  const child =
    shell === undefined
      ? spawn(process.execPath, [script], { stdio: ["ignore", "ignore", "pipe"] })
      : spawn("sh", ["-c", `${shell}; exec "$0" "$1"`, process.execPath, script], {
          stdio: ["ignore", "ignore", "pipe"],
        });
  after(() => child.kill("SIGKILL"));
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (more: string) => {
    stderr += more;
  });
  const ended = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on("close", (code) => resolve({ code, stderr }));
  });
  return { child, ended };
}

/** The size of the one part in the cache. */
function partSize(cache: string): number {
  const [name] = readdirSync(cache);
  const path = join(cache, name ?? "", "bytes");
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

test("what a killed process leaves is continued", async () => {
  const silent: Handler = (_, response) => {
    response.writeHead(200, { "content-length": content.length, etag: '"1"' }).write(content.subarray(0, half));
  };
  const { run, cache, asked, servers } = await start({ handlers: [inTurn(silent, good)] });
  const { child, ended } = pullingChild(`${servers[0]!.origin}/w`, cache);
  while (partSize(cache) < half) await sleep(5);
  child.kill("SIGKILL");
  await ended;
  await run();
  assertWhole(cache);
  assert.deepEqual(ranges(asked[0]!), [undefined, half]);
});

test("what a process that is at work has is left alone", async () => {
  let release = () => {};
  const slow: Handler = (_, response) => {
    response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, half));
    release = () => response.end(content.subarray(half));
  };
  const { run, cache, asked, servers } = await start({ handlers: [inTurn(slow, good)] });
  const { ended } = pullingChild(`${servers[0]!.origin}/w`, cache);
  while (partSize(cache) < half) await sleep(5);
  await run();
  assert.deepEqual(ranges(asked[0]!), [undefined, undefined]);
  release();
  assert.deepEqual(await ended, { code: 0, stderr: "" });
  assertWhole(cache);
});

/** A shell can limit the size of files, which a program meets as it meets a full disk. */
const needsLimit = { skip: process.platform === "win32" ? "there is no ulimit on Windows" : false };

test("a disk that takes no more is an error, and what fitted is kept", needsLimit, async () => {
  const { run, cache, servers, asked } = await start({ handlers: [good] });
  const { ended } = pullingChild(`${servers[0]!.origin}/w`, cache, "ulimit -f 512");
  const { code, stderr } = await ended;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^io .*cannot be written; the \d+ bytes so far are kept/);
  assert.match(stderr, /another `cache` folder/);
  assert.equal(partSize(cache), 512 * 512);
  await run();
  assertWhole(cache);
  assert.deepEqual(ranges(asked[0]!), [undefined, 512 * 512]);
});

test("of several parts that were left, the largest is continued and the others go", async () => {
  const { run, cache, asked } = await start({ handlers: [good] });
  const dead = spawn(process.execPath, ["-e", ""]);
  await new Promise((resolve) => dead.on("close", resolve));
  const host = hostname().replace(/[^\w.]/g, "_");
  const leave = (owner: string, size: number, note: string) => {
    const folder = join(cache, `w.safetensors.${owner}.partial`);
    mkdirSync(folder);
    writeFileSync(join(folder, "bytes"), content.subarray(0, size));
    writeFileSync(join(folder, "origin.json"), note);
  };
  leave(`${host}-${dead.pid}-0`, 1000, '{"address":"http://a/"}');
  leave(`${host}-${dead.pid}-1`, 5000, '{"address":"http://a/"}');
  leave("elsewhere-1-0", 9000, '{"address":"http://a/"}');
  await run();
  assert.deepEqual(ranges(asked[0]!), [5000]);
  assert.deepEqual(readdirSync(cache).sort(), [
    "w.safetensors",
    "w.safetensors.checked",
    "w.safetensors.elsewhere-1-0.partial",
  ]);
  leave(`${host}-${dead.pid}-2`, 5000, '{"addr');
  await run({ force: true });
  assert.equal(ranges(asked[0]!)[1], undefined);
});
