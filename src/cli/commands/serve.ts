/** `senet serve`: serves networks over HTTP. */

import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { LoadOptions } from "../../api/open-network.node.ts";
import { SenetError } from "../../errors.ts";
import { type PrecisionChoice, selectExecutor } from "../../executors/select.node.ts";
import { usableThreads } from "../../machine.node.ts";
import type { Fetcher } from "../../pull/bytes.node.ts";
import { weightsFile } from "../../pull/named.node.ts";
import { packagedName } from "../../pull/packaged.node.ts";
import type { NamedSource } from "../../serve/models.node.ts";
import { interruptible } from "../interrupt.ts";
import {
  count,
  executorOption,
  host,
  port,
  positiveDuration,
  precisionOption,
  stateOption,
  threadsOption,
  workersOption,
} from "../options.ts";
import { print, say } from "../output.ts";
import { labelsOption, preprocessingOptions } from "../preprocessing.ts";
import { pullShown } from "../pulling.ts";
import { networkName, networksOf, opening, type WeightsOptions, weightsOf } from "../weights.ts";

interface ServeCommandOptions extends WeightsOptions {
  readonly weights: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly workers?: number;
  readonly queue: number;
  readonly timeout: number;
  readonly maxBody: number;
  readonly maxPixels: number;
  readonly maxPictures: number;
  readonly batch: number | "auto";
  readonly allowUrls?: true;
  readonly allowOrigin?: readonly string[];
  readonly root?: string;
  readonly reload: boolean;
  readonly accessLog?: true;
  readonly executor?: string;
  readonly precision?: PrecisionChoice;
  readonly threads: number;
}

const described = (option: Option, description: string): Option => {
  option.description = description;
  return option;
};

const batchOf = (text: string): number | "auto" => (text === "auto" ? text : count(text));

/** As browsers write it, or `*`. */
function origins(text: string, others: readonly string[] = []): readonly string[] {
  // Pages from files, and those in a sandbox, are of the origin `null`.
  const isOrigin = text === "*" || text === "null" || (URL.canParse(text) && new URL(text).origin === text);
  if (isOrigin) return [...others, text];
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  const hint = origin === "null" ? "" : ` (Did you mean ${origin}?)`;
  throw new InvalidArgumentError(
    `expected an origin such as https://example.org or http://localhost:5173, or *.${hint}`,
  );
}

export function serveCommand(program: Command): void {
  const command = program
    .command("serve")
    .description("serve networks over HTTP")
    .option(
      "--weights <[name=]file...>",
      "one network or several, as for senet classify, each under its name; default name: the file's;\n" +
        "the first one answers if a request names none",
      [packagedName],
    )
    .option("--host <address>", "address to listen on; 0.0.0.0: all addresses of this machine", host, "127.0.0.1")
    .option("--port <n>", "port; 0: any free port", port, 8080)
    .addOption(described(workersOption(), "threads that process pictures; default: as many as can run at once"))
    .addOption(described(threadsOption().default(1), "threads for each picture"))
    .option("--queue <n>", "pictures that may wait; further requests are refused (503)", count, 64)
    .option(
      "--batch <n>",
      "pictures computed at once; auto: several, and the faster engine, if a measurement shows a gain",
      batchOf,
      "auto",
    )
    .addOption(
      new Option("--timeout <time>", "time limit for an answer; clients can ask for less (X-Request-Timeout)")
        .argParser(positiveDuration)
        .default(30, "30s"),
    )
    .option("--max-body <mib>", "of a request", count, 32)
    .option("--max-pixels <millions>", "of a picture", count, 50)
    .option("--max-pictures <n>", "in one request", count, 32)
    .option("--allow-urls", "fetch pictures given by their addresses; never from private networks")
    .option(
      "--allow-origin <origin...>",
      "pages of these origins (https://example.org) may read the answers; *: all (CORS)",
      origins,
    )
    .option("--root <dir>", "refuse weight files outside of this folder, after following links")
    .option("--no-reload", "do not reload networks when their files change")
    .option("--access-log", "log a line for each request")
    .addOption(executorOption())
    .addOption(precisionOption())
    .addOption(stateOption())
    .addOption(labelsOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet serve\n  senet serve --weights runs/first/best.safetensors --port 9000\n" +
        "  senet serve --weights birds=birds.safetensors dogs=dogs-int8.safetensors --host 0.0.0.0 --root /srv/networks\n\n" +
        "Then:\n  curl --data-binary @cat.jpg http://127.0.0.1:8080/v1/classify\n" +
        "  curl -F a=@cat.jpg -F b=@dog.jpg 'http://127.0.0.1:8080/v1/classify?top=1'\n" +
        "docs/serving.md has the rest; a running server describes itself at /openapi.json.",
    )
    .action((options: ServeCommandOptions) => serveNetworks(options, program.version()!));
  for (const option of preprocessingOptions()) command.addOption(option);
}

