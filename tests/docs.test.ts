/** The documents agree with the code: all environment variables are in the table, and links and citations exist. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { format } from "node:util";
import { recipeNames } from "../src/recipes/recipes.ts";
import { zoo } from "../src/zoo/index.ts";
import { root } from "./support.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** Files below some folders of the repository, by their paths from its root. */
function filesOf(folders: readonly string[], ending: RegExp): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
      .filter((path) => ending.test(path) && !path.includes("/node_modules/")),
  );
}

const documents = [
  ...filesOf(["docs"], /^docs\/(results\/)?[^/]+\.md$/),
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "golden/README.md",
];
const code = [
  ...filesOf(["src", "tests", "bench", "tools"], /\.(ts|mjs|sh)$/),
  ...filesOf(["golden"], /\.py$/),
  ".ci/run",
];

/** This project's environment variables named in a text. */
const variablesIn = (text: string): readonly string[] => [...new Set(text.match(/\bSENET_[A-Z0-9_]*[A-Z0-9]/g))];

/** The table's rows: the first column, and the files to which the last one links. */
function environmentRows(): ReadonlyMap<string, readonly string[]> {
  const rows = read("docs/environment.md")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  return new Map(
    rows.flatMap((row) => {
      const cells = row.split(" | ");
      const links = [...cells.at(-1)!.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!);
      return [...cells[0]!.matchAll(/`([A-Z_]+)`/g)].map((match): [string, readonly string[]] => [match[1]!, links]);
    }),
  );
}

test("every environment variable of ours is in the table of docs/environment.md, and nothing else is", () => {
  const named = new Map(code.flatMap((path) => variablesIn(read(path)).map((name) => [name, path] as const)));
  assert.ok(named.has("SENET_CACHE") && named.has("SENET_ONEDNN"), "variables are found");
  const rows = environmentRows();
  const missing = [...named].filter(([name]) => !rows.has(name)).map(([name, path]) => `${name} (${path})`);
  assert.deepEqual(missing, [], "variables that docs/environment.md does not list");
  const unused = variablesIn(read("docs/environment.md")).filter((name) => !named.has(name));
  assert.deepEqual(unused, [], "variables that docs/environment.md lists and no code names");
});

test("docs/environment.md says of each variable where it is read", () => {
  const rows = environmentRows();
  assert.ok(rows.size > 5);
  for (const [name, links] of rows) {
    assert.ok(links.length > 0, `${name}: no file is named`);
    for (const link of links) assert.ok(read(join("docs", link)).includes(name), `${link} reads ${name}`);
  }
  for (const path of code.filter((path) => path.startsWith("src/") && !/(?<!slow)\.test\.ts$/.test(path))) {
    for (const [, name] of read(path).matchAll(/\bprocess\.env\.(\w+)/g)) {
      assert.ok(rows.get(name!)?.includes(`../${path}`), `${path} reads ${name}: docs/environment.md does not say so`);
    }
  }
});

