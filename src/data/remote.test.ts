import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../tests/command.ts";
import { fileHandler, type Handler, rangeStart, serve } from "../../tests/server.ts";
import { golden } from "../../tests/support.ts";
import { tarOf } from "../../tests/tar.ts";
import { SenetError } from "../errors.ts";
import { openDataset } from "./datasets.node.ts";
import { localData } from "./remote.node.ts";
import { openTrainingData } from "./split.node.ts";

/** As `tests/pull.ts` sets it. */
for (const name of ["http_proxy", "https_proxy", "no_proxy"]) {
  delete process.env[name];
  delete process.env[name.toUpperCase()];
}
const timing = { attempts: 3, pauseMs: 1, stallMs: 10_000, leastBytes: 1 };
const picture = readFileSync(golden("images", "square.jpg"));

/** An archive of two pictures of other classes. */
const shard = (first: number): Uint8Array =>
  tarOf(
    [0, 1].flatMap((i) => [
      { name: `${first + i}.jpg`, bytes: picture },
      { name: `${first + i}.cls`, bytes: `${i}` },
    ]),
  );

/** Serves files by their paths, each of them whole or in ranges. */
const site =
  (files: Readonly<Record<string, Uint8Array | Handler>>): Handler =>
  (request, response) => {
    const file = files[request.url!];
    if (file === undefined) response.writeHead(404).end();
    else if (typeof file === "function") file(request, response);
    else fileHandler(file, '"1"')(request, response);
  };

test("what is on this machine is itself", async () => {
  const folder = temporaryFolder();
  const list = join(folder, "list.txt");
  writeFileSync(list, "a.tar\nb.tar\n");
  for (const path of [folder, list, "nowhere", join(folder, "x-{0..3}.tar")]) assert.equal(await localData(path), path);
});

test("archives by a pattern of addresses become one data set, in parts, and are fetched once", async () => {
  const files = Object.fromEntries(
    ["train-00", "train-01", "val-00"].map((name, i) => [`/set/${name}.tar`, shard(10 * i)]),
  );
  const { origin, requests } = await serve(site(files));
  const cache = temporaryFolder();
  const said: string[] = [];
  const pattern = `${origin}/set/{train-{00..01},val-00}.tar`;
  const fetched = await localData(pattern, { cache, timing, say: (line) => said.push(line) });
  const { train, val } = openTrainingData(fetched);
  const names = ({ root, samples }: typeof train) =>
    samples.map(({ file, label }) => `${relative(root, file)} ${label}`);
  assert.deepEqual(names(train), [
    "train-00.tar/0.jpg 0",
    "train-01.tar/10.jpg 0",
    "train-00.tar/1.jpg 1",
    "train-01.tar/11.jpg 1",
  ]);
  assert.deepEqual(names(val), ["val-00.tar/20.jpg 0", "val-00.tar/21.jpg 1"]);
  assert.equal(said.filter((line) => line.startsWith("fetched ")).length, 3);
  // The same data is the same path, and needs no server.
  assert.equal(await localData(pattern, { cache, timing }), fetched);
  assert.equal(requests.length, 3);
  // A single archive is a file of its own; addresses may stand in a file, with paths beside them.
  const one = await localData(`${origin}/set/val-00.tar`, { cache, timing });
  assert.deepEqual(names(openDataset(one)), ["20.jpg 0", "21.jpg 1"]);
  const folder = temporaryFolder();
  writeFileSync(join(folder, "own.tar"), shard(70));
  writeFileSync(join(folder, "set.txt"), `# my set\n${origin}/set/train-{00..01}.tar\n\nown.tar\n`);
  const listed = openDataset(await localData(join(folder, "set.txt"), { cache, timing }));
  assert.equal(listed.samples.length, 6);
  assert.equal(requests.length, 3);
});

test("archives of a server that closes the connection behind each", async () => {
  const large = new Uint8Array(2_000_000);
  const archive = tarOf([
    { name: "a/1.jpg", bytes: picture },
    { name: "b/1.jpg", bytes: picture },
    { name: "a/large.bin", bytes: large },
  ]);
  const handler: Handler = (_, response) =>
    void response.writeHead(200, { connection: "close", "content-length": archive.length }).end(archive);
  const { origin } = await serve(handler);
  const cache = temporaryFolder();
  const list = await localData(`${origin}/x-{0..5}.tar`, { cache, timing });
  for (const path of readFileSync(list, "utf8").trim().split("\n")) {
    assert.ok(readFileSync(path).equals(Buffer.from(archive)), path);
  }
});

