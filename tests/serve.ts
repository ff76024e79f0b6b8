/** A server without threads or sockets, with networks small enough for tests. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import type { InjectOptions, LightMyRequestResponse } from "fastify";
import sharp from "sharp";
import type { Fetcher } from "../src/pull/bytes.node.ts";
import { type App, createApp } from "../src/serve/app.node.ts";
import { Host } from "../src/serve/host.node.ts";
import { Models, type NamedSource } from "../src/serve/models.node.ts";
import { Pool } from "../src/serve/pool.node.ts";
import { BodyReader } from "../src/serve/reader.node.ts";
import type { AppSettings } from "../src/serve/service.node.ts";
import type { Hand } from "../src/serve/work.node.ts";
import { encodeCheckpoint } from "../src/weights/checkpoint-write.ts";
import { temporaryFolder } from "./command.ts";
import { formulaCheckpoint } from "./explain.ts";

/** Does the work of a server's thread in this thread, one job after another. */
export class LocalHand implements Hand {
  readonly lost: Promise<Error> = new Promise(() => {});
  readonly #host: Host;
  #last: Promise<unknown> = Promise.resolve();

  constructor(mostPixels = 1e6) {
    this.#host = new Host(mostPixels);
  }

  load: Hand["load"] = (key, source) => this.#inTurn(() => this.#host.load(key, source));
  drop: Hand["drop"] = (key) => this.#inTurn(() => this.#host.drop(key));
  answer: Hand["answer"] = (key, works) => this.#inTurn(() => this.#host.answer(key, works));
  close: Hand["close"] = () => this.#inTurn(() => this.#host.close());

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

const folder = temporaryFolder();

/** A weight file of a small network. @param classes distinguishes networks */
export function tinyWeights(classes: number, name = `${classes}.safetensors`): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(encodeCheckpoint(formulaCheckpoint("se-resnet-20", classes, 16))));
  return path;
}

export const sourceOf = (name: string, file: string, batch: number | "auto" = 1): NamedSource => ({
  name,
  source: { files: [file], options: { executor: "ort", threads: 1 }, batch },
});

export interface TestOptions extends Partial<AppSettings> {
  readonly sources?: readonly NamedSource[];
  readonly hands?: number;
  readonly queue?: number;
  readonly open?: () => Hand;
  readonly fetcher?: Fetcher;
  /** Larger JSON bodies are parsed in a thread; default: none. */
  readonly smallBytes?: number;
}

export interface TestServer extends App {
  readonly pool: Pool;
  readonly models: Models;
  /** Its log messages. */
  readonly said: string[];
  ask(options: InjectOptions): Promise<LightMyRequestResponse>;
}

const opened: (() => Promise<void>)[] = [];
after(() => Promise.all(opened.map((close) => close())));

/** Stopped after the tests of the file. */
export async function testServer(options: TestOptions = {}): Promise<TestServer> {
  const { sources, hands = 1, queue = 8, open = () => new LocalHand(), smallBytes = 2 ** 20, ...settings } = options;
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const pool = new Pool({ hands, queue, open, say });
  const models = await Models.open(pool, sources ?? [sourceOf("tiny", tinyWeights(3))], say);
  const reader = new BodyReader({ bodyBytes: 2 ** 20, smallBytes, say });
  const app = createApp({
    pool,
    models,
    settings: {
      ...{ version: "1.2.3", bodyBytes: 2 ** 20, allBytes: 2 ** 22, mostPictures: 4, timeoutMs: 5000 },
      receiving: { headersMs: 10_000, allMs: 60_000 },
      ...{ allowedOrigins: [], fetcher: undefined, reader, log: undefined, say },
      ...settings,
    },
  });
  opened.push(async () => {
    await app.server.close();
    await pool.close();
    await reader.close();
  });
  return { ...app, pool, models, said, ask: (request) => app.server.inject(request) };
}

/** A PNG of one colour. */
export const png = (background: string, width = 20, height = 18): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();

/** The body of a form, with its content type. */
export function form(
  parts: readonly { readonly name: string; readonly filename?: string; readonly data: string | Buffer }[],
) {
  const boundary = "----senet-test";
  const payload = Buffer.concat([
    ...parts.flatMap(({ name, filename, data }) => [
      Buffer.from(
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? "" : `; filename="${filename}"\r\ncontent-type: image/png`}\r\n\r\n`,
      ),
      Buffer.from(data),
      Buffer.from("\r\n"),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
  return { payload, headers: { "content-type": `multipart/form-data; boundary=${boundary}` } };
}
