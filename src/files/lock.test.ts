import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SenetError } from "../errors.ts";
import { Lock } from "./lock.node.ts";
import { self } from "./owner.node.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "senet-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
const take = (path: string) => new Lock(path, "a run is under way here", "another --out");
const isHeld =
  (...words: readonly RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof SenetError && error.code === "usage", String(error));
    assert.match(error.message, /a run is under way here/);
    for (const word of words) assert.match(error.message, word);
    return true;
  };
const dead = () => spawnSync("true").pid;
const lockOf = (holder: object) => `${JSON.stringify({ ...self, since: "long ago", ...holder })}\n`;

test("a lock is held by one, until it is released", (t) => {
  const folder = folderOf(t);
  const path = join(folder, "lock");
  const lock = take(path);
  assert.throws(() => take(path), isHeld(new RegExp(`process ${process.pid}, running since 20`), /another --out$/));
  assert.deepEqual(readdirSync(folder), ["lock"]);
  lock.release();
  assert.deepEqual(readdirSync(folder), []);
  take(path).release();
});

test("what a dead process left is taken over, also where its number is another's by now", (t) => {
  const path = join(folderOf(t), "lock");
  const stale = [lockOf({ pid: dead() }), lockOf({ pid: process.ppid, start: "1" }), lockOf({ start: "1" })];
  for (const text of stale) {
    writeFileSync(path, text);
    take(path).release();
  }
  // On another machine, by its silence; half of a lock, by its age.
  for (const text of [lockOf({ host: "elsewhere" }), '{"host":', ""]) {
    writeFileSync(path, text);
    assert.throws(
      () => take(path),
      isHeld(text.includes("elsewhere") ? /on elsewhere[\s\S]*delete .*lock/ : /just now/),
    );
    utimesSync(path, 0, 0);
    take(path).release();
  }
  symlinkSync(join(path, "..", "nowhere"), path);
  assert.throws(() => take(path), isHeld(/just now/));
});

test("one that is not ours any more is left to its new holder", (t) => {
  const path = join(folderOf(t), "lock");
  const lock = take(path);
  const other = lockOf({ host: "elsewhere" });
  writeFileSync(path, other);
  lock.release();
  assert.equal(readFileSync(path, "utf8"), other);
});

test("of many processes that want a stale lock at once, one at a time holds it", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "lock");
  writeFileSync(path, lockOf({ pid: dead() }));
  // Each that gets the lock writes that it came and went; two at once would show.
  const code = `
    import { appendFileSync } from "node:fs";
    import { Lock } from ${JSON.stringify(new URL("./lock.node.js", import.meta.url).href)};
    const [, path, log] = process.argv;
    for (let held = 0; held < 5; ) {
      let lock;
      try { lock = new Lock(path, "held", "wait"); } catch (error) { if (error.code !== "usage") throw error; }
      if (lock !== undefined) {
        appendFileSync(log, "+");
        await new Promise((resolve) => setTimeout(resolve, 2));
        appendFileSync(log, "-");
        held++;
        // The last is left as by a process that was killed, for the others to take over.
        if (held === 5) process.kill(process.pid, "SIGKILL");
        lock.release();
      }
      await new Promise((resolve) => setTimeout(resolve, 3 * Math.random()));
    }`;
  const log = join(folder, "log");
  const ends = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", code, path, log], { stdio: "inherit" });
    return new Promise((resolve) => child.on("exit", (_, signal) => resolve(signal)));
  });
  assert.deepEqual(await Promise.all(ends), Array(4).fill("SIGKILL"));
  assert.equal(readFileSync(log, "utf8"), "+-".repeat(20));
  take(path).release();
  assert.deepEqual(readdirSync(folder), ["log"]);
});

test("the end of the process releases it, however that ends in order", (t) => {
  const folder = folderOf(t);
  const code = `
    import { Lock } from ${JSON.stringify(new URL("./lock.node.js", import.meta.url).href)};
    new Lock(process.argv[1], "held", "wait");
    process.exit(130);`;
  const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", code, join(folder, "lock")]);
  assert.equal(status, 130);
  assert.deepEqual(readdirSync(folder), []);
});
