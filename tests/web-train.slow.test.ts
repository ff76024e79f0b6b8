/** Training in a tab, in Chromium: the same run as in Node, which goes on there, and the other way round. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "../src/api/network.node.ts";
import { needsWebRuntime } from "./chromium.ts";
import { senetHere } from "./command.ts";
import { openPage } from "./page.ts";
import { assertSameRun, bytesOf, recipe, tabTraining } from "./tab-training.ts";

const { folder, data, inTab, inNode, last } = tabTraining();

const opened = needsWebRuntime.skip === false ? await openPage() : undefined;

test("ten steps in a tab are those of Node, and their files hold the same run", needsWebRuntime, async () => {
  const { page, faults } = opened!;
  const found = await inTab(
    page,
    `return senet.train(pictures, { ...${JSON.stringify(recipe)}, epochs: 2, runtime, onSave });`,
  );
  await inNode("ten", { epochs: 2 });
  assertSameRun(bytesOf(found.last), last("ten"), 1e-5);
  assert.equal(found.engine, "wasm");
  assert.equal(found.finished, true);
  assert.equal(found.saves, 5, "at the start, and before and after each validation");
  const kinds = new Set(found.events.map(({ kind }) => kind));
  assert.deepEqual([...kinds].sort(), ["epoch", "start", "step", "validation"]);
  const best = join(folder, "best-of-tab.safetensors");
  writeFileSync(best, bytesOf(found.best));
  await using network = await load(best);
  assert.deepEqual(network.labels, ["blue", "green", "red"]);
  assert.deepEqual(faults, []);
});

test("a run that was begun in a tab goes on in Node, and one of Node's in a tab", needsWebRuntime, async () => {
  const { page } = opened!;
  const options = JSON.stringify({ ...recipe, epochs: 2 });
  // Stopped within its second epoch; again, where the run was at its end before it heard.
  const begin = () =>
    inTab(
      page,
      `
    const stopping = new AbortController();
    const training = senet.train(pictures, { ...${options}, runtime, signal: stopping.signal });
    (async () => { for await (const { kind, epoch } of training) if (kind === "step" && epoch === 1) stopping.abort(); })();
    return training;`,
    );
  let begun = await begin();
  for (let tries = 1; tries < 10 && begun.finished; tries++) begun = await begin();
  assert.equal(begun.finished, false);
  mkdirSync(join(folder, "from-tab"));
  writeFileSync(join(folder, "from-tab", "last.safetensors"), bytesOf(begun.last));
  const out = join(folder, "from-tab");
  const ran = await senetHere([
    "train",
    "--data",
    data,
    "--out",
    out,
    "--resume",
    "--workers",
    "1",
    "--executor",
    "ort",
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assertSameRun(last("from-tab"), last("ten"), 1e-5);

  cpSync(join(folder, "ten"), join(folder, "half"), { recursive: true });
  const stopping = new AbortController();
  await inNode("half", {
    ...{ epochs: 2, fresh: true, signal: stopping.signal },
    onStep: ({ epoch, step }) => {
      if (epoch === 1 && step === 3) stopping.abort();
    },
  });
  // Stopped before its first step.
  const unbegun = await inTab(
    page,
    `return senet.train(pictures, { ...${options}, runtime, signal: AbortSignal.abort() });`,
  );
  assert.equal(unbegun.finished, false);
  const whole = await inTab(page, `return senet.train(pictures, { resume: file("${unbegun.last}"), runtime });`);
  assertSameRun(bytesOf(whole.last), last("ten"), 1e-5);

  const resumed = await inTab(
    page,
    `return senet.train(pictures, { resume: file("${Buffer.from(last("half")).toString("base64")}"), runtime });`,
  );
  assert.equal(resumed.finished, true);
  assertSameRun(bytesOf(resumed.last), last("ten"), 1e-5);
});
