/** Which class a name means. */

/** The WordNet id that a name of an ImageNet class starts with: `n02119789` of `n02119789 kit fox`. */
export function wordnetId(name: string): string | undefined {
  return /^n\d{8}(?=\s|$)/.exec(name)?.[0];
}

/** Finds the index of the class that a name means: the class of that name, or else the one with its WordNet id. */
export function classFinder(classes: readonly string[]): (name: string) => number | undefined {
  const byName = new Map(classes.map((name, label) => [name, label]));
  const byId = new Map<string, number>();
  for (const [label, name] of classes.entries()) {
    const id = wordnetId(name);
    if (id !== undefined) byId.set(id, label);
  }
  return (name) => byName.get(name) ?? byId.get(wordnetId(name) ?? "");
}
