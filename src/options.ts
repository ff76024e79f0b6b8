/** Options of functions. */

type Given<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

/** The options that are given: one that is `undefined` counts as absent. */
export const givenOptions = <T extends object>(options: T): Given<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
