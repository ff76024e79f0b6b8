/** What the server's parts share: its threads, networks and settings, and the form of a handler. */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Fetcher } from "../pull/bytes.node.ts";
import type { Models } from "./models.node.ts";
import type { Pool, Wish } from "./pool.node.ts";
import type { BodyReader } from "./reader.node.ts";

/** Time limits in milliseconds for receiving a request. */
export interface Receiving {
  readonly headersMs: number;
  readonly allMs: number;
}

export interface AppSettings {
  /** Version of the package. */
  readonly version: string;
  /** Most bytes of one request's body. */
  readonly bodyBytes: number;
  /** Most bytes of all bodies in memory. */
  readonly allBytes: number;
  /** Most pictures or tensors in one request. */
  readonly mostPictures: number;
  /** Time limit for an answer in milliseconds; a client may set a shorter one. */
  readonly timeoutMs: number;
  readonly receiving: Receiving;
  /** Origins of pages that may read responses; `*`: all. */
  readonly allowedOrigins: readonly string[];
  readonly fetcher: Fetcher | undefined;
  readonly reader: BodyReader;
  /** Is told of the server's own faults. */
  readonly say: (line: string) => void;
  /** Is told of each answered request. */
  readonly log: ((line: string) => void) | undefined;
}

export interface Service {
  readonly pool: Pool;
  readonly models: Models;
  readonly settings: AppSettings;
}

export type Handler = (request: FastifyRequest, wish: Wish, reply: FastifyReply) => Promise<unknown> | unknown;

/** The bytes that came with a request. */
export const bodyOf = ({ body }: FastifyRequest): Uint8Array => (body as Uint8Array | undefined) ?? new Uint8Array();
