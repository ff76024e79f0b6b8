/** `senet/web` in Chromium: networks are opened and asked in a worker, and answer as in Node. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { needsWebRuntime } from "./chromium.ts";
import { openPage } from "./page.ts";
import { assertAnswersOfNode } from "./web-answers.ts";
import { ort } from "./web-page.ts";

test(
  "a network at an address classifies, embeds, shows its gates and explains as in Node",
  needsWebRuntime,
  async () => {
    const { page, faults } = await openPage();
    const options = `{ runtime: { module: "${ort}/ort.wasm.min.mjs" } }`;
    const engine = await assertAnswersOfNode(page, options, ["rgb.png"]);
    assert.match(engine, /^WebAssembly with one thread: there is no WebGPU/);
    assert.deepEqual(faults, []);
  },
);
