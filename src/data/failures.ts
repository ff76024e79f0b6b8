/** Collects pictures that cannot be decoded; each is reported once, and a class without usable pictures is an error. */

import { SenetError } from "../errors.ts";
import type { Dataset, Failure } from "./dataset.ts";

export class Failures {
  /** In the order in which they were found. */
  readonly list: Failure[] = [];
  readonly #dataset: Dataset;
  readonly #onFailure: (failure: Failure) => void;
  /** Per class, the number of samples that have not failed. */
  readonly #usable: Int32Array;
  /** Samples with a failure, and their classes. */
  readonly #samples = new Set<number>();
  readonly #failed = new Set<number>();

  constructor(dataset: Dataset, onFailure: (failure: Failure) => void = () => {}) {
    this.#dataset = dataset;
    this.#onFailure = onFailure;
    this.#usable = new Int32Array(dataset.classes.length);
    for (const { label } of dataset.samples) this.#usable[label]!++;
  }

  /** Whoever meets it again tells nothing new. */
  add(sample: number, reason: string): void {
    if (this.#samples.has(sample)) return;
    this.#samples.add(sample);
    const { file, label } = this.#dataset.samples[sample]!;
    const failure = { file, reason };
    this.list.push(failure);
    this.#failed.add(label);
    this.#usable[label]!--;
    this.#onFailure(failure);
  }

  /** @throws SenetError `data` where every picture of a class has failed */
  check(): void {
    const dead = this.#usable.findIndex((count, label) => count === 0 && this.#failed.has(label));
    if (dead >= 0) throw classFailed(this.#dataset, dead, this.list);
  }
}

/** The error for a class whose pictures have all failed. */
export function classFailed({ root, classes }: Dataset, label: number, failures: readonly Failure[]): SenetError {
  const last = failures.at(-1)!;
  return new SenetError("data", `no picture of the class "${classes[label]}" can be decoded`, {
    where: root,
    found: `${failures.length} bad pictures, the last ${last.file}: ${last.reason}`,
    hint: "get the pictures of this class again, or remove its folder",
  });
}

/** What is wrong with a picture, in one line, without its name. */
export function reasonOf({ message, details }: SenetError): string {
  const first = message.split("\n")[0]!;
  const what = details.where !== undefined ? first.slice(details.where.length + 2) : first;
  return details.found === undefined ? what : `${what} (${[details.found].flat().join(", ")})`;
}
