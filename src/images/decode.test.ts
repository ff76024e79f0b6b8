import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "../../tests/crc32.ts";
import { golden } from "../../tests/support.ts";
import { SenetError } from "../errors.ts";
import { decodeBytes, decodePicture } from "./decode.node.ts";
import { imagenetPreprocessing, preprocess } from "./preprocess.ts";
import { startsAsPicture } from "./read.node.ts";

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

test("a file that is missing or empty, or no picture, is refused by name and reason", async () => {
  await assert.rejects(
    decodePicture(golden("images", "absent.jpg")),
    /absent\.jpg: the picture cannot be read.*ENOENT/s,
  );
  await assert.rejects(decodePicture(golden("images")), /the picture cannot be read.*a folder/s);
  assert.match(await refusal(new Uint8Array()), /name\.jpg: the picture file is empty/);
  const text = (content: string) => new TextEncoder().encode(content);
  assert.match(await refusal(text("\0\0\0\u001cftypavif")), /not a picture of a supported kind.*an AVIF or HEIC/s);
  assert.match(await refusal(text("\0\0\0\u001cftypheic")), /an AVIF or HEIC/);
  assert.match(await refusal(text("\0\0\0\u001cftypisom")), /a video/);
  assert.match(await refusal(text("\0\0\0\u000cjP  \r\n")), /a JPEG 2000/);
  assert.match(await refusal(Uint8Array.of(0xff, 0x0a, 1, 2)), /a JPEG XL/);
  assert.match(await refusal(text("II+\0\b\0\0\0")), /a BigTIFF/);
  assert.match(await refusal(text("P3\n1 1\n255\n1 2 3\n")), /a Netpbm file in a form other than P4, P5 and P6/);
  assert.match(await refusal(text("8BPS\0\u0001")), /a Photoshop file/);
  assert.match(await refusal(text("%PDF-1.7\n")), /a PDF/);
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
    "palette.gif",
    "rgb-lzw.tif",
    "rgb.bmp",
    "rgb.ppm",
  ]) {
    const whole = file(name);
    for (const part of [0.1, 0.3, 0.5, 0.9]) {
      const message = await refusal(whole.subarray(0, Math.floor(whole.length * part)));
      assert.match(
        message,
        /the (JPEG|PNG|WebP|GIF|TIFF|BMP|PNM) picture is (truncated|corrupt)/,
        `${name} at ${part}: ${message}`,
      );
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

test("of pictures that are decoded at once none is given the reason of another kind", async () => {
  const jpeg = file("rgb-420.jpg").subarray(0, 1200);
  const png = file("rgb.png");
  png.fill(0, png.length >> 1, (png.length >> 1) + 40);
  for (let round = 0; round < 8; round++) {
    const [jpegs, pngs] = [jpeg, png].map((bytes) => Promise.all(Array.from({ length: 8 }, () => refusal(bytes))));
    for (const message of await jpegs!) assert.match(message, /the JPEG picture is truncated\n.*(?:JPEG|not say why)/);
    for (const message of await pngs!) assert.match(message, /the PNG picture is corrupt\n.*(?:libpng|not say why)/);
  }
});

test("damage that a decoder bridges is no reason to refuse, as in Pillow", async () => {
  const whole = file("rgb-420.jpg");
  const followed = new Uint8Array(whole.length + 50).fill(7);
  followed.set(whole);
  assert.deepEqual((await decodeBytes(followed, "x")).data, (await decodeBytes(whole, "x")).data);
});

test("kinds of known formats that are not decoded as Pillow does are told from damage", async () => {
  const bmp = file("rgb.bmp");
  bmp[30] = 1;
  assert.match(await refusal(bmp), /this kind of BMP is not supported.*24 bits a pixel with compression 1/s);
  const pnm = new TextEncoder().encode("P5 1 1 65535\n12");
  assert.match(await refusal(pnm), /this kind of PNM is not supported.*values up to 65535/s);
  const tiff = file("grey.tif");
  // The directory's entry "bits a sample": tag 258, SHORT, one value.
  const entry = Buffer.from(tiff.buffer).indexOf(Buffer.from([2, 1, 3, 0, 1, 0, 0, 0]));
  tiff[entry + 8] = 16;
  assert.match(await refusal(tiff), /this kind of TIFF is not supported.*16 bits/s);
});

test("what is no file is not opened: a pipe would never end, nor would a device", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "senet-decode-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const pipe = join(folder, "pipe.jpg");
  execFileSync("mkfifo", [pipe]);
  const server = createServer().listen(join(folder, "socket.jpg"));
  t.after(() => server.close());
  await once(server, "listening");
  for (const path of [pipe, join(folder, "socket.jpg"), "/dev/zero"]) {
    await assert.rejects(decodePicture(path), /the picture cannot be read.*a pipe, a socket or a device/s, path);
    assert.equal(startsAsPicture(path), false, path);
  }
  symlinkSync("itself.jpg", join(folder, "itself.jpg"));
  await assert.rejects(decodePicture(join(folder, "itself.jpg")), /a link that leads to itself \(ELOOP\)/);
});

test("a small file of a huge picture is refused at once: a bomb", async () => {
  const none = new Uint8Array(100);
  const header = (at: number, ...bytes: number[]) => {
    const start = none.slice();
    start.set(bytes, at);
    return start;
  };
  const letters = (text: string) => [...new TextEncoder().encode(text)];
  // Five thousand pixels square, in a hundred bytes.
  const png = header(
    0,
    0x89,
    ...letters("PNG\r\n\x1a\n"),
    0,
    0,
    0,
    13,
    ...letters("IHDR"),
    0,
    0,
    19,
    136,
    0,
    0,
    19,
    136,
    8,
    2,
  );
  const bombs: [string, Uint8Array][] = [
    ["PNG", png],
    ["GIF", header(0, ...letters("GIF89a"), 136, 19, 136, 19, 0, 0, 0, 0x2c, 0, 0, 0, 0, 136, 19, 136, 19, 0, 8)],
    // The screen is small, the frame is not.
    ["GIF frame", header(0, ...letters("GIF89a"), 9, 0, 9, 0, 0, 0, 0, 0x2c, 0, 0, 0, 0, 136, 19, 136, 19, 0, 8)],
    [
      "WebP",
      header(0, ...letters("RIFF"), 92, 0, 0, 0, ...letters("WEBPVP8L"), 80, 0, 0, 0, 0x2f, 0x87, 0xd3, 0xe1, 0x04),
    ],
    ["JPEG", header(0, 0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 19, 136, 19, 136, 3)],
  ];
  for (const [what, bytes] of bombs) assert.match(await refusal(bytes), /too small for so large a picture/, what);
  // Larger than Pillow takes, whatever the format.
  assert.match(await refusal(header(0, ...letters("P4 999999999 9\n"))), /more than 178956970 pixels/);
});

test("thin pictures take little, however long they are", async () => {
  for (const [width, height] of [
    [1, 1_000_000],
    [1_000_000, 1],
  ] as const) {
    const head = new TextEncoder().encode(`P5 ${width} ${height} 255\n`);
    const bytes = new Uint8Array(head.length + 1_000_000).fill(9);
    bytes.set(head);
    const picture = await decodeBytes(bytes, "thin");
    const before = process.memoryUsage.rss();
    const input = preprocess(picture, imagenetPreprocessing);
    assert.ok(process.memoryUsage.rss() - before < 100 * 2 ** 20);
    assert.ok(input.every((value) => value === input[0] || value === input[224 * 224] || value === input.at(-1)));
  }
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
