/** The networks that are served, by name; opened anew when their files change. */

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
  /** The folder that all its files have to be below; default: anywhere. */
  readonly root?: string | undefined;
}

/** A network as it is served now. */
export interface Served extends ModelFacts {
  readonly name: string;
  /** The beginning of its files' hash. */
  readonly version: string;
  /** What the pool calls it. */
  readonly key: string;
}

interface Entry extends NamedSource {
  served: Served;
  /** Of the network that is served now: it is freed once they have ended. */
  uses: Uses;
  /** What the files looked like when they were read. */
  stamp: string;
}

export class Models {
  readonly #pool: Pool;
  readonly #say: (line: string) => void;
  readonly #entries: ReadonlyMap<string, Entry>;
  #loads = 0;
  /** Since the start. */
  reloads = { done: 0, failed: 0 };

  private constructor(pool: Pool, entries: ReadonlyMap<string, Entry>, say: (line: string) => void) {
    this.#pool = pool;
    this.#entries = entries;
    this.#say = say;
    this.#loads = entries.size;
  }

  /** @throws SenetError where one cannot be opened */
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

  /** In the order in which they were named. */
  get all(): readonly Served[] {
    return [...this.#entries.values()].map(({ served }) => served);
  }

  /** @param name default: the first @throws Refusal 404 */
  get(name?: string): Served {
    return this.#entry(name).served;
  }

  /** As long as `use` takes, the network stays open. @throws Refusal 404 */
  use<T>(name: string | undefined, use: (model: Served) => Promise<T>): Promise<T> {
    const { uses, served } = this.#entry(name);
    return uses.now(() => use(served));
  }

  /**
   * Opens anew what has changed on the disk and has stayed the same since the last look; what cannot be opened is told, and
   * the network stays as it is.
   * @param seen what the files looked like at the last look, by name; this look is written into it
   */
  async look(seen: Map<string, string>): Promise<void> {
    for (const [name, entry] of this.#entries) {
      const stamp = await stampOf(entry.served.files);
      const isSettled = seen.get(name) === stamp;
      seen.set(name, stamp);
      // Another look at files that are being written.
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
      // From now on; whoever has the old one goes on with it.
      entry.served = servedOf(name, key, facts);
      entry.uses = new Uses(name);
      this.reloads.done++;
      this.#say(`${name}: its files have changed: version ${entry.served.version}`);
      await old.uses.dispose(() => this.#pool.unload(old.key));
    } catch (error) {
      this.reloads.failed++;
      this.#say(`${name}: its files have changed and cannot be opened; version ${entry.served.version} stays`);
      this.#say(causeText(error));
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

/** @throws SenetError where it cannot be opened, or has a file that is not below its root: then it is open nowhere */
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
  ...{ name, key, version: versionOf(facts) },
});