async function serveNetworks(options: ServeCommandOptions, version: string): Promise<void> {
  // Report an engine that does not load before opening anything.
  await selectExecutor({ name: options.executor, precision: options.precision });
  const models: NamedSource[] = [];
  for (const files of networksOf(options.weights)) models.push(await sourceOf(files, options));
  checkNames(models);
  const { serve } = await import("../../serve/listen.node.ts");
  const { host, port, queue, timeout, maxBody, maxPixels, maxPictures } = options;
  const listening = await serve({
    models,
    host,
    port,
    queue,
    version,
    say,
    workers: options.workers ?? usableThreads(),
    timeoutMs: 1000 * timeout,
    bodyBytes: maxBody * 2 ** 20,
    mostPixels: maxPixels * 1e6,
    mostPictures: Math.min(maxPictures, queue),
    watchMs: options.reload ? 1000 : undefined,
    fetcher: options.allowUrls === true ? await publicFetcher(maxBody * 2 ** 20, 1000 * timeout) : undefined,
    ...(options.allowOrigin && { allowedOrigins: options.allowOrigin }),
    log: options.accessLog === true ? say : undefined,
  });
  print(`listening on ${listening.origin}`);
  await interruptible(
    () => say("stopping: what has been taken is answered first; once more stops at once"),
    (signal) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(listening.stop()))),
  );
}

async function publicFetcher(mostBytes: number, stallMs: number): Promise<Fetcher> {
  // Imported late, so that commands without network access do not load the HTTP client.
  const [{ Fetcher }, { guardedAgent }] = await Promise.all([
    import("../../pull/bytes.node.ts"),
    import("../../pull/public.node.ts"),
  ]);
  return new Fetcher({ mostBytes, timing: { stallMs, windowMs: stallMs }, dispatcher: guardedAgent() });
}

/** A network to serve: `NAME=FILE`, or a file, which is then named after itself. */
async function sourceOf(files: readonly string[], options: ServeCommandOptions): Promise<NamedSource> {
  const [, said, first] = /^([\w.-]+)=(.+)$/s.exec(files[0]!) ?? [];
  const named = first === undefined ? files : [first, ...files.slice(1)];
  const name = said ?? basename(networkName(named)).replace(/\.\w+$/, "");
  const paths: string[] = [];
  for (const file of named) paths.push(await weightsFile(file, pullShown));
  const { executor, precision, threads } = options;
  const { isMeanSaid: _, ...opened } = opening(options);
  const isPreprocessingSaid = preprocessingOptions().some(
    (option) => options[option.attributeName() as "crop"] !== undefined,
  );
  const loading: LoadOptions = {
    ...opened,
    threads,
    ...(precision !== undefined && { precision }),
    ...(executor !== undefined && { executor }),
    // Filled up from the network's own pre-processing: a proportional side, one number for all channels.
    ...(isPreprocessingSaid && { preprocessing: (await weightsOf(named, options)).preprocessing }),
  };
  return { name, source: { files: paths, options: loading, batch: options.batch }, root: options.root };
}

function checkNames(models: readonly NamedSource[]): void {
  const names = models.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new SenetError("usage", "two networks have the same name", {
    where: twice,
    hint: `name them: --weights ${twice}=FILE other=FILE`,
  });
}
