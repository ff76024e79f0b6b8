/** Nothing is reported of how ONNX Runtime is used: neither from the main thread nor from others. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../tests/command.ts";

const library = new URL("./library.node.js", import.meta.url).href;
const folder = temporaryFolder();

/** Runs `text` as a program, and returns whether ONNX Runtime has left what it collects in the home folder. */
function isCollected(name: string, text: string, env: NodeJS.ProcessEnv = {}): boolean {
  const home = join(folder, name);
  mkdirSync(home);
  // Nothing else of the environment: where `CI` or one of its kind is set, nothing is collected anyway.
  const { PATH } = process.env;
  execFileSync(process.execPath, ["--input-type=module", "-e", text], { env: { PATH, HOME: home, ...env } });
  return existsSync(join(home, ".cache", "Microsoft"));
}

const use = `
  const { onnxRuntime } = await import(${JSON.stringify(library)});
  await onnxRuntime().InferenceSession.create(new Uint8Array()).catch(() => {});`;
const inThread = `
  import { Worker } from "node:worker_threads";
  new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(use)}`)}));`;

test("ONNX Runtime collects nothing", { skip: process.platform !== "linux" && "elsewhere it does not" }, () => {
  assert.ok(!isCollected("main", use), "by the main thread");
  assert.ok(!isCollected("thread", inThread), "by another thread");
  // Or else these tests would see nothing.
  assert.ok(isCollected("allowed", use, { ORT_DISABLE_TELEMETRY: "0" }), "where it is allowed");
});
