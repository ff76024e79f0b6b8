/** Every type that stands in a public signature can be imported by its name: whoever calls the library can write it down. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { root } from "./support.ts";

interface Declared {
  /** The file that declares it, and its name there. */
  readonly file: string;
  readonly name: string;
}

interface Module {
  /** The text of each declaration. */
  readonly declarations: ReadonlyMap<string, string>;
  /** What is known by a name that comes from another module of ours. */
  readonly imports: ReadonlyMap<string, Declared>;
  readonly exports: ReadonlyMap<string, Declared>;
  readonly stars: readonly string[];
}

/** Without comments and texts, in which names mean nothing. */
const bare = (code: string) =>
  code
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")
    .replace(/(from )?"(?:[^"\\\n]|\\.)*"/g, (text, from?: string) => (from === undefined ? '""' : text));

/** `a as b, type C` as [a, b], [C, C] */
const names = (list: string) =>
  list
    .split(",")
    .map((item) => item.replace(/\btype\b/, "").trim())
    .filter((item) => item !== "")
    .map((item) => item.split(/\s+as\s+/))
    .map(([name, as = name]) => [name!, as!] as const);

/** A declaration file as `tsc` writes it. */
function parse(file: string, source: string): Module {
  const code = bare(source);
  const [imports, exports] = [new Map<string, Declared>(), new Map<string, Declared>()];
  const path = (from: string) => join(dirname(file), from.replace(/\.[jt]s$/, ".d.ts"));
  for (const [, list, from] of code.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)";/gm)) {
    for (const [name, as] of names(list!)) imports.set(as, { file: path(from!), name });
  }
  for (const [, list, from] of code.matchAll(/^export (?:type )?\{([^}]*)\}(?: from "(\.[^"]+)")?;/gm)) {
    for (const [name, as] of names(list!)) exports.set(as, { file: from === undefined ? file : path(from), name });
  }
  const stars = [...code.matchAll(/^export \* from "(\.[^"]+)";/gm)].map(([, from]) => path(from!));
  const declarations = new Map<string, string>();
  const start = /^(export )?(?:declare )?(?:abstract )?(?:interface|type|class|function|const|enum) (\w+)/gm;
  const starts = [...code.matchAll(start)];
  for (const [i, match] of starts.entries()) {
    const [, isExported, name] = match;
    const end = starts[i + 1]?.index ?? code.length;
    declarations.set(
      name!,
      (declarations.get(name!) ?? "") +
        code.slice(match.index, end).replace(/^(import|export) .*$/gm, (line) => (line.includes(" from ") ? "" : line)),
    );
    if (isExported) exports.set(name!, { file, name: name! });
  }
  return { declarations, imports, exports, stars };
}

const modules = new Map<string, Module>();
function moduleOf(file: string): Module {
  let found = modules.get(file);
  if (found === undefined) {
    found = parse(file, readFileSync(file, "utf8"));
    modules.set(file, found);
  }
  return found;
}

/** The place where what a module exports under a name is declared. */
function origin({ file, name }: Declared): Declared {
  const module = moduleOf(file);
  if (module.declarations.has(name)) return { file, name };
  const next = module.imports.get(name) ?? module.exports.get(name);
  if (next !== undefined) return origin(next);
  for (const star of module.stars) if (allOf(star).has(name)) return origin({ file: star, name });
  return assert.fail(`${file} does not have ${name}`);
}

/** All that an entry point exports, by name. */
function allOf(file: string): ReadonlyMap<string, Declared> {
  const { exports, stars } = moduleOf(file);
  return new Map([...stars.flatMap((star) => [...allOf(star)]), ...exports]);
}

/** Types in signatures that the entry point does not export, each with where it stands. */
function missing(entry: string): string[] {
  const key = ({ file, name }: Declared) => `${file}#${name}`;
  const known = new Map([...allOf(entry).values()].map(origin).map((declared) => [key(declared), declared]));
  const lacks: string[] = [];
  for (const { file, name } of known.values()) {
    const { declarations, imports } = moduleOf(file);
    const text = declarations.get(name)!;
    const words = new Set([...text.matchAll(/(?<![.\w#])[A-Z]\w*/g)].map(([word]) => word));
    for (const word of words) {
      const target = imports.get(word) ?? (declarations.has(word) ? { file, name: word } : undefined);
      if (target !== undefined && !known.has(key(origin(target))))
        lacks.push(`${word}, in ${name} (${file.slice(root.length + 1)})`);
    }
  }
  return [...new Set(lacks)].sort();
}

const declarations = (name: string) => join(root, "dist", "src", name);

for (const entry of ["index.d.ts", "index.node.d.ts", "index.web.d.ts"]) {
  test(`${entry}: every type in a public signature is exported`, () => {
    assert.ok(allOf(declarations(entry)).size > 40);
    assert.deepEqual(missing(declarations(entry)), []);
  });
}

test("a type that is not exported is found, wherever it stands", () => {
  const code = `import { Far } from "./far.js";
interface Hidden { readonly a: number; }
/** Comment: Hidden */
export interface Open<T> { hidden(far: Far): Hidden | "Hidden"; readonly t: T; }
export {};
`;
  const module = parse("/x/index.d.ts", code);
  assert.deepEqual([...module.exports.keys()], ["Open"]);
  assert.deepEqual([...module.declarations.keys()], ["Hidden", "Open"]);
  assert.doesNotMatch(module.declarations.get("Open")!, /Comment|"Hidden"/);
  assert.deepEqual(module.imports.get("Far"), { file: "/x/far.d.ts", name: "Far" });
  modules.set("/x/index.d.ts", module);
  modules.set(
    "/x/far.d.ts",
    parse("/x/far.d.ts", "export interface Far { readonly near: Near; }\ninterface Near {}\n"),
  );
  const { file, name } = { file: "/x/index.d.ts", name: "Open" };
  assert.deepEqual(origin({ file, name }), { file, name });
  assert.deepEqual(
    missing(file).map((line) => line.split(",")[0]),
    ["Far", "Hidden"],
  );
});
