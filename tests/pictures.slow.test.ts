/** Pictures of every kind in Chromium: the pixels, and the refusals, of Node. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeBytes } from "../src/images/decode.node.ts";
import { decodedPictures } from "./golden-pictures.ts";
import { needsBrowser, openPage } from "./page.ts";
import { type Answer, assertDecodesAsPillow, decodedIn } from "./page-pictures.ts";
import { golden, needsShared, sharedData } from "./support.ts";

async function answers(pictures: readonly (readonly [string, Uint8Array])[]): Promise<readonly Answer[]> {
  const { page } = await openPage();
  return decodedIn(page, pictures);
}

test("every kind of picture but TIFF decodes to Pillow's bytes", needsBrowser, async () => {
  // SwiftShader draws where there is no GPU.
  const { page } = await openPage({ hasWebGpu: true });
  await assertDecodesAsPillow(page, true);
});

test("without WebGL opaque WebPs decode all the same, and transparent ones are refused", needsBrowser, async () => {
  const names = ["lossy.webp", "lossless.webp", "exif-rotated.webp", "alpha.webp"];
  const [lossy, lossless, rotated, alpha] = await answers(
    names.map((name) => [name, readFileSync(golden("images", name))]),
  );
  const expected = (name: string) => decodedPictures.find(({ file }) => file === name)!.sha256;
  assert.deepEqual(
    [lossy, lossless, rotated].map((one) => one!.sha256),
    names.slice(0, 3).map(expected),
  );
  if (alpha!.sha256 === undefined) assert.match(alpha!.message!, /without WebGL 2 transparent WebP/);
  else assert.equal(alpha!.sha256, expected("alpha.webp"));
});

test("what Node refuses is refused with its code and in its words", needsBrowser, async () => {
  const damaged: [string, Uint8Array][] = [];
  for (const file of [
    "rgb-420.jpg",
    "rgb-progressive.jpg",
    "rgb.png",
    "lossy.webp",
    "palette.gif",
    "rgb.bmp",
    "rgb.ppm",
  ]) {
    const bytes = readFileSync(golden("images", file));
    for (const part of [0.1, 0.5, 0.9]) damaged.push([file, bytes.subarray(0, Math.floor(bytes.length * part))]);
  }
  damaged.push(["empty", new Uint8Array()], ["text", Buffer.from("hello, world")], ["zeros", new Uint8Array(99)]);
  damaged.push(["huge", Buffer.from("P4 999999999 9\n")]);
  const found = await answers(damaged);
  for (const [i, [name, bytes]] of damaged.entries()) {
    const { message, code } = await decodeBytes(bytes, name).then(
      () => assert.fail(`${name} decodes`),
      (error: unknown) => error as { message: string; code: string },
    );
    assert.equal(found[i]!.code, code, name);
    // The line behind it has the decoder's own words.
    assert.equal(found[i]!.message!.split("\n")[0], message.split("\n")[0], name);
  }
});

test("photographs decode to Node's bytes", {
  ...needsBrowser,
  ...(needsBrowser.skip === false && needsShared("imagenet", "photos")),
}, async () => {
  const folder = sharedData("imagenet", "photos");
  const names = readdirSync(folder).filter((name) => name.endsWith(".JPEG"));
  const found = await answers(names.map((name) => [name, readFileSync(`${folder}/${name}`)]));
  const { photos } = JSON.parse(readFileSync(golden("images.json"), "utf8")) as {
    photos: { file: string; sha256: string }[];
  };
  assert.deepEqual(
    names.map((name, i) => [name, found[i]!.sha256]),
    names.map((name) => [name, photos.find(({ file }) => file === name)!.sha256]),
  );
});
