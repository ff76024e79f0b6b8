/** `senet/web` in Chromium: networks are opened and asked in a worker, and answer as in Node. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { load } from "../src/api/network.node.ts";
import type { Prediction } from "../src/evaluate/classify.ts";
import { needsWebRuntime } from "./chromium.ts";
import { openPage } from "./page.ts";
import { assertClose, golden, root } from "./support.ts";

const ort = "/web/node_modules/onnxruntime-web/dist";
const onWasm = `{ runtime: { module: "${ort}/ort.wasm.min.mjs" } }`;
const weights = "/weights/imagenette.safetensors";
const picture = readFileSync(golden("images", "rgb.png"));

/** Runs in the page, where `senet` is the module and `picture` a file. */
const inPage = <T>(page: Page, body: string): Promise<T> =>
  page.evaluate(`(async () => {
    const senet = await import("senet/web");
    const bytes = Uint8Array.from(atob("${picture.toString("base64")}"), (c) => c.charCodeAt(0));
    const picture = new File([bytes], "rgb.png");
    ${body}
  })()`) as Promise<T>;

interface Answers {
  readonly engine: string;
  readonly classified: readonly Prediction[];
  readonly features: readonly number[];
  readonly gates: readonly (readonly number[])[];
  readonly heat: readonly number[];
}

test(
  "a network at an address classifies, embeds, shows its gates and explains as in Node",
  needsWebRuntime,
  async () => {
    const { page, faults } = await openPage();
    const found = await inPage<Answers>(
      page,
      `const network = await senet.load("${weights}", ${onWasm});
    const answers = {
      engine: network.engine.reason,
      classified: await network.classify(picture),
      features: [...await network.features(picture)],
      gates: (await network.gates(picture)).map(({ gates }) => [...gates]),
      heat: [...(await network.explain(picture)).heat.values],
    };
    await network.dispose();
    return answers;`,
    );
    await using network = await load(join(root, weights));
    const input = { name: "rgb.png", bytes: new Uint8Array(picture) };
    const classified = await network.classify(input);
    assert.deepEqual(
      found.classified.map(({ label }) => label),
      classified.map(({ label }) => label),
    );
    assertClose(
      found.classified.map(({ probability }) => probability),
      classified.map(({ probability }) => probability),
      1e-5,
      "probabilities",
    );
    assertClose(found.features, await network.features(input), 1e-5, "features");
    const gates = await network.gatesOf(input);
    for (const [i, block] of gates.entries())
      assertClose(found.gates[i]!, block.gates, 1e-5, `gates of ${block.block}`);
    assertClose(found.heat, (await network.explain(input)).heat.values, 1e-4, "heat");
    assert.match(found.engine, /^WebAssembly with one thread: there is no WebGPU/);
    assert.deepEqual(faults, []);
  },
);
