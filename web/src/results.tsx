/** The section with the network's results on the user's pictures. */

import { confusionMatrix } from "#senet/report/confusion.ts";
import { count, percent } from "#senet/report/format.ts";
import { sampleGroups } from "#senet/report/samples.ts";
import { Button } from "./button.tsx";
import { Part } from "./markup.tsx";
import { labelOf } from "./measuring.ts";
import type { SectionProps } from "./section.ts";
import type { State } from "./state.ts";

export function ResultsSection({ session, state }: SectionProps) {
  const { measured, current, classes, busy } = state;
  const known = classes.filter(
    ({ name, pictures }) => pictures.length > 0 && labelOf(name, current!.network.labels) !== undefined,
  );
  // Networks trained here are measured automatically.
  if (measured === undefined && known.length === 0) return null;
  const [worst, ...others] = measured?.samples ?? [];
  return (
    <section aria-labelledby="results">
      <h2 id="results" tabIndex={-1}>
        How good it is
      </h2>
      {measured === undefined && (
        <p>
          The network that is open knows{" "}
          {known.length === classes.length ? "your classes" : known.map(({ name }) => name).join(", ")}.
        </p>
      )}
      <p class="stale" role="status">
        {staleText(state)}
      </p>
      <div class="row">
        <Button isOff={busy !== undefined || known.length === 0} onClick={() => void session.measure()}>
          {measured === undefined ? "Measure it on these pictures" : "Measure again"}
        </Button>
      </div>
      {measured !== undefined && (
        <>
          <dl class="tiles">
            <div>
              <dt>Right</dt>
              <dd>{percent(1 - measured.wrong / measured.images)}</dd>
              <dd>
                {count(measured.images - measured.wrong)} of {count(measured.images)} pictures
              </dd>
            </div>
            <div>
              <dt>Wrong</dt>
              <dd>{percent(measured.wrong / measured.images)}</dd>
              <dd>{measured.isHeldBack ? "of pictures that it has not learnt from" : "of all pictures above"}</dd>
            </div>
          </dl>
          <h3>Which class was taken for which</h3>
          <Part of={confusionMatrix({ ...measured, measuredImages: measured.images })} />
          {worst!.samples.length > 0 && <Part of={sampleGroups({ ...measured, samples: [worst!] })} />}
          <details>
            <summary>Right answers, the least sure and the surest</summary>
            <Part of={sampleGroups({ ...measured, samples: others })} />
          </details>
        </>
      )}
    </section>
  );
}

/** Why the displayed results may be out of date. */
function staleText({ measured, classes, hasFailedSince, current }: State): string {
  const failed = hasFailedSince
    ? `The last training has failed: this is of the network before it (${current!.name}). `
    : "";
  const isOlder = measured !== undefined && measured.of !== classes;
  return `${failed}${isOlder ? "Classes or pictures have changed since it was measured." : ""}`;
}
