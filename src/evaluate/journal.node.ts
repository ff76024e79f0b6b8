/**
 * A journal file that records an evaluation's results line by line, so that whatever ends the process costs only the
 * current batch.
 *
 * JSON lines: first the format; then for each network its settings, followed by one line per picture. A restarted
 * evaluation writes its settings again and continues below.
 */

import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { option, SenetError } from "../errors.ts";
import { assertFile, ioError, writeError } from "../files/files.node.ts";
import { Lock } from "../files/lock.node.ts";
import * as z from "../schema.ts";

/** Everything that results depend on; an evaluation only continues with the same settings. */
export type Settings = Readonly<Record<string, string | number>>;

/** The result for one picture. */
export interface Outcome {
  /** The picture's name relative to the data. */
  readonly picture: string;
  readonly label: number;
  /** Number of other classes at least as likely as the label. */
  readonly rank: number;
  /** The most probable class. */
  readonly predicted: number;
}

/** A picture that could not be decoded. */
export interface Failed {
  readonly picture: string;
  readonly failed: string;
}

export type Entry = Outcome | Failed;

const format = "senet-evaluation-1";
const natural = z.int().check(z.gte(0));
const lineSchema = z.union([
  z.strictObject({ network: z.string(), settings: z.record(z.string(), z.union([z.string(), z.number()])) }),
  z.strictObject({ picture: z.string(), label: natural, rank: natural, predicted: natural }),
  z.strictObject({ picture: z.string(), failed: z.string() }),
]);

export class Journal {
  readonly #path: string;
  readonly #file: number;
  readonly #lock: Lock;
  /** For each network, its settings, and its pictures by name. */
  readonly #networks = new Map<string, { settings: Settings; entries: Map<string, Entry> }>();
  #current: Map<string, Entry> | undefined;

  /**
   * Opens a journal or creates one, locked for this process until `close`. An incomplete last line is removed.
   * @throws SenetError `io` where it cannot be read or written; `data` where it is not a journal or damaged; `usage`
   * where another evaluation is writing it
   */
  constructor(path: string) {
    this.#path = path;
    try {
      if (existsSync(path)) assertFile(statSync(path));
      this.#file = openSync(path, "a+");
    } catch (cause) {
      throw writeError("the journal cannot be opened", path, cause, `another ${option("journal")}`);
    }
    try {
      this.#lock = new Lock(
        `${path}.lock`,
        `another evaluation is writing ${path}`,
        `another ${option("journal")}, or wait for it`,
      );
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
    try {
      this.#read();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #read(): void {
    const bytes = readFileSync(this.#file);
    const end = bytes.lastIndexOf(0x0a) + 1;
    const [first, ...lines] = bytes.toString("utf8", 0, end).split("\n");
    if (bytes.length === 0 || (end === 0 && formatLine.startsWith(bytes.toString()))) {
      ftruncateSync(this.#file);
      this.#write(formatLine);
      return;
    }
    if (`${first}\n` !== formatLine) {
      throw new SenetError("data", "this file is not an evaluation journal", {
        where: this.#path,
        expected: formatLine.trim(),
        found: bytes.toString("utf8", 0, 80).split("\n")[0]!,
        hint: "name a file that does not exist yet",
      });
    }
    if (end < bytes.length) ftruncateSync(this.#file, end);
    for (const [i, line] of lines.entries()) if (line !== "") this.#take(line, i + 2);
    this.#current = undefined;
  }

  #take(line: string, number: number): void {
    const found = parseLine(line);
    if (found !== undefined && "network" in found) {
      const known = this.#networks.get(found.network);
      this.#current = known?.entries ?? new Map();
      this.#networks.set(found.network, { settings: found.settings, entries: this.#current });
    } else if (found !== undefined && this.#current !== undefined) {
      this.#current.set(found.picture, found);
    } else {
      throw new SenetError("data", "the journal is damaged", {
        where: `${this.#path}, line ${number}`,
        expected: "the result for one picture, as JSON",
        found: line.slice(0, 80),
        hint: "delete this line and all after it, then start again",
      });
    }
  }

  /**
   * Starts recording a network with `add`. @returns its earlier results
   * @throws SenetError `usage` where the settings have changed
   */
  begin(network: string, settings: Settings): readonly Entry[] {
    const before = this.#networks.get(network);
    if (before !== undefined) this.#checkSame(network, before.settings, settings);
    this.#current = before?.entries ?? new Map();
    this.#networks.set(network, { settings, entries: this.#current });
    this.#write(`${JSON.stringify({ network, settings })}\n`);
    return [...this.#current.values()];
  }

  #checkSame(network: string, before: Settings, now: Settings): void {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((key) => before[key] !== now[key]);
    if (keys.length === 0) return;
    const show = (settings: Settings) => keys.map((key) => `${key} ${settings[key] ?? "absent"}`).join(", ");
    throw new SenetError("usage", `the journal has ${network} with different settings`, {
      where: this.#path,
      expected: show(before),
      found: show(now),
      hint: "the same settings to continue, or another journal",
    });
  }

  /** @throws SenetError `io`, for example where the disk is full */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) this.#current!.set(entry.picture, entry);
    // A single write, so that no other line can come in between.
    this.#write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }

  #write(text: string): void {
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    } catch (cause) {
      throw ioError(
        "the journal cannot be written",
        this.#path,
        cause,
        "free some space, then run the same command again",
      );
    }
  }

  close(): void {
    closeSync(this.#file);
    this.#lock.release();
  }
}

const formatLine = `${JSON.stringify({ format })}\n`;

function parseLine(line: string): z.output<typeof lineSchema> | undefined {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}
