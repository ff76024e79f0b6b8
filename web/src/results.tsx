/** How good the network is on the pictures of this page. */

import { confusionMatrix } from "#senet/report/confusion.ts";
import { count, percent } from "#senet/report/format.ts";
import { sampleGroups } from "#senet/report/samples.ts";
import type { SectionProps } from "./app.tsx";
import { Part } from "./markup.tsx";
import { labelOf } from "./measuring.ts";

export function ResultsSection({ session, state: { measured, current, classes, busy } }: SectionProps) {
  const known = classes.filter(
    ({ name, pictures }) => pictures.length > 0 && labelOf(name, current!.network.labels) !== undefined,
  );
  // What was trained here is measured without being asked.
  if (measured === undefined && (known.length === 0 || busy !== undefined)) return null;
  const [worst, ...others] = measured?.samples ?? [];
  return (
    <section aria-labelledby="results">
      <h2 id="results">How good it is</h2>
      {measured === undefined ? (
        <>
          <p>
            The network that is open knows{" "}
            {known.length === classes.length ? "your classes" : known.map(({ name }) => name).join(", ")}.
          </p>
          <button type="button" disabled={busy !== undefined} onClick={() => void session.measure()}>
            Measure it on these pictures
          </button>
        </>
      ) : (
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
              <dd>{measured.isHeldBack ? "of pictures that were kept back" : "of all pictures above"}</dd>
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
