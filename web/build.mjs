// Builds the page into dist/app (`npm run build:app` at the root): bundles it from the library's sources, gives the
// service worker the list of files, and compresses files where it helps (src/app/page.node.ts serves them so).

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, createLogger } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const web = join(root, "web");
const out = join(root, "dist", "app");

// A part that is imported on demand, but is loaded from the start all the same, is a fault.
const ineffective = [];
const logger = createLogger("warn");
const { warn } = logger;
logger.warn = (text, options) =>
  text.includes("INEFFECTIVE_DYNAMIC_IMPORT") ? ineffective.push(text) : warn(text, options);

await build({
  root: web,
  configFile: join(web, "vite.config.mjs"),
  customLogger: logger,
  build: { outDir: out, emptyOutDir: true },
});
const script = await build({
  root: web,
  configFile: false,
  customLogger: logger,
  build: {
    write: false,
    rolldownOptions: { input: join(web, "src", "service-worker.ts"), output: { entryFileNames: "sw.js" } },
  },
});

if (ineffective.length > 0) throw new Error(ineffective.join("\n"));
writeFileSync(join(out, "licences.txt"), licences());

const paths = readdirSync(out, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map(({ parentPath, name }) =>
    join(parentPath, name)
      .slice(out.length + 1)
      .replaceAll("\\", "/"),
  )
  .sort();
const hash = createHash("sha256");
for (const path of paths) hash.update(path).update(readFileSync(join(out, path)));
// Files that few visits need are cached only when requested: the engine for WebGPU, and the HDF5 reader.
const files = paths.filter((path) => !/\.jspi[.-]|\/hdf5/.test(path));
const kept = { version: hash.digest("hex").slice(0, 16), files };
const [{ code }] = script.output;
if (!code.includes("__KEPT__")) throw new Error("the service worker does not ask for the list of files");
writeFileSync(
  join(out, "sw.js"),
  code.replace("__KEPT__", () => JSON.stringify(kept)),
);

let total = 0;
for (const path of [...paths, "sw.js"]) {
  const file = join(out, path);
  const bytes = readFileSync(file);
  const compressed = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 9,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  writeFileSync(`${file}.br`, compressed);
  rmSync(file);
  total += compressed.length;
  console.log(`${path}: ${bytes.length} bytes, ${compressed.length} compressed`);
}
console.log(`the page: ${total} bytes compressed`);

/** Lists the packages in the page, with their licences. */
function licences() {
  const mit = readFileSync(join(web, "node_modules", "preact", "LICENSE"), "utf8").replace(/^.*Copyright.*\n/m, "");
  const ours = join(root, "node_modules");
  const theirs = join(web, "node_modules");
  const packages = [
    { folder: theirs, name: "onnxruntime-web", text: `Copyright (c) Microsoft Corporation\n\n${mit}` },
    { folder: theirs, name: "preact" },
    { folder: theirs, name: "uplot" },
    { folder: ours, name: "h5wasm", file: "LICENSE.txt" },
    { folder: ours, name: "@bufbuild/protobuf", text: licenceComment(ours) },
  ];
  return packages
    .map(({ folder, name, file = "LICENSE", text }) => {
      const { version, license } = JSON.parse(readFileSync(join(folder, name, "package.json"), "utf8"));
      return `${name} ${version} (${license})\n\n${(text ?? readFileSync(join(folder, name, file), "utf8")).trim()}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

/** The licence of a package that states it only in its files: their leading comments. */
function licenceComment(folder) {
  const files = ["binary-encoding.js", "varint.js"].map((name) =>
    readFileSync(join(folder, "@bufbuild/protobuf/dist/esm/wire", name), "utf8"),
  );
  return [...new Set(files.map((text) => /^(\/\/.*\n)+/.exec(text)[0].replace(/^\/\/ ?/gm, "")))].join("\n");
}
