/** Single files that somebody names by their address (pictures to classify), into memory. */

import type { Dispatcher } from "undici";
import { causeText, SenetError } from "../errors.ts";
import { hideCredentials } from "../text-output.ts";
import { addressOf } from "./address.node.ts";
import { AddressFailure, defaultTiming, following, Interruption, Pace, type Timing } from "./download.node.ts";
import { proxied } from "./fetch.node.ts";

export interface FetcherOptions {
  /** Of one file. Default: 64 MiB, more than any photograph has. */
  readonly mostBytes?: number;
  readonly timing?: Partial<Timing>;
  /** What asks, and is closed with it; default: by way of the environment's proxy. */
  readonly dispatcher?: Dispatcher;
}

/** Keeps connections between files of one host. */
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
   * The bytes at `address`, tried once. Redirects are followed as `pull` follows them; of a name and a password in the
   * address nothing is shown.
   * @throws SenetError `data` with what is wrong with the address; the signal's reason
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

  /** @param promised by the server; not a number where it says nothing */
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
