import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SenetError } from "../errors.ts";
import { ioError, makeFolder, readBytes, readBytesSync } from "./files.node.ts";
import { removeLeftovers, replaceFile } from "./replace.node.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "senet-files-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const isIo =
  (...words: readonly RegExp[]) =>
  (error: unknown) => {
    assert.ok(error instanceof SenetError && error.code === "io", String(error));
    for (const word of words) assert.match(error.message, word);
    return true;
  };

/** `replaceFile` in a process of its own, from a shell in `folder`; `$WRITE path letter bytes`. */
const writer = `
  import { replaceFile } from ${JSON.stringify(new URL("./replace.node.js", import.meta.url).href)};
  const [, path, letter, bytes, times = "1"] = process.argv;
  for (let i = 0; i < Number(times); i++) await replaceFile(path, Array(4).fill(letter.repeat(Number(bytes) / 4)));
`;
const shell = (folder: string, command: string) =>
  spawnSync("bash", ["-c", command], { cwd: folder, encoding: "utf8", env: { ...process.env, WRITE: writer } });
const write = `"${process.execPath}" --input-type=module -e "$WRITE"`;

test("a file is replaced as a whole, and nothing is left beside it", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "file");
  await replaceFile(path, ["one ", Uint8Array.of(0x74, 0x77, 0x6f)]);
  assert.equal(readFileSync(path, "utf8"), "one two");
  await replaceFile(path, ["3"]);
  assert.equal(readFileSync(path, "utf8"), "3");
  assert.deepEqual(readdirSync(folder), ["file"]);
  // As long as names may be.
  await replaceFile(join(folder, "ä".repeat(127)), ["long"]);
});

test("writers at once, in this process and in others: each reader finds one's whole", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "file");
  await replaceFile(path, ["z".repeat(200_000)]);
  const others = ["x", "y"].map((letter) =>
    spawn(process.execPath, ["--input-type=module", "-e", writer, path, letter, "200000", "40"], { stdio: "inherit" }),
  );
  const ends = others.map((child) => once(child, "exit"));
  let running = true;
  const done = Promise.all(ends).then((codes) => {
    running = false;
    return codes.map(([code]) => code as number);
  });
  const seen = new Set<string>();
  while (running) {
    await Promise.all(["a", "b"].map((letter) => replaceFile(path, Array<string>(4).fill(letter.repeat(50_000)))));
    const text = readFileSync(path, "utf8");
    assert.equal(text, text[0]!.repeat(200_000));
    seen.add(text[0]!);
  }
  assert.deepEqual(await done, [0, 0]);
  assert.ok(seen.size > 1, "they were not at work at once");
  assert.deepEqual(readdirSync(folder), ["file"]);
});

test("what somebody has put in the way is neither opened nor followed", async (t) => {
  const folder = folderOf(t);
  const victim = join(folder, "victim");
  writeFileSync(victim, "precious");
  const path = join(folder, "file");
  for (const name of ["file.partial", ".file.partial", "file.tmp", `file.${process.pid}.partial`]) {
    symlinkSync(victim, join(folder, name));
  }
  await replaceFile(path, ["new"]);
  // A link in the place itself is replaced, as by git; so is one that leads nowhere, or in a circle.
  for (const target of [victim, join(folder, "nowhere"), join(folder, "link")]) {
    const link = join(folder, "link");
    rmSync(link, { force: true });
    symlinkSync(target, link);
    await replaceFile(link, ["new"]);
    assert.ok(lstatSync(link).isFile());
    assert.equal(readFileSync(link, "utf8"), "new");
  }
  assert.equal(readFileSync(victim, "utf8"), "precious");
  assert.ok(!existsSync(join(folder, "nowhere")));
});

test("the permissions of the old file are kept; a new one has the usual ones", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "file");
  writeFileSync(path, "old");
  for (const mode of [0o600, 0o640, 0o664, 0o755]) {
    chmodSync(path, mode);
    await replaceFile(path, ["new"]);
    assert.equal(statSync(path).mode & 0o777, mode);
  }
  await replaceFile(join(folder, "fresh"), ["new"]);
  assert.equal(statSync(join(folder, "fresh")).mode & 0o777, 0o666 & ~process.umask());
});

const needsDevices = { skip: existsSync("/dev/full") ? false : "there is no /dev/full on this system" };

test("devices and pipes are written to", needsDevices, async (t) => {
  const folder = folderOf(t);
  await replaceFile("/dev/null", ["x"]);
  assert.ok(statSync("/dev/null").isCharacterDevice());
  await assert.rejects(replaceFile("/dev/full", ["x"]), isIo(/full: cannot be written/, /found: +the disk is full/));
  assert.equal(shell(folder, `${write} /dev/stdout x 8 | cat`).stdout, "xxxxxxxx");
  assert.equal(shell(folder, `echo before > out; ${write} /dev/stdout x 8 >> out; cat out`).stdout, "before\nxxxxxxxx");
  assert.ok(lstatSync("/dev/stdout").isSymbolicLink(), "what leads to a file stays what it is");
  execFileSync("mkfifo", [join(folder, "pipe")]);
  assert.equal(shell(folder, `${write} pipe y 8 & cat pipe; wait`).stdout, "yyyyyyyy");
  assert.ok(statSync(join(folder, "pipe")).isFIFO());
});

