/**
 * `npm install senet` in another project, and `npm ci` in this one, with the npm of Node 20 and the one of today, with
 * install scripts allowed and blocked, wherever the network ends: ONNX Runtime's script wants a host of its own, for
 * libraries that are not used, and may fail; the installation may not.
 */

import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { runNode, temporaryFolder } from "./command.ts";
import { npm } from "./npm.ts";
import { root } from "./support.ts";

const versions = ["10.8.2", "11"];
const folder = temporaryFolder();
const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
let tarball = "";

before(async () => {
  const { code, stderr } = await npm(["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  assert.equal(code, 0, stderr);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz"))!);
});

/** Skips where this version of npm, and so the registry, is out of reach. */
async function isReachable(t: TestContext, version: string): Promise<boolean> {
  const { code, stderr } = await npm(["view", "senet-no-such-package-but-a-registry", "--fetch-retries=0"], {
    cwd: folder,
    version,
  });
  if (code === 0 || /E404|404/.test(stderr)) return true;
  t.skip("the registry cannot be reached");
  return false;
}

/** By Node's own rules: a newer one lets CommonJS require modules (with a warning of its own, or none), an older one says why not. */
async function requires(project: string): Promise<void> {
  writeFileSync(join(project, "require.cjs"), 'console.log(typeof require("senet/node").load);');
  const { code, stdout, stderr } = await runNode(["require.cjs"], { cwd: project });
  if ("require_module" in process.features) assert.deepEqual([code, stdout], [0, "function\n"], stderr);
  else assert.match(stderr, /ERR_REQUIRE_ESM/);
}

/** What a strict project with nothing but TypeScript, and Node's types or none, makes of the declarations. */
async function typeChecks(project: string): Promise<void> {
  const readmeExample = /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "README.md"), "utf8"))![1]!;
  writeFileSync(join(project, "readme.ts"), readmeExample);
  writeFileSync(
    join(project, "web.ts"),
    'import { type Executable, model, type Value } from "senet";\n' +
      "export const free = (network: Executable): PromiseLike<void> => network[Symbol.asyncDispose]();\n" +
      'export const shape = (value: Value): readonly number[] => value.type.shape;\nexport const net = model("se-resnet-20");\n',
  );
  const strict = ["--strict", "--skipLibCheck", "false", "--noEmit", "--module", "nodenext"];
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const types = join(root, "node_modules", "@types");
  const check = (...args: string[]) => runNode([tsc, ...strict, ...args], { cwd: project });
  const node = await check("--target", "es2022", "--typeRoots", types, "--types", "node", "readme.ts");
  assert.deepEqual(node, { code: 0, stdout: "", stderr: "" });
  const web = await check("--target", "es2022", "--lib", "es2022,dom", "--types", "", "web.ts");
  assert.deepEqual(web, { code: 0, stdout: "", stderr: "" });
}

for (const version of versions) {
  for (const scripts of ["allowed", "blocked"]) {
    test(`npm ${version} installs it in another project, scripts ${scripts}`, { timeout: 110_000 }, async (t) => {
      if (!(await isReachable(t, version))) return;
      const project = join(folder, `project-${version}-${scripts}`);
      mkdirSync(project);
      writeFileSync(join(project, "package.json"), JSON.stringify({ name: "other", version: "1.0.0", type: "module" }));
      const blocked = scripts === "blocked" ? ["--ignore-scripts"] : [];
      const { code, stderr } = await npm(["install", tarball, ...quiet, ...blocked], { cwd: project, version });
      assert.equal(code, 0, stderr);
      // It runs, with ONNX Runtime or without.
      const program = join(project, "node_modules", "senet", "bin", "senet.js");
      const doctor = await runNode([program, "doctor"], { cwd: project });
      assert.equal(doctor.code, 0, doctor.stderr);
      const runtime = existsSync(join(project, "node_modules", "onnxruntime-node"));
      assert.match(doctor.stdout, runtime ? /^ort +yes/m : /^ort +no/m);
      if (scripts === "blocked") assert.ok(runtime, "without its script it is there");
      const source =
        'import { load } from "senet/node"; import { inferenceGraph, model } from "senet"; ' +
        'console.log(typeof load, inferenceGraph(model("se-resnet-20", 2), { batch: 1, imageSize: 32 }).name);';
      const expected = { code: 0, stdout: "function se-resnet-20\n", stderr: "" };
      writeFileSync(join(project, "use.js"), source);
      assert.deepEqual(await runNode(["use.js"], { cwd: project }), expected);
      const imports =
        'Promise.all([import("senet/node"), import("senet")]).then(([{ load }, { inferenceGraph, model }]) => ';
      writeFileSync(
        join(project, "use.cjs"),
        `${imports}${source.slice(source.indexOf("console")).replace(/;$/, "")});`,
      );
      assert.deepEqual(await runNode(["use.cjs"], { cwd: project }), expected);
      await requires(project);
      await typeChecks(project);
    });
  }

  test(`npm ${version} ci in the repository leaves ONNX Runtime where it is`, { timeout: 110_000 }, async (t) => {
    if (!(await isReachable(t, version))) return;
    const copy = join(folder, `repository-${version}`);
    mkdirSync(copy);
    for (const name of ["package-lock.json", ".npmrc"]) copyFileSync(join(root, name), join(copy, name));
    // All but the build, which has its own tests.
    const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    delete manifest.scripts.prepare;
    writeFileSync(join(copy, "package.json"), JSON.stringify(manifest));
    const { code, stderr } = await npm(["ci", "--omit=dev", ...quiet], { cwd: copy, version });
    assert.equal(code, 0, stderr);
    assert.equal((await runNode(["-e", 'require("onnxruntime-node")'], { cwd: copy })).code, 0);
  });
}
