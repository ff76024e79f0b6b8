/** What the commands print: tables for people, a live line while something runs. Results go to stdout, talk to stderr. */

/** Columns as wide as their widest cell; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const isNumber = (cell: string) => /^[-+]?[\d.,]+\s?(%|ms|MiB|G|M|GiB|x)?$/.test(cell);
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (isNumber(cell) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [line(header), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** `28,088,024` */
export const grouped = (n: number): string => n.toLocaleString("en-US");

/** `1:02:03` or `2:03` from seconds. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => (i === 0 ? `${part}` : `${part}`.padStart(2, "0"))).join(":");
}

/**
 * One line on stderr that is drawn over; where stderr is not a terminal, a plain line now and then instead.
 */
export class LiveLine {
  readonly #isTerminal = process.stderr.isTTY === true;
  readonly #everyMs: number;
  #last = 0;

  constructor(plainEverySeconds = 30) {
    this.#everyMs = this.#isTerminal ? 100 : plainEverySeconds * 1000;
  }

  /** `text` is made only when it will be shown. */
  show(text: () => string): void {
    const now = performance.now();
    if (now - this.#last < this.#everyMs) return;
    this.#last = now;
    if (this.#isTerminal) process.stderr.write(`\r\u001b[K${text().slice(0, (process.stderr.columns ?? 80) - 1)}`);
    else process.stderr.write(`${text()}\n`);
  }

  /** Ends the live line and leaves `text` in its place. */
  print(text: string): void {
    process.stderr.write(this.#isTerminal ? `\r\u001b[K${text}\n` : `${text}\n`);
  }
}
