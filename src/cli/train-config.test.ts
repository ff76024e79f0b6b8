import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { temporaryFolder } from "../../tests/command.ts";
import { SenetError } from "../errors.ts";
import { addConfigOptions, besidesRecipe, givenConfig, newConfig, withPretrained } from "./train-config.ts";

function configOf(...flags: string[]) {
  const command = new Command().exitOverride();
  addConfigOptions(command);
  return newConfig(givenConfig(command.parse(flags, { from: "user" })), undefined);
}

test("a recipe sets what it says, and the run keeps its name and version", () => {
  const config = configOf("--recipe", "senet-2018");
  assert.equal(config.recipe, "senet-2018@1");
  assert.equal(config.model, "se-resnet-50");
  assert.equal(config.imageSize, 224);
  assert.deepEqual([config.batchSize, config.epochs, config.learningRate], [256, 270, 0.1]);
  assert.deepEqual(config.stepEpochs, [125, 200, 250]);
  assert.equal(configOf().recipe, null);
});

test("any flag goes over the recipe, and so does a file", () => {
  const folder = temporaryFolder();
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify({ batchSize: 128, learningRate: 0.2 }));
  const config = configOf("--recipe", "senet-2018", "--config", file, "--lr", "0.3", "--no-mirror");
  assert.deepEqual([config.batchSize, config.learningRate, config.mirror], [128, 0.3, false]);
  assert.deepEqual([config.epochs, config.rotate, config.recipe], [270, 10, "senet-2018@1"]);
});

test("a recipe that is not there is refused with the nearest, and one without its settings too", () => {
  assert.throws(
    () => configOf("--recipe", "senet2018"),
    (error) => error instanceof SenetError && error.code === "usage" && /senet-2018/.test(error.details.hint!),
  );
  const file = join(temporaryFolder(), "config.json");
  writeFileSync(file, JSON.stringify({ recipe: "senet-2018" }));
  assert.throws(() => configOf("--config", file), /NAME@VERSION/);
});

test("who repeats the recipe of a run that goes on says nothing new; another one, and what is said besides, counts", () => {
  const given = (...flags: string[]) => {
    const command = new Command().exitOverride();
    addConfigOptions(command);
    return givenConfig(command.parse(flags, { from: "user" }));
  };
  const same = besidesRecipe(given("--recipe", "paper-2017", "--epochs", "120"), { recipe: "paper-2017@1" });
  assert.deepEqual(same.values, { recipe: "paper-2017@1", epochs: 120 });
  assert.equal(same.nameOf("recipe"), "--recipe");
  const other = given("--recipe", "paper-2017");
  for (const recipe of [null, "senet-2018@1"]) assert.deepEqual(besidesRecipe(other, { recipe }), other);
  const none = given("--epochs", "3");
  assert.deepEqual(besidesRecipe(none, { recipe: null }), none);
});

test("--pretrained names the weights that there are; beside others it is refused", async () => {
  const given = async (...flags: string[]) => {
    const command = new Command().exitOverride();
    addConfigOptions(command);
    return withPretrained(givenConfig(command.parse(flags, { from: "user" })), command);
  };
  const before = process.env.SENET_CACHE;
  process.env.SENET_CACHE = temporaryFolder();
  try {
    assert.equal((await given("--epochs", "2")).values.weights, undefined);
    assert.deepEqual((await given("--pretrained", "--epochs", "2")).values, { epochs: 2, weights: "imagenette" });
    assert.equal((await given("--pretrained", "--model", "se-resnet-34")).values.weights, "se-resnet-34.timm-legacy");
    await assert.rejects(given("--pretrained", "--weights", "a.pth"), /named twice[\s\S]*--weights a\.pth/);
  } finally {
    if (before === undefined) delete process.env.SENET_CACHE;
    else process.env.SENET_CACHE = before;
  }
});
