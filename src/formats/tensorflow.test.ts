import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { assertPortFacts, bundle, portFacts } from "../../tests/ports.ts";
import { needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, floats, proto, refused } from "../../tests/weights.ts";
import { tensor } from "../tensor.ts";
import { weightsIn } from "../weights/folder.node.ts";
import { unsnappy } from "./snappy.ts";
import { parseTensorflow, parseTensorflowIndex } from "./tensorflow.ts";

const readAt = (path: string) =>
  parseTensorflow(bytesOf(path), path, async (name) => bytesOf(join(dirname(path), name)));

const real = [
  ["mtcnn-pnet", "PNet-18.index"],
  ["samplenet", "variables.index"],
] as const;
for (const [folder, name] of real) {
  const path = ["ports", "tensorflow", folder, name];
  test(`${folder}, by TensorFlow: every variable, every checksum`, needsShared(...path), async () => {
    const { tensors } = await readAt(sharedData(...path));
    assertPortFacts(tensors, name);
  });

  test(`${folder}: one flipped bit is refused`, needsShared(...path), async () => {
    const index = bytesOf(sharedData(...path));
    const data = bytesOf(sharedData("ports", "tensorflow", folder, name.replace("index", "data-00000-of-00001")));
    const read = (index: Uint8Array, data: Uint8Array) => parseTensorflow(index, name, async () => data);
    for (const place of [0.1, 0.5, 0.9]) {
      const changed = data.slice();
      changed[Math.floor(place * data.length)]! ^= 4;
      await refused(() => read(index, changed), "checksum");
      const other = index.slice();
      other[Math.floor(place * (index.length - 60))]! ^= 4;
      await refused(() => read(other, data), name);
    }
  });
}

const alone = ["ports", "tensorflow", "se-resnext-index-only", "ResNeXt.ckpt.index"];
test("a real index of SE-ResNeXt: 661 variables by name, shape and place", needsShared(...alone), () => {
  const { shards, entries } = parseTensorflowIndex(bytesOf(sharedData(...alone)), "ResNeXt.ckpt.index");
  assert.equal(shards, 1);
  assert.equal(entries.size, 661);
  const facts = portFacts("ResNeXt.ckpt.index").tensors as unknown as readonly Readonly<Record<string, unknown>>[];
  for (const { name, shape, offset, size, crc32cMasked } of facts) {
    const entry = entries.get(name as string)!;
    assert.deepEqual(
      [entry.shape, entry.offset, entry.size, entry.crc],
      [shape, offset, size, crc32cMasked],
      `${name}`,
    );
  }
});

const variables = [
  { name: "conv2d/kernel", shape: [1, 1, 2, 3], data: floats(1, 2, 3, 4, 5, 6) },
  { name: "conv2d_10/bias", shape: [2], data: floats(7, 8) },
  { name: "conv2d_2/bias", shape: [2], data: floats(9, 10) },
  { name: "global_step", shape: [], data: new Uint8Array(BigInt64Array.of(5n).buffer), dtype: 9 },
  { name: "half", shape: [1], data: Uint8Array.of(0, 0x3e), dtype: 19 },
  { name: "is_training", shape: [], data: Uint8Array.of(1), dtype: 10 },
  { name: "graph", shape: [], data: Uint8Array.of(1, 65, 0, 0), dtype: 7 },
];

for (const options of [{}, { snappy: true }, { entriesInBlock: 2 }, { snappy: true, entriesInBlock: 1 }]) {
  test(`a checkpoint with ${JSON.stringify(options)}`, async () => {
    const { index, data } = bundle(variables, options);
    const asked: string[] = [];
    const { tensors, notes } = await parseTensorflow(index, "some/model.ckpt-5.index", async (name) => {
      asked.push(name);
      return data;
    });
    assert.deepEqual(asked, ["model.ckpt-5.data-00000-of-00001"]);
    assert.deepEqual(notes, ["left aside 1 variable of text"]);
    assert.deepEqual(Object.fromEntries(tensors), {
      "conv2d/kernel": tensor([1, 1, 2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)),
      "conv2d_10/bias": tensor([2], Float32Array.of(7, 8)),
      "conv2d_2/bias": tensor([2], Float32Array.of(9, 10)),
      global_step: tensor([], Int32Array.of(5)),
      half: tensor([1], Float32Array.of(1.5)),
      is_training: tensor([], Int32Array.of(1)),
    });
  });
}

