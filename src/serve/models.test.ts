import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { LocalHand, png, sourceOf, testServer, tinyWeights } from "../../tests/serve.ts";
import { SenetError } from "../errors.ts";
import { checkBelow } from "./files.node.ts";
import type { Hand } from "./work.node.ts";

const headers = { "content-type": "image/png" };
let payload: Buffer;
before(async () => {
  payload = await png("teal");
});

/** Two looks: what has changed has to stay the same until the next one. */
async function looked(server: Awaited<ReturnType<typeof testServer>>): Promise<void> {
  const seen = new Map<string, string>();
  await server.models.look(seen);
  await server.models.look(seen);
}

test("a network is opened anew when its file changes, while the old one ends what it has", async () => {
  const file = tinyWeights(3, "changing.safetensors");
  const hands: { keys: Set<string> }[] = [];
  let holdBack: Promise<void> = Promise.resolve();
  /** Waits before each answer; which networks it has open is known. */
  class SlowHand extends LocalHand {
    readonly keys = new Set<string>();
    constructor() {
      super();
      hands.push(this);
      const { load, drop, answer } = this;
      this.load = async (key, source) => {
        const facts = await load(key, source);
        this.keys.add(key);
        return facts;
      };
      this.drop = async (key) => {
        this.keys.delete(key);
        await drop(key);
      };
      this.answer = async (...work: Parameters<Hand["answer"]>) => {
        await holdBack;
        return answer(...work);
      };
    }
  }
  const server = await testServer({ sources: [sourceOf("tiny", file)], hands: 2, open: () => new SlowHand() });
  const ask = async () => {
    const answer = await server.ask({ method: "POST", url: "/v1/classify", payload, headers });
    assert.equal(answer.statusCode, 200, answer.body);
    const { version, results } = answer.json<{ version: string; results: { predictions: unknown[] }[] }>();
    return { version, classes: results[0]!.predictions.length };
  };
  const first = await ask();
  assert.equal(first.classes, 3);
  await looked(server);
  assert.equal(server.models.reloads.done, 0, "nothing has changed");

  let goOn = () => {};
  holdBack = new Promise((resolve) => {
    goOn = resolve;
  });
  const begun = ask();
  while (server.pool.inHand === 0) await new Promise((resolve) => setImmediate(resolve));
  renameSync(tinyWeights(4, "next.safetensors"), file);
  const reloading = looked(server);
  goOn();
  assert.deepEqual(await begun, first, "as it was asked");
  await reloading;
  const second = await ask();
  assert.equal(second.classes, 4);
  assert.notEqual(second.version, first.version);
  assert.deepEqual(
    hands.map(({ keys }) => keys.size),
    [1, 1],
    "the old one is freed",
  );
  assert.match((await server.ask({ url: "/metrics" })).body, /^senet_reloads_total\{outcome="done"\} 1$/m);

  writeFileSync(file, "no weights");
  await looked(server);
  assert.deepEqual(await ask(), second, "what cannot be opened changes nothing");
  assert.match(server.said.join("\n"), /tiny: its files have changed and cannot be opened; version \w+ stays/);
  unlinkSync(file);
  await looked(server);
  assert.match(server.said.at(-1)!, /: cannot be read; found: +there is no such file or folder/);
  assert.deepEqual(await ask(), second);
  assert.deepEqual(server.models.reloads, { done: 1, failed: 2 });
  assert.deepEqual(
    hands.map(({ keys }) => keys.size),
    [1, 1],
  );
});

test("a network that is being opened when the server stops is given up without a word", async () => {
  const file = tinyWeights(3, "stopped.safetensors");
  let fail: ((error: Error) => void) | undefined;
  class StuckHand extends LocalHand {
    constructor() {
      super();
      const { load } = this;
      this.load = (key, source) =>
        key === "tiny#0"
          ? load(key, source)
          : new Promise((_, reject) => {
              fail = reject;
            });
    }
  }
  const server = await testServer({ sources: [sourceOf("tiny", file)], open: () => new StuckHand() });
  const before = server.said.length;
  writeFileSync(file, "no weights");
  const looking = looked(server);
  while (fail === undefined) await new Promise((resolve) => setImmediate(resolve));
  await server.pool.close();
  fail(new Error("it has ended"));
  await looking;
  assert.deepEqual(server.said.slice(before), []);
});

test("a file that is only touched, or still being written, is not served anew", async () => {
  const file = tinyWeights(3, "touched.safetensors");
  const server = await testServer({ sources: [sourceOf("tiny", file)] });
  const { key } = server.models.get();
  copyFileSync(tinyWeights(3, "same.safetensors"), file);
  await looked(server);
  assert.equal(server.models.get().key, key);
  const seen = new Map<string, string>();
  await server.models.look(seen);
  copyFileSync(tinyWeights(4), file);
  await server.models.look(seen);
  assert.equal(server.models.get().key, key, "it may still be written");
  await server.models.look(seen);
  assert.notEqual(server.models.get().key, key);
});

test("what a network reads besides its file is looked at too, and has to be below the root", async () => {
  const folder = temporaryFolder();
  const root = join(folder, "root");
  mkdirSync(root);
  const file = join(root, "net.safetensors");
  copyFileSync(tinyWeights(3, "named.safetensors"), file);
  const server = await testServer({ sources: [{ ...sourceOf("tiny", file), root }] });
  const { version } = server.models.get();
  unlinkSync(file);
  copyFileSync(tinyWeights(4), join(folder, "outside.safetensors"));
  symlinkSync(join(folder, "outside.safetensors"), file);
  await looked(server);
  assert.equal(server.models.get().version, version);
  assert.match(server.said.join("\n"), /not below the folder that networks are served from/);

  // What timm puts beside weights is read with them.
  const beside = join(root, "config.json");
  const config = (mean: number) => JSON.stringify({ architecture: "seresnet20", mean: [mean, mean, mean] });
  copyFileSync(tinyWeights(3), join(root, "model.safetensors"));
  writeFileSync(beside, config(0.5));
  const second = await testServer({ sources: [{ ...sourceOf("tiny", join(root, "model.safetensors")), root }] });
  const first = second.models.get();
  assert.deepEqual(first.files, [join(root, "model.safetensors"), beside]);
  writeFileSync(beside, config(0.4));
  await looked(second);
  assert.notEqual(second.models.get().version, first.version);
  unlinkSync(beside);
  writeFileSync(join(folder, "config.json"), config(0.3));
  symlinkSync(join(folder, "config.json"), beside);
  await looked(second);
  assert.match(second.said.join("\n"), /not below the folder/);
  assert.deepEqual(second.models.reloads, { done: 1, failed: 1 });
});

test("weight files are below the root, also where links lead", async () => {
  const folder = temporaryFolder();
  const root = join(folder, "root");
  mkdirSync(join(root, "deep"), { recursive: true });
  mkdirSync(join(folder, "root-2"));
  for (const name of ["root/a", "root/deep/b", "outside", "root-2/c"]) writeFileSync(join(folder, name), "");
  symlinkSync(join(folder, "outside"), join(root, "link"));
  symlinkSync(join(root, "a"), join(folder, "inward"));
  await checkBelow(root, [join(root, "a"), join(root, "deep", "b"), join(root, "deep"), join(folder, "inward")]);
  for (const path of ["outside", "root/../outside", "root/link", "root-2/c", "root/missing/../../outside"]) {
    await assert.rejects(
      checkBelow(root, [`${folder}/${path}`]),
      (error) => error instanceof SenetError && error.code === "usage",
      path,
    );
  }
});
