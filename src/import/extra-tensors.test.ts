import assert from "node:assert/strict";
import { test } from "node:test";
import { SenetError } from "../errors.ts";
import { type Shape, type Tensor, zeros } from "../tensor.ts";
import { inferenceGraph, model } from "../zoo/index.ts";
import { findModel } from "./find-model.ts";
import { namingByName, torchName } from "./rename.ts";

const timm = namingByName("timm");

/** The message for the tensors of a small network in timm's names, changed. */
function refusal(change: (tensors: Map<string, Tensor>) => void): string {
  assert.ok(timm.style === "torch");
  const names = timm;
  const { parameters } = inferenceGraph(model("se-resnet-20", 3), { batch: 1, imageSize: 32 });
  const tensors = new Map(
    parameters.map(({ name, role, type }) => [torchName(names, name, role)!, zeros("float32", type.shape)]),
  );
  change(tensors);
  try {
    findModel({ kind: "tensors", tensors }, timm, "file", undefined);
  } catch (error) {
    assert.ok(error instanceof SenetError && error.code === "weights", `${error}`);
    return error.message;
  }
  return assert.fail("it was opened");
}

const put = (tensors: Map<string, Tensor>, name: string, shape: Shape) => tensors.set(name, zeros("float32", shape));

test("a file with all of a network and other tensors says which to leave out", () => {
  const optimizer = refusal((tensors) => {
    for (const [name, { shape }] of [...tensors]) put(tensors, `optimizer.${name}.exp_avg`, shape);
  });
  assert.match(optimizer, /unexpected {2}"optimizer\.\S+\.exp_avg"/);
  assert.match(
    optimizer,
    /try: +leave the \d+ tensors out when saving: "optimizer\..*, \.\.\.; all of the network is there/,
  );
  const heads = refusal((tensors) => {
    put(tensors, "aux.weight", [3, 64]);
    put(tensors, "aux.bias", [3]);
  });
  assert.match(heads, /leave the 2 tensors out when saving: "aux\.weight", "aux\.bias"; all/);
  assert.match(
    refusal((tensors) => put(tensors, "my_scale", [3])),
    /leave the tensor out when saving: "my_scale"; all/,
  );
});

test("a block more makes another network, of which nothing is to be left out", () => {
  for (const name of ["layer3.3.conv1.weight", "layer4.0.conv1.weight"]) {
    const deeper = refusal((tensors) => put(tensors, name, [64, 64, 3, 3]));
    assert.ok(deeper.includes(`unexpected  "${name}"`), deeper);
    assert.match(deeper, /senet models lists/);
  }
});

test("a classifier of another name is told, and what its name is to be", () => {
  const renamed = (weight: Shape) =>
    refusal((tensors) => {
      for (const name of ["fc.weight", "fc.bias"]) tensors.delete(name);
      put(tensors, "my_output.weight", weight);
      put(tensors, "my_output.bias", [3]);
    });
  assert.match(
    renamed([3, 64]),
    /try: +"my_output\." seems to be the classifier, which is "fc\." in files of this kind/,
  );
  assert.doesNotMatch(renamed([3, 63]), /seems to be/);
});