test("docs/ports.md names every port, each of its recipes, and no network that there is not", () => {
  const page = read("docs/ports.md");
  const named = [...page.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
  const owners = new Set([...zoo.values()].flatMap(({ port }) => port?.source.split("/")[0] ?? []));
  assert.ok(owners.size > 5);
  for (const owner of owners) {
    assert.ok(page.includes(`](https://github.com/${owner}/`), owner);
    const recipes = recipeNames.filter((name) => name.split("-")[0] === owner);
    assert.ok(recipes.length > 0 && recipes.every((name) => named.includes(name)), owner);
  }
  const networks = named.filter((name) => /^[a-z0-9]+-.*(?:resnet|resnext|inception)-/.test(name));
  assert.ok(networks.length > 12);
  for (const name of networks) assert.ok(zoo.has(name), name);
});

test("every file that a document links to is there", () => {
  const broken = documents.flatMap((document) =>
    [...read(document).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !existsSync(join(root, normalize(join(dirname(document), link)))))
      .map((link) => `${document}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("the README's picture is small, reads on light and dark pages, and needs nothing besides itself", () => {
  const [, path] = /!\[[^\]]+\]\((docs\/pictures\/[^)]+\.svg)\)/.exec(read("README.md"))!;
  const picture = read(path!);
  assert.ok(picture.length < 60_000);
  assert.match(picture, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*aria-label="[^"]+"/);
  assert.match(picture, /prefers-color-scheme: dark/);
  assert.doesNotMatch(picture.replace("http://www.w3.org/2000/svg", ""), /<script|<image|href|url\(|https?:/);
  assert.doesNotMatch(picture, /NaN|undefined/);
});

test("no table of the README is wider than a screen", () => {
  const rows = read("README.md")
    .split("\n")
    .filter((line) => line.startsWith("|"));
  assert.ok(rows.length > 20);
  // Only a link's text counts.
  const wide = rows.filter((row) => row.replaceAll(/\[([^\]]*)\](?:\([^)]*\)|\[\w+\])/g, "$1").length > 120);
  assert.deepEqual(wide, []);
});

test("the README leads to every document", () => {
  const readme = read("README.md");
  const unnamed = documents.filter((path) => path !== "README.md" && !readme.includes(`(${path})`));
  assert.deepEqual(unnamed, []);
});

/** The programs in the tour, each with the parts of its output that the tour shows. */
function programsOf(tour: string): { readonly code: string; readonly excerpts: readonly string[] }[] {
  const programs: { code: string; excerpts: string[] }[] = [];
  for (const [, language, content] of tour.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (language === "text") programs.at(-1)!.excerpts.push(content!);
    else programs.push({ code: /^node --input-type=module -e '\n([\s\S]*)'\n$/.exec(content!)![1]!, excerpts: [] });
  }
  return programs;
}

/** The output of a module's `console.log`, run in this process. */
async function printedBy(code: string): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]) => lines.push(format(...values));
  try {
    await import(`data:text/javascript,${encodeURIComponent(code)}`);
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}

test("docs/tour.md shows what its programs print", async () => {
  const programs = programsOf(read("docs/tour.md"));
  assert.ok(programs.length >= 3 && programs.every(({ excerpts }) => excerpts.length > 0));
  const entry = JSON.stringify(new URL("../src/index.js", import.meta.url).href);
  for (const { code, excerpts } of programs) {
    const output = await printedBy(code.replaceAll('from "senet"', `from ${entry}`));
    // The tour wraps long lines, and replaces omitted lines by three dots.
    const printed = ` ${output.replaceAll(/\s+/g, " ")} `;
    for (const excerpt of excerpts) {
      let end = 0;
      for (const piece of excerpt.split(/^\.\.\.$/m)) {
        const shown = piece.trim().replaceAll(/\s+/g, " ");
        const at = printed.indexOf(` ${shown} `, end);
        assert.ok(at >= 0, `is not printed, or not after what is shown before it: ${shown}`);
        end = at + shown.length;
      }
    }
  }
});

test("docs/tour.md: what each link is named for is in the file that it leads to", () => {
  const links = [...read("docs/tour.md").matchAll(/\[`([\w.]+)`\]\(\.\.\/(src\/[^)]+)\)/g)];
  assert.ok(links.length > 40);
  const declares = (name: string) =>
    new RegExp(`\\b(?:function\\*?|const|class|interface) ${name}\\b|^  (?:static )?(?:async )?${name}[(<]`, "m");
  const astray = links
    .filter(([, name, file]) => !name!.split(".").every((part) => declares(part).test(read(file!))))
    .map(([link]) => link);
  assert.deepEqual(astray, []);
  const parts = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const aside = ["api", "cli", "demo", "formats", "import", "pull"];
  const unvisited = parts
    .map(({ name }) => name)
    .filter((name) => !links.some(([, , file]) => file!.startsWith(`src/${name}/`)));
  assert.deepEqual(
    unvisited.filter((name) => !aside.includes(name)),
    [],
    "parts that the tour does not pass through",
  );
});

test("what CONTRIBUTING names is there: files, commands, and the rows of the tables that it counts", () => {
  const text = read("CONTRIBUTING.md");
  const paths = [...text.matchAll(/`((?:src|tests|golden|tools|docs)\/[^`\s]*)`/g)].map((match) => match[1]!);
  assert.ok(paths.length > 20);
  const missing = paths.filter((path) => !path.includes("NAME.") && !existsSync(join(root, path)));
  assert.deepEqual(missing, []);
  const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
  for (const [, script] of text.matchAll(/^npm run ([\w:]+)/gm)) assert.ok(scripts[script!] !== undefined, script);
  // Each is a file and a row: the file of the table imports the file of the row.
  for (const [table, file] of [
    ["src/zoo/families.ts", "./layers.ts"],
    ["src/formats/formats.ts", "./caffe-hdf5.ts"],
    ["src/data/datasets.node.ts", "./shards.node.ts"],
  ] as const) {
    assert.ok(text.includes(`\`${table}\``) && read(table).includes(`from "${file}"`), `${table}: ${file}`);
  }
});

/** Citations in comments: `docs/networks.md, 1.2 and trap 5` as `["docs/networks.md", ["1.2", "trap 5"]]`. */
function citationsIn(source: string): readonly (readonly [document: string, places: readonly string[]])[] {
  // Joins comments of several lines.
  const text = source.replace(/\n[ \t]*(?:\*|\/\/|#)?[ \t]*/g, " ");
  const place = "(?:trap \\d+|\\d+(?:\\.\\d+)?)";
  const citation = new RegExp(
    `\\b(docs/[\\w-]+\\.md|[\\w-]+\\.md)\\b((?:(?:,| and| to) ${place}(?![\\w.]*\\w))*)`,
    "g",
  );
  return [...text.matchAll(citation)].map((match) => [match[1]!, match[2]!.match(new RegExp(place, "g")) ?? []]);
}

/** The numbered headings and numbered traps of a document. */
function placesIn(document: string): ReadonlySet<string> {
  const text = read(document);
  const headings = [...text.matchAll(/^#+ (\d+(?:\.\d+)?)\.? /gm)].map((match) => match[1]!);
  const traps = /^## .*Traps$([\s\S]*?)(?=^## )/m.exec(text)?.[1] ?? "";
  const numbers = [...traps.matchAll(/^(\d+)\. /gm)].map((match) => match[1]!);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => `${i + 1}`),
    `${document}: traps are counted from 1`,
  );
  assert.equal(new Set(headings).size, headings.length, `${document}: no heading number comes twice`);
  return new Set([...headings, ...numbers.map((number) => `trap ${number}`)]);
}

test("citations are found over the ends of lines", () => {
  const source = `/**
     * As Caffe rounds (docs/networks.md, 1.2
     * and trap 2). See docs/log.md: 3 entries. From facts.md, 1.1 to 1.7. docs/networks.md, 12 files.
     */`;
  assert.deepEqual(citationsIn(source), [
    ["docs/networks.md", ["1.2", "trap 2"]],
    ["docs/log.md", []],
    ["facts.md", ["1.1", "1.7"]],
    ["docs/networks.md", ["12"]],
  ]);
});

test("every document, section and trap that comments cite is there", () => {
  const missing: string[] = [];
  let places = 0;
  for (const path of code.filter((path) => path !== "tests/docs.test.ts" && !path.endsWith("folder.test.ts"))) {
    for (const [document, cited] of citationsIn(read(path))) {
      if (!existsSync(join(root, document))) missing.push(`${path}: ${document}`);
      else {
        const known = placesIn(document);
        missing.push(...cited.filter((place) => !known.has(place)).map((place) => `${path}: ${document}, ${place}`));
        places += cited.length;
      }
    }
  }
  assert.deepEqual(missing, []);
  assert.ok(places > 20, `only ${places} citations are found`);
});
