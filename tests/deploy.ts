/** Parses deploy/Dockerfile so that its steps can be run without Docker. */

export interface Step {
  /** `RUN`, `COPY`, ... */
  readonly kind: string;
  readonly text: string;
}

/** The stages of a Dockerfile, each with its steps. */
export function stagesOf(dockerfile: string): readonly (readonly Step[])[] {
  const steps = dockerfile
    .replaceAll(/^#.*\n/gm, "")
    .split("\n")
    .flatMap((line): Step[] => {
      const [, kind, text] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
      return kind === undefined || text === undefined ? [] : [{ kind, text }];
    });
  const stages: Step[][] = [];
  for (const step of steps) {
    if (step.kind === "FROM") stages.push([step]);
    else stages.at(-1)!.push(step);
  }
  return stages;
}
