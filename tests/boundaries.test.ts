/** Which parts may import which: data flows in one direction, and only files for Node use Node. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { test } from "node:test";
import { root } from "./support.ts";

/**
 * Each part of `src` (a folder, or a file directly in it) and the other parts that it may import, including for types.
 * `passes` may use the executors' types for weights, but no engine.
 */
const table: Readonly<Record<string, string>> = {
  errors: "",
  arguments: "errors",
  "own-file.node": "errors",
  "event-loop": "",
  "machine.node": "",
  "c-library.node": "",
  "memory.node": "errors machine.node c-library.node",
  names: "",
  "config-key": "",
  random: "errors",
  sha256: "",
  crc32c: "",
  disposal: "",
  ranks: "",
  "version.node": "own-file.node",
  mpi: "errors c-library.node event-loop ranks",
  files: "errors",
  tensor: "errors",
  "packages.node": "errors",
  text: "",
  "text-output": "",
  options: "",
  schema: "names",
  "schema-types": "",
  "protobuf-writer": "",
  "text-file": "",
  ir: "errors tensor",
  nn: "errors tensor ir",
  zoo: "errors names tensor ir nn",
  autodiff: "errors ir",
  optim: "tensor ir",
  executors: "errors event-loop files machine.node c-library.node memory.node packages.node names tensor ir optim",
  passes: "errors tensor ir executors",
  images: "errors config-key files machine.node packages.node memory.node random",
  // Formats know nothing about the networks whose tensors a file contains.
  formats: "errors crc32c tensor text-file",
  pull: "errors arguments files names formats",
  data: "text-file errors arguments own-file.node files machine.node memory.node names random sha256 tensor images pull",
  import: "text-file errors names tensor ir nn zoo images formats",
  weights: "text-file errors optim files random tensor ir zoo executors passes images formats import",
  evaluate:
    "errors arguments event-loop files machine.node random tensor ir nn zoo executors passes images data import weights",
  quantize: "errors random tensor ir zoo executors passes data weights evaluate",
  explain: "errors event-loop names tensor ir autodiff zoo executors passes images weights evaluate",
  train:
    "errors event-loop files machine.node memory.node config-key random sha256 crc32c ranks version.node tensor ir nn zoo autodiff optim executors passes images data weights evaluate",
  recipes: "errors names ir zoo train",
  report: "errors files ir zoo executors images data weights evaluate quantize explain train",
  api: "errors arguments files random ranks tensor zoo executors images data import weights pull evaluate quantize explain train recipes report",
  serve: "errors own-file.node names tensor memory.node zoo executors images weights pull evaluate explain api",
  // Only used where a server listens.
  app: "errors files serve",
  demo: "errors files random images",
  web: "errors event-loop names tensor nn zoo executors images formats data weights evaluate explain train api",
};
const allowed = new Map(Object.entries(table).map(([part, below]) => [part, below.split(" ").filter(Boolean)]));

/** Every part may import these. */
const bottoms = ["options", "text", "text-output", "schema", "schema-types", "protobuf-writer", "disposal"];

/** These may import every part: the three entry points and the commands. */
const tops = ["index", "index.node", "index.web", "cli"];

/** Packages and modules that exist only in Node. */
const needsNode = (specifier: string) =>
  specifier.startsWith("node:") || ["fastify", "koffi", "onnxruntime-node", "sharp", "undici"].includes(specifier);
/** Other packages that the library may import. */
const runsAnywhere = ["@bufbuild/protobuf/wire", "h5wasm"];
const mayUseNode = (file: string) => file.startsWith("cli/") || /\.(node|test)\.ts$/.test(file);

/** A file's imports, re-exports and dynamic imports, including those of types. */
function importsOf(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const patterns = [
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]!));
}

const src = join(root, "src");
const files: ReadonlyMap<string, readonly string[]> = new Map(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => [path.split(sep).join("/"), importsOf(readFileSync(join(src, path), "utf8"))]),
);
const isTest = (file: string) => file.endsWith(".test.ts");
const partOf = (file: string) => (file.includes("/") ? file.slice(0, file.indexOf("/")) : file.replace(/\.ts$/, ""));

/** `ir/graph.ts`, as seen from `passes/index.ts` through `../ir/graph.ts`; tests may reach out of `src`. */
const resolve = (from: string, specifier: string) => posix.join(dirname(from), specifier);

test("imports are found in every form that the language has", () => {
  const source = `
    import { a } from "./a.ts";
    import type {
      B,
      C,
    } from "./b.ts";
    import "./effect.ts";
    export * from "./c.ts";
    export { type D } from './d.ts';
    // import "./not.ts";
    /** import "./nor.ts"; */
    const text = "import";
    type E = import("./e.ts").E;
    const late = await import("node:fs");`;
  const expected = ["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./effect.ts", "./e.ts", "node:fs"];
  assert.deepEqual(importsOf(source), expected);
  assert.ok(files.size > 50, `only ${files.size} files found below ${relative(root, src)}`);
  assert.ok([...files.values()].flat().length > 300);
});

