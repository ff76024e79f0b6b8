/** What stands in deploy/ is true of the command: its flags, its addresses, who it runs as. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { programOf } from "../src/cli/main.ts";
import { routes } from "../src/serve/routes.ts";
import { temporaryFolder } from "./command.ts";
import { stagesOf } from "./deploy.ts";
import { root } from "./support.ts";

const read = (file: string) => readFileSync(join(root, "deploy", file), "utf8");
const files = readdirSync(join(root, "deploy"));
const serve = programOf().commands.find((command) => command.name() === "serve")!;
const flags = new Set(serve.options.map(({ long }) => long));
const urls = new Set<string>(Object.values(routes).map(({ url }) => url));

test("the server's flags and addresses in deploy/ are those that it has", () => {
  const used = files.flatMap((file) => [
    ...[...read(file).matchAll(/senet(?:\.js serve)? (--[^\n]*)|args: (\[.*\])|ENTRYPOINT (.*)/g)].flatMap(
      ([, ...texts]) => texts.flatMap((text) => text?.match(/--[\w-]+/g) ?? []),
    ),
  ]);
  assert.ok(used.length >= 10, used.join(" "));
  assert.deepEqual(
    used.filter((flag) => !flags.has(flag)),
    [],
  );
  const asked = files.flatMap((file) => read(file).match(/\/v2\/health\/\w+|\/metrics\b/g) ?? []);
  assert.ok(asked.length >= 5);
  assert.deepEqual(
    asked.filter((url) => !urls.has(url)),
    [],
  );
});

test("the image copies what there is, and nobody is root in it", () => {
  const [build, image] = stagesOf(read("Dockerfile"));
  const copied = build!.filter(({ kind }) => kind === "COPY").flatMap(({ text }) => text.split(" ").slice(0, -1));
  assert.deepEqual(
    copied.filter((name) => !existsSync(join(root, name))),
    [],
  );
  const ignore = read("Dockerfile.dockerignore").split("\n");
  assert.deepEqual(
    copied.filter((name) => !ignore.includes(`!${name}`)),
    [],
    "kept out by Dockerfile.dockerignore",
  );
  const kinds = image!.map(({ kind }) => kind);
  assert.deepEqual(
    image!.find(({ kind }) => kind === "USER"),
    { kind: "USER", text: "node" },
  );
  assert.ok(kinds.indexOf("USER") < kinds.indexOf("ENTRYPOINT") && kinds.includes("HEALTHCHECK"));
});

test("the image is of this version, and the manifest's pieces fit each other", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const manifest = read("kubernetes.yaml");
  assert.match(manifest, new RegExp(`image: senet:${version.replaceAll(".", "\\.")}$`, "m"));
  const port = /containerPort: (\d+)/.exec(manifest)![1]!;
  assert.match(read("Dockerfile"), new RegExp(`EXPOSE ${port}\\n`));
  assert.match(read("Dockerfile"), new RegExp(`"--port", "${port}"`));
  assert.equal(manifest.match(/port: http\b/g)!.length, 3, "all probes ask that port");
  const mounted = [...manifest.matchAll(/\{ name: (\w+), mountPath/g)].map(([, name]) => name);
  const volumes = [...manifest.matchAll(/- \{ name: (\w+), (?:persistentVolumeClaim|emptyDir)/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(mounted, volumes);
});

test("systemd takes the unit", (t) => {
  const folder = temporaryFolder();
  const file = join(folder, "senet.service");
  // The package and node lie elsewhere here.
  const unit = read("senet.service").replace(
    /^ExecStart=\S+ \S+/m,
    `ExecStart=${process.execPath} ${join(root, "bin", "senet.js")}`,
  );
  writeFileSync(file, unit);
  const { error, stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
  if (error !== undefined) return t.skip("there is no systemd-analyze here");
  // It also speaks of the machine's other units.
  const said = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("senet.service"));
  assert.deepEqual(said, []);
});

test("whoever is told to stop has the time that an answer may take", () => {
  const timeout = serve.options.find(({ long }) => long === "--timeout")!.defaultValue as number;
  assert.ok(Number(/TimeoutStopSec=(\d+)/.exec(read("senet.service"))![1]) > timeout);
  assert.ok(Number(/terminationGracePeriodSeconds: (\d+)/.exec(read("kubernetes.yaml"))![1]) > timeout + 5);
});
