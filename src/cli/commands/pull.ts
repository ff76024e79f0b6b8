/** `senet pull`: fetches released weights once and keeps them. */

import { join } from "node:path";
import { type Command, Option } from "commander";
import { cacheFolder } from "../../files/cache.node.ts";
import { knownFiles } from "../../pull/addresses.ts";
import { isFile } from "../../pull/pull.node.ts";
import { jsonOption } from "../options.ts";
import { print, printJson, printLines, table } from "../output.ts";
import { megabytes, pullShown } from "../pulling.ts";

interface PullOptions {
  readonly cache?: string;
  readonly force?: true;
  readonly offline?: true;
  readonly json?: true;
}

export function pullCommand(program: Command): void {
  program
    .command("pull")
    .description("download released weights to the cache, or list them")
    .argument("[name]", "what to download; without it, list everything")
    .option("--cache <dir>", "folder to keep it in; default: SENET_CACHE, or the system's folder for caches")
    .addOption(new Option("--force", "download it even if it is cached").conflicts("offline"))
    .option("--offline", "make no requests; only check the cache")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nAn interrupted download continues where it stopped. HTTP_PROXY, HTTPS_PROXY and NO_PROXY are respected;" +
        "\nSENET_MIRROR=http://host/folder/ is tried before the known addresses." +
        "\n\nExamples:\n  senet pull\n  senet pull se-resnet-50\n\n" +
        "Commands with --weights take these names too, and fetch what is missing.",
    )
    .action(pullOrList);
}

async function pullOrList(name: string | undefined, { json, ...options }: PullOptions): Promise<void> {
  if (name === undefined) return list(options.cache ?? cacheFolder(), json === true);
  const path = await pullShown(name, { ...options, check: true });
  if (json === true) printJson({ name, path }, 2);
  else print(path);
}

async function list(cache: string, json: boolean): Promise<void> {
  const files = await Promise.all(
    [...knownFiles].map(async ([name, known]) => {
      const path = join(cache, known.file);
      return { name, ...known, path, isCached: await isFile(path) };
    }),
  );
  if (json) {
    printJson(files, 2);
    return;
  }
  const rows = files.map(({ name, bytes, hash, format, source, licence, isCached }) => [
    name,
    bytes === undefined ? "" : megabytes(bytes),
    hash === undefined ? "" : hash.hex.slice(0, 8),
    format,
    source,
    licence,
    isCached ? "yes" : "",
  ]);
  printLines(table(["name", "size", "hash", "format", "source", "licence", "in cache"], rows));
  print();
  print(`Cache: ${cache}`);
}
