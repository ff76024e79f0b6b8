/** The pictures named by a command's arguments: files, folders, patterns, addresses, standard input. */

import { type NamedPicture, namedPictures } from "../data/pictures.node.ts";
import { isArchiveAddress, localData } from "../data/remote.node.ts";
import { SourceReader } from "../data/source.node.ts";
import { SenetError } from "../errors.ts";
import type { Classification } from "../evaluate/classify.ts";
import type { PictureBytes } from "../evaluate/picture-input.ts";
import type { Fetcher } from "../pull/bytes.node.ts";
import { packagedName } from "../pull/packaged.node.ts";
import { hideCredentials } from "../text-output.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { print, say, sayLines } from "./output.ts";
import { networkName, type Weights, type WeightsOptions, weightsOf, withItsFiles } from "./weights.ts";

const mostBytes = 2 ** 28;

export class PictureReader {
  #fetcher: Fetcher | undefined;
  readonly #reader = new SourceReader();

  /**
   * Opens a picture for `Classifier.classify`.
   * @throws SenetError `data` where it cannot be fetched; `usage` where standard input is a terminal
   */
  async open(picture: NamedPicture): Promise<string | PictureBytes> {
    const { from, name } = picture;
    if (from === "file") return name;
    if (from === "data set") return { name, bytes: await this.#reader.encoded(picture.source) };
    if (from === "standard input") return { name, bytes: await standardInput() };
    // Imported late, so that commands without network access do not load the HTTP client.
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

export interface PicturesOptions extends WeightsOptions {
  /** Default: the network in the package. */
  readonly weights?: string;
  /** Whether folders are searched recursively. */
  readonly recursive: boolean;
}

/**
 * The pictures that a command's arguments name, and the network for them.
 * @throws SenetError as `weightsOf`; `usage` or `data` where there are no pictures
 */
export async function picturesAndNetwork(
  names: readonly string[],
  options: PicturesOptions,
): Promise<{ readonly pictures: readonly NamedPicture[]; readonly checkpoint: Weights }> {
  const { weights, others } = withItsFiles(options.weights ?? packagedName, names);
  const local = await Promise.all(others.map((name) => (isArchiveAddress(name) ? localData(name, { say }) : name)));
  const { pictures, notes } = namedPictures(local, options.recursive);
  for (const note of notes) say(`senet: ${note}`);
  const checkpoint = await weightsOf(weights, options);
  if (options.weights === undefined) say(packagedNote(checkpoint));
  say(`${networkName(weights)}: pictures as ${checkpoint.told}`);
  return { pictures, checkpoint };
}

/** Says which network is used by default, and that it knows only a few classes. */
function packagedNote({ model, labels, training }: Checkpoint): string {
  const { recipe, seed, top1Error } = training ?? {};
  const facts = [
    ...(recipe === undefined || recipe === null ? [] : [`recipe ${recipe}`]),
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(top1Error === undefined ? [] : [`${(100 - top1Error).toFixed(1)} % right of its pictures to validate with`]),
  ];
  const known = facts.length === 0 ? "" : ` (${facts.join(", ")})`;
  return (
    `senet: no --weights: ${packagedName} answers, the ${model.name} that comes with the package${known}. ` +
    `It knows ${labels.length} classes, and nothing else: ${labels.join(", ")}`
  );
}

/**
 * Runs `work`; a picture that cannot be read is reported and gives `undefined`, so that the others still get answers.
 * The exit code tells.
 */
export async function unlessUnreadable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SenetError && error.code === "data")) throw error;
    sayLines(`senet: ${error.message}`);
    process.exitCode = 1;
    return undefined;
  }
}

/** Prints the picture's name and its most probable classes below. */
export function printClassification({ file, predictions }: Classification): void {
  print(file);
  for (const { label, probability } of predictions)
    print(`  ${(100 * probability).toFixed(2).padStart(6)} %  ${label}`);
}
