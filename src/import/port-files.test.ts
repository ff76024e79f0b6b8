import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../tests/weights.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { portFile } from "./port-files.ts";

const one: Tensor = tensor([1], Float32Array.of(1));
const of = (...names: string[]) => new Map(names.map((name) => [name, one]));
const namesIn = (names: readonly string[]) => [...portFile(of(...names), "file").tensors.keys()];

test("TensorFlow's outputs and MXNet's kinds are no part of a name, where all names have them", () => {
  assert.deepEqual(namesIn(["conv0/W:0", "linear/b:0"]), ["conv0/W", "linear/b"]);
  assert.deepEqual(namesIn(["arg:conv0_weight", "aux:bn0_moving_mean"]), ["conv0_weight", "bn0_moving_mean"]);
  // One without: nobody knows what it is then.
  assert.deepEqual(namesIn(["conv0/W:0", "linear/b"]), ["conv0/W:0", "linear/b"]);
  // Two would become one.
  assert.deepEqual(namesIn(["arg:a", "aux:a"]), ["arg:a", "aux:a"]);
});

test("what optimisers and averages keep is left aside, where it is of a variable that is there", () => {
  const own = ["conv2d/kernel", "s/gamma", "s/moving_mean", "conv0/bn/mean/EMA", "Momentum"];
  const others = [
    ...[
      "conv2d/kernel/Momentum",
      "s/gamma/Adam",
      "s/gamma/Adam_1",
      "s/s/moving_mean/biased",
      "s/s/moving_mean/local_step",
    ],
    ...["EMA/cost", "s/gamma/ExponentialMovingAverage"],
  ];
  const { tensors, aside } = portFile(of(...own, ...others, "other/Momentum"), "file");
  assert.deepEqual([...tensors.keys()], [...own, "other/Momentum"]);
  assert.deepEqual(aside, others);
});

test("the state of an optimiser is no network", async () => {
  await refused(
    () => portFile(of("conv1/W/v", "res_block1/bn/gamma/v"), "net.optimizer"),
    "net.optimizer",
    "the state of an optimiser",
    ".model",
  );
  assert.deepEqual(namesIn(["conv1/W", "conv1/v"]), ["conv1/W", "conv1/v"]);
});

test("batch norms at the ends of tensorpack's groups are those at the beginnings of the next", () => {
  assert.deepEqual(
    namesIn(["group0/bnlast/bn/gamma", "group1/bnlast/bn/gamma", "group1/bnlast/bn/mean/EMA", "linear/W"]),
    ["group1/block0/preact/bn/gamma", "bnlast/bn/gamma", "bnlast/bn/mean/EMA", "linear/W"],
  );
});

test("paths of taki0112's blocks are joined by the order in which their layers were made", () => {
  const tensors = new Map<string, Tensor>();
  let value = 0;
  const put = (name: string, ...shape: number[]) => {
    const size = shape.reduce((product, extent) => product * extent, 1);
    tensors.set(
      name,
      tensor(
        shape,
        Float32Array.from({ length: size }, () => value++),
      ),
    );
  };
  const parts = ["gamma", "beta", "moving_mean", "moving_variance"];
  const norm = (scope: string, channels: number) => {
    for (const part of parts) put(`${scope}/${part}`, channels);
  };
  put("conv2d/kernel", 1, 1, 3, 2);
  norm("first_layer_batch1", 2);
  const blocks = ["1_0", "1_1", "2_0"];
  for (const [i, block] of blocks.entries()) {
    for (const path of [0, 1]) {
      put(`conv2d_${5 * i + 2 * path + 1}/kernel`, 1, 1, 2, 3);
      put(`conv2d_${5 * i + 2 * path + 2}/kernel`, 1, 1, 3, 3);
      for (const k of [1, 2]) norm(`split_layer_${block}_splitN_${path}_batch${k}`, 3);
    }
    put(`conv2d_${5 * i + 5}/kernel`, 1, 1, 6, 2);
    norm(`trans_layer_${block}_batch1`, 2);
    for (const k of [0, 1]) put(`dense${2 * i + k === 0 ? "" : `_${2 * i + k}`}/kernel`, 2, 2);
  }
  put("dense_6/kernel", 2, 10);
  // Files have them in another order.
  const shuffled = new Map([...tensors].sort(([a], [b]) => (a < b ? 1 : -1)));
  const { tensors: found } = portFile(shuffled, "file");
  assert.equal(found.size, 2 + 4 + 3 * (3 + 2 + 3 * 4));
  const joined = found.get("block_1_1/conv1/kernel")!;
  assert.deepEqual(joined.shape, [1, 1, 2, 6]);
  const [a, b] = [tensors.get("conv2d_6/kernel")!.data, tensors.get("conv2d_8/kernel")!.data];
  assert.deepEqual([...joined.data], [...a.slice(0, 3), ...b.slice(0, 3), ...a.slice(3), ...b.slice(3)]);
  const gamma = (path: number) => [...tensors.get(`split_layer_2_0_splitN_${path}_batch2/gamma`)!.data];
  assert.deepEqual([...found.get("split_layer_2_0_batch2/gamma")!.data], [...gamma(0), ...gamma(1)]);
  for (const [theirs, name] of [
    ["conv2d_15", "block_2_0/conv3"],
    ["dense_3", "block_1_1/dense2"],
    ["dense_6", "last_dense"],
  ] as const) {
    assert.deepEqual(found.get(`${name}/kernel`)!.data, tensors.get(`${theirs}/kernel`)!.data, name);
  }
  // A path without one of its tensors is not joined, and so is a fault by its own name.
  const less = new Map(tensors);
  less.delete("conv2d_3/kernel");
  assert.ok(portFile(less, "file").tensors.has("conv2d_1/kernel"));
});
