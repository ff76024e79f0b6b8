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
  const { page } = await openPage();
  await assertDecodesAsPillow(page);
});

test("where the browser changes what is read from a canvas, lossy WebPs are refused", needsBrowser, async () => {
  const { page } = await openPage();
  await page.evaluate(`{
    const { prototype } = OffscreenCanvasRenderingContext2D;
    const { getImageData } = prototype;
    prototype.getImageData = function (...place) {
      const read = getImageData.apply(this, place);
      read.data[7 * 4] ^= 1;
      return read;
    };
  }`);
  const names = ["lossy.webp", "lossless.webp", "alpha-lossless.webp"];
  const [lossy, ...lossless] = await decodedIn(
    page,
    names.map((name) => [name, readFileSync(golden("images", name))]),
  );
  assert.match(lossy!.message!, /this kind of WebP is not supported.*changes what is read from a canvas.*PNG/s);
  assert.deepEqual(
    lossless.map(({ sha256 }) => sha256),
    names.slice(1).map((name) => decodedPictures.find(({ file }) => file === name)!.sha256),
  );
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
