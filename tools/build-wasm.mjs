// Compiles wasm/ to src/images/kernels.generated.ts, which holds the module as text, so that it needs no file at run
// time. The bytes are deflated, since a page loads them before its first answer. The compiler takes two seconds, so it
// runs only if something has changed.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { globSync } from "./glob.mjs";

const out = "src/images/kernels.generated.ts";
const sources = globSync("wasm", (path) => path.endsWith(".ts"));
const hash = createHash("sha256");
for (const file of [...sources, "tools/build-wasm.mjs"]) hash.update(readFileSync(file));
hash.update(JSON.parse(readFileSync("package.json", "utf8")).devDependencies.assemblyscript);
const mark = `// Made by tools/build-wasm.mjs from wasm/. ${hash.digest("hex")}\n`;

const isCurrent = () => {
  try {
    return readFileSync(out, "utf8").startsWith(mark);
  } catch {
    return false;
  }
};

if (!isCurrent()) {
  const { default: asc } = await import("assemblyscript/asc").catch(() => {
    console.error("AssemblyScript, which compiles wasm/, is not installed here: npm ci");
    process.exit(1);
  });
  const options = ["--optimizeLevel", "3", "--noAssert", "--runtime", "stub", "--enable", "simd"];
  let bytes;
  const { error, stderr } = await asc.main(["wasm/index.ts", "--outFile", "kernels.wasm", ...options], {
    // AssemblyScript's decorator for functions is not valid TypeScript, so it is written as a comment.
    readFile: (name, folder) => {
      const path = join(folder, name);
      return existsSync(path) ? readFileSync(path, "utf8").replaceAll(/^\/\/ @inline$/gm, "@inline") : null;
    },
    writeFile: (_name, contents) => {
      bytes = contents;
    },
  });
  if (error !== null) {
    console.error(`${stderr}`);
    process.exit(1);
  }
  const text = deflateRawSync(bytes, { level: 9 }).toString("base64");
  writeFileSync(out, `${mark}\nexport const size = ${bytes.length};\nexport const deflated =\n  "${text}";\n`);
}
