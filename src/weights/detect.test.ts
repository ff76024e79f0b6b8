import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { golden, needsShared, sharedData } from "../../tests/support.ts";
import { bytesOf, proto, refused, smallCaffemodel, smallHdf5, torchArchive } from "../../tests/weights.ts";
import { tensor } from "../tensor.ts";
import { detectFormat, type WeightFormat } from "./detect.ts";
import { encodeSafetensors } from "./safetensors.ts";

const detect = (bytes: Uint8Array) => detectFormat(bytes, "some.file");
const ascii = (text: string) => new TextEncoder().encode(text);
const weights = new Map([["w", tensor([1], Float32Array.of(1))]]);

test("small files of every format", async () => {
  const files: readonly (readonly [WeightFormat, Uint8Array])[] = [
    ["safetensors", Buffer.concat(encodeSafetensors(weights, new Map()))],
    ["torch", bytesOf(golden("weights", "zip.pth"))],
    ["torch", bytesOf(golden("weights", "legacy.pth"))],
    ["torch", torchArchive([0x7d], {})],
    ["caffemodel", smallCaffemodel()],
    ["caffemodel", smallCaffemodel().subarray(0, 40)],
    [
      "caffemodel",
      proto([
        [1, "old"],
        [2, [[4, "fc"]]],
      ]),
    ],
    ["caffemodel", proto([[100, [[1, "nameless network"]]]])],
    ["onnx", bytesOf(golden("weights", "small.onnx"))],
    ["onnx", bytesOf(golden("weights", "small.onnx")).subarray(0, 200)],
    ["caffe-hdf5", await smallHdf5({ "data/fc/0": { shape: [1], data: Float32Array.of(1) } })],
    ["prototxt", ascii('# a network\n\nname: "net"\nlayer { }')],
    ["prototxt", ascii("layer {\n}")],
  ];
  for (const [format, bytes] of files) assert.equal(detect(bytes), format);
});

const real: Readonly<Record<string, WeightFormat>> = {
  "resnet20-12fca82f.th": "torch",
  "cifar10_res20_iter_64000.caffemodel": "caffemodel",
  "det2.caffemodel": "caffemodel",
  "det2.prototxt": "prototxt",
  "res20_cifar_train_test.prototxt": "prototxt",
};
for (const [name, format] of Object.entries(real)) {
  test(`${name} is ${format}`, needsShared("weights", name), () => {
    assert.equal(detect(bytesOf(sharedData("weights", name))), format);
  });
}

test("a safetensors header whose length looks like another format", () => {
  // 0x8b1f is gzip's magic number, 0x4b50 that of ZIP.
  for (const length of [0x8b1f, 0x4b50, 0x0280]) {
    const bytes = new Uint8Array(8 + length).fill(0x20);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
    bytes.set(ascii("{}"), 8);
    assert.equal(detect(bytes), "safetensors");
  }
});

test("what downloads bring instead is said plainly", async () => {
  const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 461488402\n";
  await refused(() => detect(new Uint8Array()), "some.file", "empty");
  await refused(() => detect(ascii(pointer)), "Git-LFS pointer", "461488402 bytes", "git lfs pull");
  await refused(() => detect(ascii("\ufeff\n<!DOCTYPE html><html><head><title>404 </title>")), "web page", '"404"');
  await refused(() => detect(ascii("<html>")), "web page");
  await refused(() => detect(ascii('<?xml version="1.0"?><Error>')), "web page");
  await refused(() => detect(ascii('{"error": "Repository not found"}')), "server's error", "Repository not found");
  await refused(() => detect(gzipSync("weights")), "gzip", "gunzip");
  await refused(() => detect(ascii("BZh91AY")), "compressed archive");
  await refused(() => detect(ascii("MATLAB 5.0 MAT-file")), "MATLAB");
  await refused(() => detect(Uint8Array.of(0x80, 4, 0x95, 1)), "torch.save did not write");
  const tar = new Uint8Array(512);
  tar.set(ascii("ustar"), 257);
  await refused(() => detect(tar), "tar archive");
  await refused(
    () => detect(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0)),
    "no format that is read",
    "4 bytes that begin ff d8 ff e0",
  );
  await refused(() => detect(ascii("Dear reader, hello")), "no format that is read");
});
