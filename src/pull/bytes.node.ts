/** Downloads single files into memory, such as pictures to classify. */

import type { Dispatcher } from "undici";
import { causeText, SenetError } from "../errors.ts";
import { hideCredentials } from "../text-output.ts";
import { addressOf } from "./address.node.ts";
import { Pace } from "./download.node.ts";
import { proxied } from "./fetch.node.ts";
import { AddressFailure, defaultTiming, following, Interruption, type Timing } from "./request.node.ts";

export interface FetcherOptions {
  /** Largest file. Default: 64 MiB, more than any photograph. */
  readonly mostBytes?: number;
  readonly timing?: Partial<Timing>;
  /** The HTTP client, which is closed with this; default: one that uses the environment's proxy. */
  readonly dispatcher?: Dispatcher;
}

/** A downloader that reuses connections. */
export class Fetcher {
  readonly #dispatcher: Dispatcher;
  readonly #most: number;
  readonly #timing: Timing;

  /** @throws SenetError `usage` where the environment's proxy cannot be used */
  constructor({ mostBytes = 64 * 2 ** 20, timing, dispatcher = proxied() }: FetcherOptions = {}) {
    this.#dispatcher = dispatcher;
    this.#most = mostBytes;
    this.#timing = { ...defaultTiming, ...timing };
  }

  /**
   * Downloads `address`, without retries. Redirects are followed as by `pull`; credentials in the address are never
   * shown.
   * @throws SenetError `data` where the download fails; the signal's reason
   */
  async fetch(address: string, signal?: AbortSignal): Promise<Uint8Array> {
    if (!URL.canParse(address))
      throw new SenetError("data", "this is not an address", { where: hideCredentials(address) });
    const from = addressOf(new URL(address));
    try {
      return await this.#read(from, signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (!(cause instanceof AddressFailure || cause instanceof Interruption)) throw cause;
      throw new SenetError("data", "could not be fetched", { where: from.url, found: cause.message, cause });
    }
  }

  async #read(from: ReturnType<typeof addressOf>, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const options = { dispatcher: this.#dispatcher, timing: this.#timing, ...(signal !== undefined && { signal }) };
    const answer = await following(from, { "user-agent": "senet", "accept-encoding": "identity" }, options);
    try {
      if (answer.statusCode !== 200) throw new AddressFailure(`answers with status ${answer.statusCode}`);
      const encoding = answer.headers["content-encoding"] ?? "identity";
      if (encoding !== "identity")
        throw new AddressFailure(`sends the file compressed (${encoding}), which was not asked for`);
      return await this.#receive(answer.body as AsyncIterable<Uint8Array>, Number(answer.headers["content-length"]));
    } finally {
      answer.body.on("error", () => {}).destroy();
    }
  }

  /** @param promised length given by the server; NaN if none */
  async #receive(body: AsyncIterable<Uint8Array>, promised: number): Promise<Uint8Array> {
    if (promised > this.#most)
      throw new AddressFailure(`has a file of ${promised} bytes; up to ${this.#most} are read`);
    const pace = new Pace(this.#timing);
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const chunk of body) {
        length += chunk.length;
        if (length > this.#most) throw new AddressFailure(`sends more than ${this.#most} bytes`);
        pace.count(chunk.length);
        chunks.push(chunk);
      }
    } catch (cause) {
      if (cause instanceof AddressFailure) throw cause;
      throw new AddressFailure(`breaks off at byte ${length}: ${causeText(cause)}`);
    }
    return Buffer.concat(chunks);
  }

  close(): Promise<void> {
    return this.#dispatcher.destroy();
  }
}
