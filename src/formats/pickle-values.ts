/** The values in a pickle. Nothing is ever made of a class: an object is a record of what it would have been made from. */

/** Values in a pickle: None is null, lists and tuples are arrays; the host adds values of its own. */
export type PickleValue = unknown;

/** A class or function referred to by name. */
export class PickleGlobal {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A dict as a list of pairs. Not a Map: most are never read, and hostile keys could all have the same hash. */
export class PickleDict {
  /** Alternating keys and values. */
  readonly entries: PickleValue[];
  constructor(entries: PickleValue[] = []) {
    this.entries = entries;
  }

  get size(): number {
    return this.entries.length / 2;
  }

  /** The last value set for this key. */
  get(key: string): PickleValue {
    const { entries } = this;
    for (let i = entries.length - 2; i >= 0; i -= 2) if (entries[i] === key) return entries[i + 1];
    return undefined;
  }

  *pairs(): Generator<readonly [key: PickleValue, value: PickleValue]> {
    for (let i = 0; i < this.entries.length; i += 2) yield [this.entries[i], this.entries[i + 1]];
  }
}

/** The record of what would be an instance or the result of a call in Python. */
export class PickleObject {
  readonly name: string;
  readonly args: readonly PickleValue[];
  /** The state set by BUILD, usually a dict of attributes. */
  state: PickleValue = null;
  /** For dict and list subclasses, the items set and appended. */
  dict: PickleDict | undefined = undefined;
  list: PickleValue[] | undefined = undefined;

  constructor(name: string, args: readonly PickleValue[]) {
    this.name = name;
    this.args = args;
  }
}

/** The attributes of an object, or its items if it is a dict. */
export function attributesOf(value: PickleValue): PickleDict | undefined {
  if (value instanceof PickleDict) return value;
  if (!(value instanceof PickleObject)) return undefined;
  if (value.dict !== undefined) return value.dict;
  // For a class with slots, a pair of ordinary attributes and slots.
  const parts = Array.isArray(value.state) ? value.state : [value.state];
  return parts.find((part) => part instanceof PickleDict);
}
