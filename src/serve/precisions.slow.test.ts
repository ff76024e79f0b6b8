/** Weight files of fewer bits, and bf16 as they are computed in: what the library answers, the server does. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { onednnOrReason } from "../../tests/onednn.ts";
import { png, sourceOf, testServer, tinyWeights } from "../../tests/serve.ts";
import { load } from "../api/network.node.ts";
import type { LoadOptions } from "../api/open-network.node.ts";
import type { Prediction } from "../evaluate/classify.ts";
import { parseSafetensors } from "../formats/safetensors.ts";
import { ThreadHand } from "./hand.node.ts";

const folder = temporaryFolder();
const float = tinyWeights(3);
let teal: Buffer;
before(async () => {
  teal = await png("teal");
});

async function assertServed(file: string, options: LoadOptions, notes: RegExp): Promise<readonly Prediction[]> {
  const all: LoadOptions = { executor: "ort", threads: 1, ...options };
  await using network = await load(file, all);
  const [expected] = await network.classify([teal]);
  const server = await testServer({
    sources: [{ ...sourceOf("tiny", file), source: { files: [file], options: all, batch: 1 } }],
    open: () => new ThreadHand({ mostPixels: 1e6 }),
  });
  assert.match(server.said.join("\n"), notes);
  const answer = await server.ask({
    ...{ method: "POST", url: "/v1/classify", payload: teal, headers: { "content-type": "image/png" } },
  });
  assert.equal(answer.statusCode, 200, answer.body);
  assert.deepEqual(answer.json<{ results: unknown }>().results, [{ name: "picture", predictions: expected }]);
  return expected!;
}

test("a network in eight bits", async () => {
  for (const [i, background] of ["teal", "plum", "olive", "navy", "tan", "pink"].entries()) {
    const path = join(folder, "data", `class ${i % 3}`, `${i}.png`);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, await png(background));
  }
  await using network = await load(float, { executor: "ort", threads: 1 });
  const made = await network.quantize(join(folder, "data"), { images: 3, checkImages: 3, workers: 1, budget: 100 });
  const file = join(folder, "int8.safetensors");
  await made.network.save(file);
  await made.network.dispose();
  assert.ok([...parseSafetensors(readFileSync(file), file).tensors.values()].some(({ dtype }) => dtype === "int8"));
  await assertServed(file, {}, /executor ort/);
});

test("a file whose weights are bf16", async () => {
  const file = join(folder, "bf16.safetensors");
  writeFileSync(file, asBf16(readFileSync(float)));
  const found = await assertServed(file, {}, /executor ort/);
  await using network = await load(float, { executor: "ort", threads: 1 });
  const [exact] = await network.classify([teal]);
  assert.notDeepEqual(found, exact, "the weights were rounded");
});

const bf16 = onednnOrReason("bf16");
test("a network that is computed in bf16", { skip: typeof bf16 === "string" && bf16 }, async () => {
  await assertServed(float, { executor: "onednn", precision: "bf16" }, /executor onednn/);
});

test("where nobody says which engine, both are measured", {
  skip: typeof onednnOrReason("float32") === "string",
}, async () => {
  const server = await testServer({
    sources: [{ name: "tiny", source: { files: [float], options: { threads: 1 }, batch: "auto" } }],
    open: () => new ThreadHand({ mostPixels: 1e6 }),
    hands: 2,
  });
  const said = server.said.join("\n");
  assert.match(
    said,
    /executor (ort|onednn): .*\n.* ms a picture, 8 at once .*\n.*executor (ort|onednn): .* ms a picture, 8/,
  );
  const answer = await server.ask({
    ...{ method: "POST", url: "/v1/classify", payload: teal, headers: { "content-type": "image/png" } },
  });
  assert.equal(answer.statusCode, 200, answer.body);
});

/** A safetensors file with its float32 cut to their upper halves. */
function asBf16(bytes: Buffer): Buffer {
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const parts: Buffer[] = [];
  let at = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    assert.equal(entry.dtype, "F32");
    const [from, to] = entry.data_offsets;
    const values = Buffer.alloc((to - from) / 2);
    for (let i = 0; i < values.length; i += 2)
      bytes.copy(values, i, start + from + 2 * i + 2, start + from + 2 * i + 4);
    header[name] = { ...entry, dtype: "BF16", data_offsets: [at, at + values.length] };
    parts.push(values);
    at += values.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...parts]);
}
