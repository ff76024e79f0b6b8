/** Reports pictures that cannot be decoded: the first few by name as they are met, then their number. */

import { checkPictures } from "../data/check.node.ts";
import type { Dataset, Failure } from "../data/dataset.ts";
import { SenetError } from "../errors.ts";
import { grouped, type LiveLine } from "./output.ts";

/** More lines would push everything else off the screen. */
const mostNamed = 10;

export class FailureReport {
  readonly #print: (line: string) => void;
  readonly #what: string;
  #count = 0;

  /** @param what what happens to these pictures */
  constructor(print: (line: string) => void, what = "left out") {
    this.#print = print;
    this.#what = what;
  }

  get count(): number {
    return this.#count;
  }

  met({ file, reason }: Failure): void {
    this.#count++;
    if (this.#count <= mostNamed) this.#print(`${this.#what} ${file}: ${reason}`);
    else if (Number.isInteger(Math.log10(this.#count))) {
      this.#print(`${grouped(this.#count)} pictures ${this.#what} so far`);
    }
  }

  /** Prints the total at the end. @param count the total; default: those reported here, without earlier runs */
  summary(count: number = this.#count): void {
    if (count > 0) this.#print(`${grouped(count)} ${count === 1 ? "picture" : "pictures"} ${this.#what}`);
  }
}

/**
 * Decodes every picture, with progress, and names each that cannot be decoded.
 * @throws SenetError `data` if there is any
 */
export async function requireSound(
  folders: readonly Dataset[],
  workers: number | undefined,
  line: LiveLine,
  signal?: AbortSignal,
): Promise<void> {
  const total = folders.reduce((sum, { samples }) => sum + samples.length, 0);
  const start = performance.now();
  const failures = await checkPictures(folders, {
    ...(workers !== undefined && { workers }),
    ...(signal !== undefined && { signal }),
    onFailure: ({ file, reason }) => line.print(`${file}: ${reason}`),
    onProgress: (done) =>
      line.show(() => {
        const rate = (1000 * done) / (performance.now() - start);
        return `checking ${grouped(done)} of ${grouped(total)} pictures, ${rate.toFixed(0)} images/s`;
      }),
  });
  if (signal?.aborted === true) return;
  if (failures.length === 0) {
    line.print(`${grouped(total)} pictures checked: all can be decoded`);
    return;
  }
  throw new SenetError("data", `${grouped(failures.length)} of ${grouped(total)} pictures cannot be decoded`, {
    where: folders.map(({ root }) => root).join(", "),
    found: "those named above",
    hint: "fix or remove them; without --check they are left out",
  });
}