test("what is no file is not read: a pipe would never end, nor would a device", needsDevices, async (t) => {
  const pipe = join(folderOf(t), "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const path of [pipe, "/dev/zero"]) {
    const refused = isIo(/cannot be read/, /found: +it is a pipe, a socket or a device, not a file/);
    await assert.rejects(readBytes(path), refused);
    assert.throws(() => readBytesSync(path), refused);
  }
});

test("on a full disk the old file stays, and nothing is left aside", { skip: process.platform === "win32" }, (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "kept"), "the old checkpoint");
  const { stderr, status } = shell(folder, `ulimit -f 100; ${write} kept x 1000000`);
  assert.equal(status, 1);
  assert.match(stderr, /kept: cannot be written; what was there before is still there/);
  assert.match(stderr, /found: +the file is larger than is allowed here/);
  assert.equal(readFileSync(join(folder, "kept"), "utf8"), "the old checkpoint");
  assert.deepEqual(readdirSync(folder), ["kept"]);
});

test("every fault has its words and a hint that fits", async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "file"), "");
  mkdirSync(join(folder, "folder"));
  const to = (...path: string[]) => replaceFile(join(folder, ...path), ["x"]);
  await assert.rejects(to("absent", "file"), isIo(/no such file or folder/, /try: +make its folder first/));
  await assert.rejects(to("file", "file"), isIo(/a part of the path is a file, not a folder/, /try: +another `out`$/m));
  await assert.rejects(to("folder"), isIo(/it is a folder, not a file/, /try: +another `out`: the name of a file/));
  await assert.rejects(replaceFile(`${folder}/new/`, ["x"]), isIo(/new\/: .*[\s\S]*it is a folder, not a file/));
  await assert.rejects(to("n".repeat(300)), isIo(/the name is too long/, /shorter name/));
  await assert.rejects(
    replaceFile("/dev/full", ["x"], "another --per-class"),
    isIo(/free some space, or another --per/),
  );
  await assert.rejects(readBytes(join(folder, "absent")), isIo(/no such file or folder/));
  await assert.rejects(readBytes(folder), isIo(/it is a folder, not a file/));
  await assert.rejects(makeFolder(join(folder, "file", "x")), isIo(/the folder cannot be made/, /is a file, not a/));
  await assert.rejects(makeFolder(join(folder, "file")), isIo(/something of this name already/));
  // Node's own `mkdir` would not come back.
  if (existsSync("/proc/self"))
    await assert.rejects(
      makeFolder("/proc/senet/a"),
      isIo(/cannot be made/, /nothing can be made in \/proc/, /another `out`/),
    );
  assert.match(ioError("cannot be read", "x", new Error("odd")).message, /found: +odd/);
  assert.deepEqual(readdirSync(folder).sort(), ["file", "folder"]);
});

const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", tmpdir()]).status === 0;

test("a read-only file system is called so", { skip: canMount ? false : "nothing can be mounted here" }, (t) => {
  const folder = folderOf(t);
  const code = `
    import { makeFolder } from ${JSON.stringify(new URL("./files.node.js", import.meta.url).href)};
    import { preparePictureCache, PictureCache } from ${JSON.stringify(new URL("../data/picture-cache.node.js", import.meta.url).href)};
    import { replaceFile } from ${JSON.stringify(new URL("./replace.node.js", import.meta.url).href)};
    const keep = async () => preparePictureCache("ro/cache");
    for (const act of [() => makeFolder("ro/a/b"), () => makeFolder("ro/a"), () => replaceFile("ro/file", ["x"]), keep]) {
      await act().catch((error) => console.log(error.code, error.message));
    }
    const cache = new PictureCache("ro", "exact", (reason) => console.log("kept no more: " + reason));
    cache.write("abcdef", { width: 1, height: 1, data: new Uint8Array(3) });`;
  const script = 'mkdir ro && mount -t tmpfs -o ro none ro && exec "$0" --input-type=module -e "$1"';
  const ran = spawnSync("unshare", ["-rm", "bash", "-c", script, process.execPath, code], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.equal(
    ran.stdout.match(/^io ro\/.*\n +found: +the file system is read-only\n +try: +another/gm)?.length,
    4,
    ran.stdout,
  );
  assert.match(ran.stdout, /^kept no more: the file system is read-only$/m);
  assert.doesNotMatch(ran.stdout, /what was there before/);
});

test("what killed writers left goes, what others may still need stays", async (t) => {
  const folder = folderOf(t);
  const host = hostname().replace(/[^\w.]/g, "_");
  const dead = spawnSync("true").pid;
  const random = "0123456789ab";
  const names = {
    dead: `senet-${host}-${dead}-${random}.partial`,
    alive: `senet-${host}-${process.ppid}-${random}.partial`,
    elsewhere: `senet-elsewhere-${dead}-${random}.partial`,
    longAgo: `senet-elsewhere-1-${random}.partial`,
    theirs: "film.partial",
  };
  for (const name of Object.values(names)) writeFileSync(join(folder, name), "");
  utimesSync(join(folder, names.longAgo), 0, 0);
  await removeLeftovers(folder);
  assert.deepEqual(readdirSync(folder).sort(), [names.alive, names.elsewhere, names.theirs].sort());
  await removeLeftovers(join(folder, "absent"));
});
