/** Pictures to classify, from wherever they are named. */

import type { NamedPicture } from "../data/pictures.node.ts";
import { SourceReader } from "../data/source.node.ts";
import { SenetError } from "../errors.ts";
import type { PictureBytes } from "../evaluate/picture-input.ts";
import type { Fetcher } from "../pull/bytes.node.ts";
import { hideCredentials } from "../text.ts";

const mostBytes = 2 ** 28;

export class PictureReader {
  #fetcher: Fetcher | undefined;
  readonly #reader = new SourceReader();

  /**
   * What `Classifier.classify` takes.
   * @throws SenetError `data` where an address does not give it, `usage` where standard input is a terminal
   */
  async open(picture: NamedPicture): Promise<string | PictureBytes> {
    const { from, name } = picture;
    if (from === "file") return name;
    if (from === "data set") return { name, bytes: await this.#reader.encoded(picture.source) };
    if (from === "standard input") return { name, bytes: await standardInput() };
    // Only now: what needs no network does not load its client.
    const { Fetcher } = await import("../pull/bytes.node.ts");
    this.#fetcher ??= new Fetcher();
    return { name: hideCredentials(name), bytes: await this.#fetcher.fetch(name) };
  }

  async close(): Promise<void> {
    this.#reader.close();
    await this.#fetcher?.close();
  }
}

async function standardInput(): Promise<Uint8Array> {
  const where = "standard input";
  if (process.stdin.isTTY) {
    throw new SenetError("usage", "standard input is a terminal, not a picture", {
      where,
      hint: "senet classify - < picture.jpg",
    });
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostBytes)
      throw new SenetError("data", `is not a picture: it is longer than ${mostBytes} bytes`, { where });
  }
  return Buffer.concat(chunks);
}
