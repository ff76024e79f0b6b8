/** What stands in deploy/ is true of the command: its flags, its addresses, who it runs as. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { programOf } from "../src/cli/main.ts";
import { routes } from "../src/serve/routes.ts";
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

test("whoever is told to stop has the time that an answer may take", () => {
  const timeout = serve.options.find(({ long }) => long === "--timeout")!.defaultValue as number;
  assert.ok(Number(/TimeoutStopSec=(\d+)/.exec(read("senet.service"))![1]) > timeout);
  assert.ok(Number(/terminationGracePeriodSeconds: (\d+)/.exec(read("kubernetes.yaml"))![1]) > timeout + 5);
});
