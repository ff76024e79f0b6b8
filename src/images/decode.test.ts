import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { decodeBytes, decodePicture, isPictureName } from "./decode.node.ts";

/** A copy that a test may damage. */
const file = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(readFileSync(golden("images", name)));

async function refusal(bytes: Uint8Array): Promise<string> {
  const error = await decodeBytes(bytes, "folder/name.jpg").then(
    () => assert.fail("decoded"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SenetError && error.code === "data", String(error));
  assert.equal(error.details.where, "folder/name.jpg");
  return error.message;
}

test("names of pictures, in any case", () => {
  for (const name of ["a.jpg", "a.JPEG", "a.b.Png", "a.webp"]) assert.ok(isPictureName(name), name);
  for (const name of ["a.gif", "jpg", "a.jpg.txt", "a"]) assert.ok(!isPictureName(name), name);
});

test("a file that is missing or empty, or no picture, is refused by name and reason", async () => {
  await assert.rejects(
    decodePicture(golden("images", "absent.jpg")),
    /absent\.jpg: the picture cannot be read.*ENOENT/s,
  );
  await assert.rejects(decodePicture(golden("images")), /the picture cannot be read.*EISDIR/s);
  assert.match(await refusal(new Uint8Array()), /name\.jpg: the picture file is empty/);
  const text = (content: string) => new TextEncoder().encode(content);
  assert.match(await refusal(text("GIF89a......")), /not a JPEG, PNG or WebP.*a GIF/s);
  assert.match(await refusal(text("<!DOCTYPE html><p>404")), /a web page/);
  assert.match(await refusal(text('<svg xmlns="http://www.w3.org/2000/svg"/>')), /SVG/);
  assert.match(await refusal(text("version https://git-lfs.github.com/spec/v1\n")), /Git LFS pointer/);
  assert.match(await refusal(new Uint8Array(100)), /zeros only/);
  assert.match(await refusal(text("hello, world")), /12 bytes that start with 68 65 6c 6c 6f 2c 20 77/);
});

test("a truncated picture is refused wherever it is cut", async () => {
  for (const name of [
    "rgb-420.jpg",
    "rgb-progressive.jpg",
    "cmyk-adobe.jpg",
    "rgb.png",
    "grey-16bit.png",
    "lossy.webp",
  ]) {
    const whole = file(name);
    for (const part of [0.1, 0.3, 0.5, 0.9]) {
      const message = await refusal(whole.subarray(0, Math.floor(whole.length * part)));
      assert.match(message, /the (JPEG|PNG|WebP) picture is truncated/, `${name} at ${part}: ${message}`);
    }
  }
});

test("a corrupt picture is refused", async () => {
  const png = file("rgb.png");
  png.fill(0, png.length >> 1, (png.length >> 1) + 40);
  assert.match(await refusal(png), /the PNG picture is corrupt/);
  const jpeg = file("rgb-420.jpg");
  const table = jpeg.findIndex((byte, i) => byte === 0xff && jpeg[i + 1] === 0xdb);
  jpeg[table + 4] = 0x0f;
  assert.match(await refusal(jpeg), /the JPEG picture is corrupt.*DQT/s);
  const webp = file("lossy.webp");
  webp.fill(0xff, 20, 60);
  assert.match(await refusal(webp), /the WebP picture is corrupt/);
});

test("damage that a decoder bridges is no reason to refuse, as in Pillow", async () => {
  const whole = file("rgb-420.jpg");
  const followed = new Uint8Array(whole.length + 50).fill(7);
  followed.set(whole);
  assert.deepEqual((await decodeBytes(followed, "x")).data, (await decodeBytes(whole, "x")).data);
});

test("a picture too large to be honest is refused before it is decoded", async () => {
  // The header of a PNG of 30,000 × 30,000 pixels, with the checksum that belongs to it, and no more.
  const png = file("rgb.png");
  const view = new DataView(png.buffer);
  view.setUint32(16, 30_000);
  view.setUint32(20, 30_000);
  view.setUint32(29, crc32(png.subarray(12, 29)));
  assert.match(await refusal(png), /more than 178956970 pixels/);
});

/** PNG's checksum (`zlib.crc32` is newer than the oldest supported Node). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
