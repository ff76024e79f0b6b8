import assert from "node:assert/strict";
import { test } from "node:test";
import { networkName, networksOf, withItsFiles } from "./weights.ts";

test("a Caffe network among others is its definition and its weights, in either order", () => {
  const networks = (files: string) => networksOf(files.split(" ")).map((network) => network.join(" "));
  assert.deepEqual(networks("se-resnet-50 b.pth"), ["se-resnet-50", "b.pth"]);
  assert.deepEqual(networks("a.prototxt a.caffemodel"), ["a.prototxt a.caffemodel"]);
  assert.deepEqual(networks("a.caffemodel a.prototxt m.binaryproto"), ["a.caffemodel a.prototxt m.binaryproto"]);
  const two = ["a.prototxt a.caffemodel", "b.prototxt b.caffemodel"];
  assert.deepEqual(networks(two.join(" ")), two);
  const behind = ["a.caffemodel a.prototxt", "b.caffemodel b.prototxt"];
  assert.deepEqual(networks(behind.join(" ")), behind);
  assert.deepEqual(networks("a.prototxt a.caffemodel m.binaryproto b.pth"), [
    "a.prototxt a.caffemodel m.binaryproto",
    "b.pth",
  ]);
  assert.deepEqual(networks("m.binaryproto a.prototxt a.caffemodel"), ["m.binaryproto a.prototxt a.caffemodel"]);
  assert.deepEqual(networks("c.safetensors a.caffemodel a.prototxt"), ["c.safetensors", "a.caffemodel a.prototxt"]);
  assert.deepEqual(networks("a.prototxt"), ["a.prototxt"]);
  assert.equal(networkName(["a.prototxt", "a.caffemodel"]), "a.caffemodel");
});

test("the other file of a Caffe network is no picture", () => {
  assert.deepEqual(withItsFiles("n.prototxt", ["cat.jpg", "n.caffemodel", "dog.png"]), {
    weights: ["n.prototxt", "n.caffemodel"],
    others: ["cat.jpg", "dog.png"],
  });
  assert.deepEqual(withItsFiles("n.pth", ["cat.jpg", "n.caffemodel"]).others, ["cat.jpg", "n.caffemodel"]);
});
