/** The served networks by name, reloaded when their files change. */

import { causeText } from "../errors.ts";
import { Uses } from "../executors/uses.ts";
import { nearestNames } from "../names.ts";
import { checkBelow, stampOf } from "./files.node.ts";
import type { Pool } from "./pool.node.ts";
import { Refusal } from "./refusal.ts";
import type { ModelFacts, ModelSource } from "./work.node.ts";

export interface NamedSource {
  readonly name: string;
  readonly source: ModelSource;
  /** The folder that must contain all its files; default: any. */
  readonly root?: string | undefined;
}

/** The current version of a network. */
export interface Served extends ModelFacts {
  readonly name: string;
  /** Start of its files' hash. */
  readonly version: string;
  /** Its key in the pool. */
  readonly key: string;
}

interface Entry extends NamedSource {
  served: Served;
  /** Uses of the current version, which is freed when they have ended. */
  uses: Uses;
  /** Stamp of the files when they were read. */
  stamp: string;
}

export class Models {
  readonly #pool: Pool;
  readonly #say: (line: string) => void;
  readonly #entries: ReadonlyMap<string, Entry>;
  #loads = 0;
  /** Counts since the start. */
  reloads = { done: 0, failed: 0 };

  private constructor(pool: Pool, entries: ReadonlyMap<string, Entry>, say: (line: string) => void) {
    this.#pool = pool;
    this.#entries = entries;
    this.#say = say;
    this.#loads = entries.size;
  }

  /** Opens all networks. @throws SenetError where one cannot be opened */
  static async open(pool: Pool, sources: readonly NamedSource[], say: (line: string) => void): Promise<Models> {
    const entries = new Map<string, Entry>();
    for (const named of sources) {
      const key = `${named.name}#${entries.size}`;
      const facts = await loaded(pool, key, named, false);
      entries.set(named.name, {
        ...named,
        stamp: facts.stamp,
        served: servedOf(named.name, key, facts),
        uses: new Uses(named.name),
      });
      for (const note of [`${facts.network}, version ${versionOf(facts)}`, ...facts.notes])
        say(`${named.name}: ${note}`);
    }
    return new Models(pool, entries, say);
  }

  /** All networks, in the order given. */
  get all(): readonly Served[] {
    return [...this.#entries.values()].map(({ served }) => served);
  }

  /** @param name default: the first @throws Refusal 404 */
  get(name?: string): Served {
    return this.#entry(name).served;
  }

  /** Calls `use` with a network, which stays open meanwhile. @throws Refusal 404 */
  use<T>(name: string | undefined, use: (model: Served) => Promise<T>): Promise<T> {
    const { uses, served } = this.#entry(name);
    return uses.now(() => use(served));
  }

  /**
   * Reloads networks whose files have changed and then stayed the same since the last check. If one cannot be opened,
   * that is reported and the old version stays.
   * @param seen stamps of the files at the last check, by name; updated by this one
   */
  async look(seen: Map<string, string>): Promise<void> {
    for (const [name, entry] of this.#entries) {
      const stamp = await stampOf(entry.served.files);
      const isSettled = seen.get(name) === stamp;
      seen.set(name, stamp);
      // The files may still be being written; check again next time.
      if (stamp === entry.stamp || !isSettled) continue;
      entry.stamp = stamp;
      await this.#reload(entry);
    }
  }

  async #reload(entry: Entry): Promise<void> {
    const { name } = entry;
    const key = `${name}#${this.#loads++}`;
    try {
      const facts = await loaded(this.#pool, key, entry, true);
      entry.stamp = facts.stamp;
      const isSame = facts.hash === entry.served.hash && this.#pool.isEverywhere(entry.served.key);
      if (isSame) return await this.#pool.unload(key);
      const old = { key: entry.served.key, uses: entry.uses };
      // New requests use it; those in progress keep the old one.
      entry.served = servedOf(name, key, facts);
      entry.uses = new Uses(name);
      this.reloads.done++;
      this.#say(`${name}: its files have changed: version ${entry.served.version}`);
      await old.uses.dispose(() => this.#pool.unload(old.key));
    } catch (error) {
      // The server is stopping, and its threads have ended.
      if (this.#pool.isClosed) return;
      this.reloads.failed++;
      this.#say(`${name}: its files have changed and cannot be opened; version ${entry.served.version} stays`);
      this.#say(causeText(error).replace(/\n\s*/g, "; "));
    }
  }

  #entry(name: string | undefined): Entry {
    const entry = name === undefined ? [...this.#entries.values()][0] : this.#entries.get(name);
    if (entry !== undefined) return entry;
    const names = [...this.#entries.keys()];
    throw new Refusal(404, "unknown_model", "there is no such model here", {
      expected: names.join(", "),
      found: name!.slice(0, 100),
      hint: `the nearest: ${nearestNames(name!.slice(0, 100), names, 1).join()}`,
    });
  }
}

/**
 * Opens a network. @throws SenetError where it cannot be opened, or a file is not below its root; it is then open
 * nowhere
 */
async function loaded(pool: Pool, key: string, { source, root }: NamedSource, inTurn: boolean): Promise<ModelFacts> {
  if (root !== undefined) await checkBelow(root, source.files);
  const facts = await pool.load(key, source, inTurn);
  try {
    if (root !== undefined) await checkBelow(root, facts.files);
  } catch (error) {
    await pool.unload(key);
    throw error;
  }
  return facts;
}

const versionOf = ({ hash }: ModelFacts): string => hash.slice(0, 12);
const servedOf = (name: string, key: string, facts: ModelFacts): Served => ({
  ...facts,
  name,
  key,
  version: versionOf(facts),
});