test("what may run in a browser takes the symbol of `await using` from src/disposal.ts, for Safari", () => {
  const wrong = [...files.keys()].filter((file) => {
    if (mayUseNode(file) || file === "disposal.ts") return false;
    return readFileSync(join(src, file), "utf8").includes("[Symbol.asyncDispose]");
  });
  assert.deepEqual(wrong, []);
});

test("only *.node.ts, tests and the command line import what only Node has", () => {
  const wrong: string[] = [];
  for (const [file, imports] of files) {
    if (mayUseNode(file)) continue;
    for (const specifier of imports) {
      if (needsNode(specifier)) wrong.push(`${file} imports ${specifier}: name it *.node.ts`);
      if (specifier.endsWith(".node.ts") || specifier.endsWith(".node.js"))
        wrong.push(`${file} imports ${specifier}, which needs Node`);
      if (specifier.endsWith(".web.ts") && !file.endsWith(".web.ts"))
        wrong.push(`${file} imports ${specifier}, which needs a browser: name it *.web.ts`);
      if (!specifier.startsWith(".") && !needsNode(specifier) && !runsAnywhere.includes(specifier))
        wrong.push(`${file} imports ${specifier}, which is not on the list of packages that run anywhere`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("parts import only parts below them", () => {
  const wrong: string[] = [];
  for (const [file, imports] of files) {
    const part = partOf(file);
    if (isTest(file) || tops.includes(part)) continue;
    const below = allowed.get(part);
    if (below === undefined) {
      wrong.push(`${file}: the part "${part}" is not in the table of this test`);
      continue;
    }
    for (const specifier of imports.filter((name) => name.startsWith("."))) {
      const target = partOf(resolve(file, specifier));
      if (target !== part && !bottoms.includes(target) && !below.includes(target))
        wrong.push(`${file} imports ${specifier}, but ${part} may not know ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("the table allows nothing that no file needs", () => {
  for (const [part, below] of allowed) {
    const own = [...files].filter(([file]) => partOf(file) === part && !isTest(file));
    const needed = new Set(own.flatMap(([file, imports]) => imports.map((name) => partOf(resolve(file, name)))));
    assert.deepEqual(
      below.filter((target) => !needed.has(target)),
      [],
      part,
    );
  }
});

test("the table itself goes one way", () => {
  const order = [...allowed.keys()];
  for (const [part, below] of allowed) {
    for (const target of below) {
      assert.ok(order.includes(target), `${part} may import "${target}", which there is not`);
      assert.ok(order.indexOf(target) < order.indexOf(part), `${part} may import ${target}, which is above it`);
    }
  }
});

test("an engine is known by its own folder and by the one that chooses", () => {
  const engines = ["executors/onednn/", "executors/ort/", "executors/reference/"];
  const chooses = ["executors/select.node.ts", "executors/select.web.ts", "index.ts", "index.node.ts"];
  const wrong: string[] = [];
  for (const [file, imports] of files) {
    if (isTest(file) || chooses.includes(file)) continue;
    for (const target of imports.filter((name) => name.startsWith(".")).map((name) => resolve(file, name))) {
      const engine = engines.find((folder) => target.startsWith(folder));
      if (engine !== undefined && !file.startsWith(engine)) wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("only the table of families asks of which family a network is, and what namings are, which are of some families' files", () => {
  const ask = [...files.keys()].filter((file) => {
    const code = readFileSync(join(src, file), "utf8");
    return !isTest(file) && /\.family\b|\{ family \}|case "resnet"/.test(code);
  });
  assert.deepEqual(ask.sort(), ["import/naming.ts", "zoo/built.ts", "zoo/families.ts", "zoo/own-function.ts"]);
});

test("there is no cycle of files, types included", () => {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    if (finished.has(file)) return;
    assert.ok(!path.includes(file), `a cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
    path.push(file);
    for (const specifier of files.get(file) ?? []) if (specifier.startsWith(".")) visit(resolve(file, specifier));
    path.pop();
    finished.add(file);
  };
  for (const file of files.keys()) visit(file);
  assert.ok(finished.has("ir/graph.ts"));
});

test("imports name files that are there", () => {
  for (const [file, imports] of files) {
    if (isTest(file)) continue;
    for (const specifier of imports.filter((name) => name.startsWith("."))) {
      assert.ok(files.has(resolve(file, specifier)), `${file} imports ${specifier}`);
    }
  }
});

test("what stands directly in src, for all parts, shares no name with what else is exported", () => {
  const named = new Map<string, string[]>();
  for (const file of files.keys()) {
    if (isTest(file)) continue;
    const code = readFileSync(join(src, file), "utf8");
    for (const [, name] of code.matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm)) {
      named.set(name!, [...(named.get(name!) ?? []), file]);
    }
  }
  const isShared = ([, places]: [string, string[]]) => places.length > 1 && places.some((file) => !file.includes("/"));
  assert.deepEqual([...named].filter(isShared), []);
  assert.equal(named.get("option")?.[0], "errors.ts");
});
