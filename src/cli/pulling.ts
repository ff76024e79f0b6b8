/** What a download looks like to the one who waits for it. */

import { basename } from "node:path";
import { type Progress, type PullOptions, pull } from "../pull/pull.node.ts";
import { clock, LiveLine } from "./output.ts";

/** As `pull`, with a line on stderr while it runs. */
export async function pullShown(name: string, options: Omit<PullOptions, "say" | "onProgress"> = {}): Promise<string> {
  const line = new LiveLine(5);
  const rate = new Rate();
  let isFetched = false;
  const path = await pull(name, {
    ...options,
    say: (text) => line.print(text),
    onProgress: (progress) => {
      isFetched = true;
      rate.see(progress);
      line.show(() => `${name}: ${progressText(progress, rate.bytesPerSecond())}`);
    },
  });
  if (isFetched) line.print(`${name}: ${basename(path)}, ${rate.text()}`);
  return path;
}

/** Bytes a second since this address began to answer; what was there before does not count. */
class Rate {
  #started = performance.now();
  #first = 0;
  #last = 0;
  #address = "";

  see({ address, received }: Progress): void {
    // Another address, or the same once more from its beginning.
    if (address !== this.#address || received < this.#last) {
      this.#started = performance.now();
      this.#first = received;
      this.#address = address;
    }
    this.#last = received;
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  bytesPerSecond(): number {
    return (this.#last - this.#first) / Math.max(this.#seconds(), 1e-3);
  }

  text(): string {
    return `${megabytes(this.#last - this.#first)} in ${clock(this.#seconds())} from ${this.#address}`;
  }
}

/** Of a million bytes, as sizes of downloads are given. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** `45.2 %, 51.2 MB of 112.6 MB, 3.4 MB/s, 0:18 left` */
export function progressText({ received, total }: Pick<Progress, "received" | "total">, rate: number): string {
  const speed = `${megabytes(rate)}/s`;
  if (total === undefined) return `${megabytes(received)}, ${speed}`;
  const share = `${((100 * received) / total).toFixed(1)} %, ${megabytes(received)} of ${megabytes(total)}, ${speed}`;
  return rate > 0 ? `${share}, ${clock((total - received) / rate)} left` : share;
}
