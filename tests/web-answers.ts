/** What the package's network answers in a page, to files of pictures, beside its answers in Node. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../src/api/network.node.ts";
import type { Prediction } from "../src/evaluate/classify.ts";
import type { Evaluating } from "./page.ts";
import { assertClose, golden, root } from "./support.ts";

const weights = "/weights/imagenette.safetensors";

interface Answers {
  readonly engine: string;
  readonly classified: readonly (readonly Prediction[])[];
  readonly features: readonly number[];
  readonly gates: readonly (readonly number[])[];
  readonly heat: readonly number[];
}

/**
 * Classifies pictures of golden/images; embeds, explains and shows the gates of the first.
 * @param options of `load`, as code
 * @returns the engine's reason
 */
export async function assertAnswersOfNode(
  page: Evaluating,
  options: string,
  names: readonly string[],
): Promise<string> {
  const files = names.map((name) => ({ name, bytes: new Uint8Array(readFileSync(golden("images", name))) }));
  const sent = files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString("base64")]);
  const found = (await page.evaluate(`(async () => {
    const senet = await import("senet/web");
    const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const pictures = ${JSON.stringify(sent)}.map(([name, base64]) => new File([bytesOf(base64)], name));
    const network = await senet.load("${weights}", ${options});
    const answers = {
      engine: network.engine.reason,
      classified: await network.classify(pictures),
      features: [...await network.features(pictures[0])],
      gates: (await network.gates(pictures[0])).map(({ gates }) => [...gates]),
      heat: [...(await network.explain(pictures[0])).heat.values],
    };
    await network.dispose();
    return answers;
  })()`)) as Answers;
  await using network = await load(join(root, weights));
  for (const [i, file] of files.entries()) {
    const expected = await network.classify(file);
    assert.deepEqual(
      found.classified[i]!.map(({ label }) => label),
      expected.map(({ label }) => label),
    );
    assertClose(
      found.classified[i]!.map(({ probability }) => probability),
      expected.map(({ probability }) => probability),
      1e-5,
      `probabilities of ${file.name}`,
    );
  }
  const [first] = files;
  assertClose(found.features, await network.features(first!), 1e-5, "features");
  for (const [i, { block, gates }] of (await network.gatesOf(first!)).entries())
    assertClose(found.gates[i]!, gates, 1e-5, `gates of ${block}`);
  assertClose(found.heat, (await network.explain(first!)).heat.values, 1e-4, "heat");
  return found.engine;
}