test("a connection that breaks is taken up again where it broke, and so is a call that was ended", async () => {
  // Larger than what a connection holds at once.
  const large = tarOf([
    { name: "1.jpg", bytes: picture },
    { name: "1.cls", bytes: "0" },
    { name: "2.jpg", bytes: picture },
    { name: "2.cls", bytes: "1" },
    { name: "rest.json", bytes: new Uint8Array(4_000_000).fill(32) },
  ]);
  const cache = temporaryFolder();
  let folder = cache;
  const sizes = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) =>
      entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0,
    );
  let breaks = 2;
  const broken: Handler = (request, response) => {
    if (breaks-- <= 0) return fileHandler(large, '"1"')(request, response);
    const start = rangeStart(request.headers.range) ?? 0;
    response.writeHead(start === 0 ? 200 : 206, {
      ...{ etag: '"1"', "content-length": large.length - start },
      ...(start > 0 && { "content-range": `bytes ${start}-${large.length - 1}/${large.length}` }),
    });
    response.write(large.subarray(start, start + 1_000_000));
    // What the client has not taken by then would be lost.
    const breakOnceTaken = setInterval(() => {
      if (!sizes().some((size) => size > start + 10_000)) return;
      clearInterval(breakOnceTaken);
      response.destroy();
    }, 10);
  };
  const { origin, requests } = await serve(site({ "/a.tar": broken }));
  const path = await localData(`${origin}/a.tar`, { cache, timing });
  assert.ok(readFileSync(path).equals(large));
  assert.ok(requests.length === 3 && rangeStart(requests[2]!.headers.range)! > 0);
  breaks = 1;
  const second = temporaryFolder();
  folder = second;
  const once = { cache: second, timing: { ...timing, attempts: 1 } };
  await assert.rejects(localData(`${origin}/a.tar`, once), (error) => {
    assert.ok(error instanceof SenetError && error.code === "io", `${error}`);
    assert.match(error.message, /could not be fetched[\s\S]*run the same command again to continue/);
    return true;
  });
  await localData(`${origin}/a.tar`, once);
  assert.ok(rangeStart(requests.at(-1)!.headers.range)! > 0);
  assert.deepEqual(
    readdirSync(join(second, "data"), { recursive: true, encoding: "utf8" }).filter((name) => name.includes("partial")),
    [],
  );
});

test("what is no archive, or is not there, is refused by its address, and nothing of it stays", async () => {
  const { origin } = await serve(
    site({
      "/page.tar": new TextEncoder().encode("<html>not found</html>".padEnd(2000)),
      "/cut.tar": shard(0).subarray(0, 3000),
      "/empty.tar": new Uint8Array(0),
    }),
  );
  const cache = temporaryFolder();
  for (const [name, pattern] of [
    ["page.tar", /not a complete tar archive/],
    ["cut.tar", /not a complete tar archive/],
    ["empty.tar", /the file is empty/],
    ["none.tar", /status 404\n.*look whether the address is right/],
  ] as const) {
    await assert.rejects(localData(`${origin}/${name}`, { cache, timing }), (error) => {
      assert.ok(error instanceof SenetError && error.code === "io", `${error}`);
      assert.ok(error.message.includes(`${origin}/${name}`) && pattern.test(error.message), error.message);
      return true;
    });
  }
  const left = existsSync(join(cache, "data"))
    ? readdirSync(join(cache, "data"), { recursive: true, encoding: "utf8" })
    : [];
  assert.deepEqual(
    left.filter((name) => /tar|partial/.test(name)),
    [],
  );
  for (const address of [`${origin}/pictures.zip`, `${origin}/`, "http://user:secret@host/set.tgz"]) {
    await assert.rejects(localData(address, { cache, timing }), (error) => {
      assert.ok(error instanceof SenetError && error.code === "usage", `${error}`);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});

test("no address leads out of the cache, and different queries are different files", async () => {
  const asked: string[] = [];
  const { origin } = await serve((request, response) => {
    asked.push(request.url!);
    fileHandler(shard(0), '"1"')(request, response);
  });
  const cache = temporaryFolder();
  const paths: string[] = [];
  for (const path of ["/../../%2e%2e/%2e%2e%2fx.tar", "/x.tar?key=1", "/x.tar?key=2", "/x.tar"]) {
    paths.push(await localData(`${origin}${path}`, { cache, timing }));
  }
  assert.equal(new Set(paths).size, 4);
  for (const path of paths) assert.ok(!relative(join(cache, "data"), path).startsWith(".."), path);
  assert.equal(asked.length, 4);
});

test("archives of a pattern or a list of this machine are one data set; one that is missing is named", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "deep"));
  for (const [i, name] of ["s-0.tar", "s-1.tar", join("deep", "s-2.tar")].entries()) {
    writeFileSync(join(folder, name), shard(10 * i));
  }
  const counts = (path: string) => openDataset(path).samples.length;
  assert.equal(counts(join(folder, "s-{0..1}.tar")), 4);
  writeFileSync(join(folder, "all.txt"), "s-{0..1}.tar\ndeep/s-2.tar\n");
  const { root, samples } = openDataset(join(folder, "all.txt"));
  assert.deepEqual([root, samples.length], [folder, 6]);
  assert.throws(() => openDataset(join(folder, "s-{0..2}.tar")), /s-2\.tar: the file of pictures cannot be read/);
  const { train, val } = openTrainingData(join(folder, "all.txt"), { valSplit: 0.4 });
  assert.equal(train.samples.length + val.samples.length, 6);
});
