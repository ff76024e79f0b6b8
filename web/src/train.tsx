/** The section for training: its settings and progress. */

import { percent, significant } from "#senet/report/format.ts";
import { Button } from "./button.tsx";
import { Choose } from "./choose.tsx";
import { CurvesFigure } from "./curves.tsx";
import { missingIn, type PictureClass } from "./pictures.ts";
import type { SectionProps } from "./section.ts";
import { type State, training as underWay } from "./state.ts";
import type { PlanKind, Progress } from "./training.ts";

const kinds: Readonly<Record<PlanKind, { readonly title: string; readonly text: string }>> = {
  head: { title: "Only the last layer of a network", text: "seconds; for things like those that it was trained on" },
  stage: {
    title: "The last stage of a network",
    text: "a minute or two; its last layer first, then what is before it too",
  },
  scratch: { title: "A small network from nothing", text: "SE-ResNet-20 on 32 pixels; wants more pictures" },
};

export function TrainSection({ session, state }: SectionProps) {
  const { plan, training, notes } = state;
  return (
    <section aria-labelledby="training">
      <h2 id="training" tabIndex={-1}>
        Training
      </h2>
      <div class="beside">
        <form
          class="plan"
          onSubmit={(event) => {
            event.preventDefault();
            void session.train();
          }}
        >
          <WhatLearns session={session} state={state} />
          {plan.kind !== "scratch" && <BaseNetwork session={session} state={state} />}
          <Epochs session={session} state={state} />
          <Begin session={session} state={state} />
          {notes.length > 0 && (
            <details>
              <summary>Remarks ({notes.length})</summary>
              <ul class="notes note">
                {notes.map((note) => (
                  <li key={note}>{note}</li>
                ))}
              </ul>
            </details>
          )}
        </form>
        {training !== undefined && (
          <div class="course">
            {training.progress !== undefined && <ProgressLine progress={training.progress} />}
            <CurvesFigure curves={training.curves} />
          </div>
        )}
      </div>
    </section>
  );
}

const WhatLearns = ({ session, state: { plan } }: SectionProps) => (
  <fieldset>
    <legend>What learns</legend>
    {(Object.keys(kinds) as PlanKind[]).map((kind) => (
      <label key={kind} class="choice">
        <input type="radio" name="kind" checked={plan.kind === kind} onChange={() => session.setPlan({ kind })} />
        <span>
          {kinds[kind].title}
          <span class="note">{kinds[kind].text}</span>
        </span>
      </label>
    ))}
  </fieldset>
);

/** The network that a training begins with. */
const BaseNetwork = ({ session, state: { plan, offered, current } }: SectionProps) => (
  <label class="field">
    Of which network
    <select
      value={plan.base ?? "current"}
      onChange={({ currentTarget: { value } }) =>
        session.setPlan({ base: value === "current" ? undefined : Number(value) })
      }
    >
      {offered.map(({ name, path }, i) => (
        <option key={path} value={i}>
          {name}
        </option>
      ))}
      <option value="current">{current === undefined ? "one that you open" : current.name}</option>
    </select>
  </label>
);

const Epochs = ({ session, state: { plan } }: SectionProps) => (
  <label class="field">
    Epochs: how often each picture is looked at
    <input
      type="number"
      min="1"
      max="1000"
      required
      value={plan.epochs}
      onInput={({ currentTarget: { valueAsNumber } }) => {
        if (Number.isInteger(valueAsNumber) && valueAsNumber > 0) session.setPlan({ epochs: valueAsNumber });
      }}
    />
  </label>
);

/** Begins, stops or goes on with a training, and says what is missing for it. */
function Begin({ session, state }: SectionProps) {
  const { plan, busy, classes, current } = state;
  const isBusy = busy !== undefined;
  const missing = missingFor(state);
  const isOther = current?.run !== undefined && !isOf(classes, current.network.labels);
  return (
    <>
      <div class="row">
        {busy?.what === underWay.what ? (
          <Button class="primary" onClick={() => session.stop()}>
            Stop
          </Button>
        ) : (
          <Button type="submit" class="primary" isOff={isBusy || missing !== undefined} aria-describedby="missing">
            Train
          </Button>
        )}
        {current?.run !== undefined && (
          <Button
            isOff={isBusy || missing !== undefined || isOther}
            aria-describedby="missing"
            onClick={() => void session.goOn()}
          >
            {current.run.finished ? `Go on for ${plan.epochs} epoch${plan.epochs === 1 ? "" : "s"}` : "Go on"}
          </Button>
        )}
        <Choose multiple isOff={isBusy} onTaken={(taken) => void session.take(taken)}>
          Open a network
        </Choose>
      </div>
      <p class="note" id="missing">
        {missing ?? (current === undefined ? (isBusy ? "" : "Everything is there: it can begin.") : openText(state))}
        {isOther && " Its run goes on with pictures of these classes alone; Train begins a new one."}
      </p>
    </>
  );
}

/** What keeps a training from beginning. */
function missingFor({ plan, classes, checking, current }: State): string | undefined {
  if (checking > 0) return `${checking} pictures are still being looked at.`;
  const isWithoutBase = plan.kind !== "scratch" && plan.base === undefined && current === undefined;
  return missingIn(classes) ?? (isWithoutBase ? "Open a network to begin with." : undefined);
}

/** Whether these are the classes of a run. */
function isOf(classes: readonly PictureClass[], labels: readonly string[]): boolean {
  const names = new Set(classes.map(({ name }) => name.trim()));
  return names.size === labels.length && labels.every((label) => names.has(label));
}

const openText = ({ current }: State): string =>
  `Open: ${current!.network.model.name} (${current!.name}), which tells apart ${shortList(current!.network.labels)}.`;

function shortList(names: readonly string[]): string {
  if (names.length > 6) return `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
  return names.join(", ");
}

function ProgressLine({ progress }: { readonly progress: Progress }) {
  const { epoch, epochs, step, steps, loss, error, imagesPerSecond, validationError, lowestError } = progress;
  const share = (epoch + step / steps) / epochs;
  const tiles = [
    ["Epoch", `${epoch + 1} of ${epochs}`],
    ["Loss", significant(loss, 3)],
    ["Error in training", percent(error / 100)],
    ["Error on kept back", validationError === undefined ? "–" : percent(validationError / 100)],
    ["Lowest so far", lowestError === undefined ? "–" : percent(lowestError / 100)],
    ["Pictures a second", significant(imagesPerSecond, 3)],
  ] as const;
  return (
    <>
      <p class="hidden" role="status">
        {validationError !== undefined && `Error on pictures that were kept back: ${percent(validationError / 100)}`}
      </p>
      <progress max="1" value={share} aria-label="How far the training is" />
      <dl class="tiles small">
        {tiles.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}
