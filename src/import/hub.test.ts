import assert from "node:assert/strict";
import { test } from "node:test";
import { refused } from "../../tests/weights.ts";
import { readHubConfig } from "./hub.ts";
import { checkArchitecture, releaseOf } from "./released.ts";

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (config: unknown) => readHubConfig(bytesOf(JSON.stringify(config)), "config.json");

test("timm's layout: the pictures that it wants, and its labels", () => {
  const config = read({
    architecture: "seresnet50",
    num_classes: 3,
    num_features: 2048,
    global_pool: "avg",
    label_names: ["cat", "dog", "owl"],
    pretrained_cfg: {
      input_size: [3, 160, 160],
      interpolation: "bicubic",
      crop_pct: 0.95,
      crop_mode: "center",
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.5, 0.75],
      num_classes: 1000,
      first_conv: "conv1",
    },
  });
  assert.deepEqual(config, {
    where: "config.json",
    architecture: "seresnet50",
    classes: 3,
    labels: ["cat", "dog", "owl"],
    preprocessing: {
      channels: "rgb",
      scale: 255,
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.5, 0.75],
      // Rounded down: 168.42.
      resize: 168,
      crop: 160,
      interpolation: "bicubic",
    },
  });
});

test("names by number, as transformers has them, and deviations that cannot be", () => {
  const config = { architecture: "x", num_classes: 2, pretrained_cfg: {}, id2label: { 1: "bee", 0: "ant" } };
  assert.deepEqual(readHubConfig(bytesOf(JSON.stringify(config)), "config.json")!.labels, ["ant", "bee"]);
  const flat = { ...config, pretrained_cfg: { std: [0, 0, 0] } };
  assert.throws(() => readHubConfig(bytesOf(JSON.stringify(flat)), "config.json"), /config\.json: .*std/s);
});

test("the older layout, flat and with `labels`; a byte order mark; one mean for all", () => {
  const text = bytesOf(
    `\uFEFF${JSON.stringify({
      architecture: "resnet18",
      num_classes: 2,
      labels: { 0: "ant", 1: "bee" },
      input_size: [3, 224, 224],
      crop_pct: 0.9,
      interpolation: "bilinear",
      mean: [0.4],
      std: [0.2],
    })}`,
  );
  const config = readHubConfig(text, "config.json")!;
  assert.deepEqual(config.labels, ["ant", "bee"]);
  assert.deepEqual(config.preprocessing.mean, [0.4, 0.4, 0.4]);
  assert.deepEqual([config.preprocessing.resize, config.preprocessing.crop], [248, 224]);
});

test("what it does not say is as timm takes it", () => {
  const { preprocessing } = read({ architecture: "resnet18", pretrained_cfg: { mean: null } })!;
  assert.deepEqual(preprocessing, {
    ...{ channels: "rgb", scale: 255, ...imagenet },
    ...{ resize: 256, crop: 224, interpolation: "bicubic" },
  });
});

test("squashed pictures are brought to a square, whatever their proportions are", () => {
  const { preprocessing } = read({ architecture: "resnet18", pretrained_cfg: { crop_mode: "squash", crop_pct: 1 } })!;
  assert.deepEqual([preprocessing.resize, preprocessing.crop], [[224, 224], 224]);
});

test("somebody else's config.json says nothing", () => {
  for (const other of [{ model_type: "resnet", id2label: { 0: "cat" } }, { name: "x" }, [], 7, null]) {
    assert.equal(read(other), undefined);
  }
});

test("what cannot be followed is refused, not passed over", async () => {
  const with_ = (pretrained_cfg: object, top: object = {}) =>
    read({ architecture: "resnet18", ...top, pretrained_cfg });
  await refused(() => with_({ crop_mode: "border" }), "config.json", 'crop_mode "center" or "squash"', '"border"');
  await refused(() => with_({ interpolation: "lanczos" }), "bilinear or bicubic", "lanczos");
  await refused(() => with_({ input_size: [3, 224, 320] }), "not square", "320 by 224");
  await refused(() => with_({ mean: [1, 2] }), "as many means");
  await refused(() => with_({ crop_pct: 0 }), "crop_pct");
  await refused(() => with_({}, { global_pool: "catavgmax" }), "not averaged", "catavgmax");
  await refused(() => readHubConfig(bytesOf("{ architecture"), "config.json"), "not JSON");
});

const never = () => assert.fail("the hash is not asked for");

test("a release is known by its file's name, its folder or its hash, and only for the network that it is", async () => {
  const wants = async (path: string, model: string, hash = never as () => string) => {
    const release = await releaseOf(path, model, async () => hash());
    const spec = release?.preprocessing;
    return release && [release.name, spec!.interpolation, spec!.resize, spec!.crop].join(" ");
  };
  const fifty = "se-resnet-50-modern";
  assert.equal(await wants("seresnet50_a1_0-ffa00869.pth", fifty), "seresnet50.a1_in1k bicubic 235 224");
  assert.equal(await wants("/x/seresnet50_a2_0-850de0d9.pth", fifty), "seresnet50.a2_in1k bicubic 235 224");
  assert.equal(await wants("C:\\w\\seresnet50_a3_0-317ecd56.pth", fifty), "seresnet50.a3_in1k bicubic 168 160");
  assert.equal(
    await wants("seresnet18-4bb0ce65.pth", "se-resnet-18-branchrelu"),
    "legacy_seresnet18.in1k bicubic 256 224",
  );
  const cached = "hub/models--timm--seresnet50.a3_in1k/snapshots/822b9c8/model.safetensors";
  assert.equal(await wants(cached, fifty), "seresnet50.a3_in1k bicubic 168 160");
  assert.equal(await wants("timm/seresnet50.a1_in1k/pytorch_model.bin", fifty), "seresnet50.a1_in1k bicubic 235 224");
  assert.equal(await wants("resnet50-11ad3fa6.pth", "resnet-50-modern"), "resnet50.tv2_in1k bilinear 232 224");
  assert.equal(
    await wants("renamed.pth", fifty, () => `ffa00869${"0".repeat(56)}`),
    "seresnet50.a1_in1k bicubic 235 224",
  );
  assert.equal(await wants("renamed.pth", fifty, () => "0".repeat(64)), undefined);
  // ra2 is as usual; its name says which one it is.
  assert.equal(await wants("seresnet50_ra_224-8efdb4bb.pth", fifty), undefined);
  assert.equal(await wants("seresnet50_a1_0-ffa00869.pth", "se-resnet-20"), undefined);
  assert.equal(await wants("seresnet50_a1_0-ffa00869.pth", "se-resnet-50"), undefined);
});

test("networks that blur are not taken for those that do not", async () => {
  for (const name of ["resnetaa50", "resnetblur50-84f4748f.pth", "seresnetaa50d", "timm/resnetaa50_a1h-4cf422b3.pth"]) {
    await refused(() => checkArchitecture(name, "net.pth"), "smooths", "net.pth");
  }
  for (const name of ["seresnet50", "resnet50_a1", "aa50.pth", "my_resnet.pth"]) checkArchitecture(name, "net.pth");
});
