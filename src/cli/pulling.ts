/** Progress of a download at the terminal. */

import { basename } from "node:path";
import { type Progress, type PullOptions, pull } from "../pull/pull.node.ts";
import { clock, LiveLine } from "./output.ts";

/** As `pull`, with a live line on stderr. */
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

/** Bytes per second since this address began to answer, without bytes from earlier attempts. */
class Rate {
  #started = performance.now();
  #first = 0;
  #last = 0;
  #address = "";

  see({ address, received }: Progress): void {
    // Another address, or the same address from the start again.
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

/** A size in units of a million bytes, as is usual for downloads. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** `45.2 %, 51.2 MB of 112.6 MB, 3.4 MB/s, 0:18 left` */
export function progressText({ received, total }: Pick<Progress, "received" | "total">, rate: number): string {
  const speed = `${megabytes(rate)}/s`;
  if (total === undefined) return `${megabytes(received)}, ${speed}`;
  const share = `${((100 * received) / total).toFixed(1)} %, ${megabytes(received)} of ${megabytes(total)}, ${speed}`;
  return rate > 0 ? `${share}, ${clock((total - received) / rate)} left` : share;
}