test("a checkpoint is given by its prefix, its index, its values or its folder", async () => {
  const folder = temporaryFolder();
  const { index, data } = bundle(variables);
  const prefix = join(folder, "model.ckpt-5");
  writeFileSync(`${prefix}.index`, index);
  writeFileSync(`${prefix}.data-00000-of-00001`, data);
  writeFileSync(join(folder, "model.ckpt-4.index"), index);
  writeFileSync(
    join(folder, "checkpoint"),
    'model_checkpoint_path: "/home/somebody/model/model.ckpt-5"\nall_model_checkpoint_paths: "x"\n',
  );
  for (const path of [prefix, `${prefix}.index`, `${prefix}.data-00000-of-00001`, folder]) {
    assert.equal(await weightsIn(path), `${prefix}.index`);
  }
  assert.equal(await weightsIn(join(folder, "other")), join(folder, "other"));
  mkdirSync(join(folder, "one"));
  writeFileSync(join(folder, "one", "a.index"), index);
  assert.equal(await weightsIn(join(folder, "one")), join(folder, "one", "a.index"));
});

test("what is damaged or not read is refused", async () => {
  const { index, data } = bundle(variables);
  const read = (index: Uint8Array, data: Uint8Array) => parseTensorflow(index, "m.index", async () => data);
  await refused(() => read(index.subarray(1), data), "m.index");
  await refused(() => read(index, data.subarray(0, -1)), "not in the file", "m.data-00000-of-00001");
  await refused(() => parseTensorflow(index, "m.index", undefined), "in other files", "m.data-00000-of-00001");
  const first = bundle(variables, { header: proto([[1, [[1, 3]]]]) });
  await refused(() => read(first.index, data), "version 1", "write_version=2");
  const big = bundle(variables, {
    header: proto([
      [1, 1],
      [2, 1],
    ]),
  });
  await refused(() => read(big.index, data), "big-endian");
  const wrong = bundle([{ name: "w", shape: [3], data: floats(1, 2) }]);
  await refused(() => read(wrong.index, wrong.data), "do not fill its shape", '"w"');
  const unknown = bundle([{ name: "w", shape: [2], data: floats(1, 2), dtype: 21 }]);
  await refused(() => read(unknown.index, unknown.data), "type cannot be read");
});

test("Snappy by its document's examples", async () => {
  const fail = (what: string): never => {
    throw new Error(what);
  };
  const text = (bytes: Uint8Array) => new TextDecoder().decode(unsnappy(bytes, fail));
  const ascii = (s: string) => [...s].map((c) => c.charCodeAt(0));
  // A literal "xababab" written as "xab" and an overlapping copy of the last two, near and far.
  assert.equal(text(Uint8Array.of(7, 2 << 2, ...ascii("xab"), 1, 2)), "xababab");
  assert.equal(text(Uint8Array.of(7, 2 << 2, ...ascii("xab"), (3 << 2) | 2, 2, 0)), "xababab");
  assert.equal(text(Uint8Array.of(7, 2 << 2, ...ascii("xab"), (3 << 2) | 3, 2, 0, 0, 0)), "xababab");
  const long = new Uint8Array(300).fill(97);
  assert.equal(text(Uint8Array.of(0xac, 2, 61 << 2, 43, 1, ...long)), "a".repeat(300));
  for (const bytes of [[7, 8, 120], [7, 0, 120, 1, 5], [0xff, 0xff, 0xff, 0xff, 0x0f, 0], [3, 0, 120], [0x80]]) {
    assert.throws(() => unsnappy(Uint8Array.from(bytes), fail), /damaged/);
  }
});
