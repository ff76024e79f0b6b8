/** What happens when the output cannot be written, or only slowly. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { launcher } from "./command.ts";

/** Runs with a standard output that takes nothing: that file's, or a pipe whose reader has gone. */
async function runUnheard(args: readonly string[], stdout: "pipe" | number): Promise<{ code: number; err: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", stdout, "pipe"] });
  child.stdout?.destroy();
  let err = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, err };
}

const commands = [["--help"], ["models"], ["pull", "--json"]];

test("a full disk under standard output is said, with an exit code that tells", {
  skip: existsSync("/dev/full") ? false : "there is no /dev/full",
}, async () => {
  const full = openSync("/dev/full", "w");
  try {
    for (const { code, err } of await Promise.all(commands.map((command) => runUnheard(command, full)))) {
      assert.equal(code, 1);
      assert.equal(err, "senet: standard output: the result cannot be written\n  found:    no space is left\n");
    }
  } finally {
    closeSync(full);
  }
});

test("a reader that goes ends the command quietly", async () => {
  for (const gone of await Promise.all(commands.map((command) => runUnheard(command, "pipe"))))
    assert.deepEqual(gone, { code: 141, err: "" });
});

test("a reader that is slow gets all", async () => {
  // A pipe holds 64 KiB, which is less than this; Node's own pipes between processes hold more.
  const { stdout } = await promisify(execFile)(
    "sh",
    ["-c", '"$@" | (sleep 0.7; cat)', "sh", process.execPath, launcher, "models", "senet-154", "--json"],
    { maxBuffer: 2 ** 24 },
  );
  assert.ok(stdout.length > 100_000);
  assert.equal((JSON.parse(stdout) as { name: string }).name, "senet-154");
});
