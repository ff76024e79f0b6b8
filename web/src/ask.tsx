/** The section to try a network on a picture or the webcam, with explanations. */

import { useEffect, useRef, useState } from "preact/hooks";
import { overlaid, type Picture, type Prediction } from "senet/web";
import { gateFigure } from "#senet/report/explanations.ts";
import { percent } from "#senet/report/format.ts";
import type { Answer } from "./asking.ts";
import { Button } from "./button.tsx";
import { Camera, type Shoot } from "./camera.tsx";
import { imageDataOf } from "./canvas.ts";
import { Choose } from "./choose.tsx";
import { Part } from "./markup.tsx";
import { fault } from "./notices.ts";
import type { SectionProps } from "./section.ts";
import type { Session } from "./session.ts";

export function AskSection({ session, state: { answer, current, busy, offered } }: SectionProps) {
  const [hasCamera, setCamera] = useState(false);
  const isBusy = busy !== undefined;
  if (current === undefined) {
    return (
      <section aria-labelledby="ask">
        <h2 id="ask" tabIndex={-1}>
          Try it
        </h2>
        <p>Once a network is trained or open, it says here what is in a picture, or before the webcam, and why.</p>
        <div class="row">
          {offered.map(({ name, path, bytes }, i) => (
            <Button key={path} isOff={isBusy} onClick={() => void session.openOffered(i)}>
              Open {name} ({(bytes / 1e6).toFixed(0)} MB)
            </Button>
          ))}
        </div>
      </section>
    );
  }
  return (
    <section aria-labelledby="ask">
      <h2 id="ask" tabIndex={-1}>
        Try it
      </h2>
      <p>Drop a picture that the network has not seen, choose one, or hold something before the webcam.</p>
      <div class="row">
        <Choose accept="image/*" isOff={isBusy} onTaken={(taken) => void session.take(taken)}>
          Choose a picture
        </Choose>
        <Button aria-expanded={hasCamera} onClick={() => setCamera(!hasCamera)}>
          {hasCamera ? "Close the webcam" : "Ask the webcam"}
        </Button>
      </div>
      {hasCamera && (
        <Camera
          onFault={(error) => {
            setCamera(false);
            session.tell(fault(error, "the webcam cannot be used"));
          }}
        >
          {(shoot) => <Live session={session} shoot={shoot} isBusy={isBusy} />}
        </Camera>
      )}
      {answer !== undefined && <AnswerView session={session} answer={answer} labels={current.network.labels} />}
    </section>
  );
}

/** Asks for the next frame as soon as there is an answer. */
function Live({
  session,
  shoot,
  isBusy,
}: {
  readonly session: Session;
  readonly shoot: Shoot;
  readonly isBusy: boolean;
}) {
  const [predictions, setPredictions] = useState<readonly Prediction[]>([]);
  useEffect(() => {
    if (isBusy) return;
    let isOver = false;
    const look = async () => {
      while (!isOver) {
        const { current } = session.store.state;
        if (current === undefined) return;
        const found = await current.network.classify(await shoot(), { top: 5 });
        if (!isOver) setPredictions(found);
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
    };
    look().catch((error) => {
      if (!isOver) session.tell(fault(error, "asking about the webcam"));
    });
    return () => {
      isOver = true;
    };
  }, [isBusy]);
  return (
    <div>
      <Bars predictions={predictions} />
      <Button
        isOff={isBusy}
        onClick={() => {
          shoot()
            .then((file) => session.ask({ name: "webcam.jpg", file }))
            .catch((error) => session.tell(fault(error, "taking a picture")));
        }}
      >
        Explain what it sees now
      </Button>
    </div>
  );
}

const Bars = ({ predictions }: { readonly predictions: readonly Prediction[] }) => (
  <ol class="bars">
    {predictions.map(({ label, index, probability }) => (
      <li key={index} style={{ "--share": probability }}>
        <span>{label}</span>
        <span>{percent(probability)}</span>
      </li>
    ))}
  </ol>
);

interface AnswerProps {
  readonly session: Session;
  readonly answer: Answer;
  readonly labels: readonly string[];
}

function AnswerView({ session, answer, labels }: AnswerProps) {
  const { picture, explanation, gates, atlas } = answer;
  const { target, predictions, input, heat } = explanation;
  /** Until the answer arrives, so that the list keeps the user's choice. */
  const [wanted, setWanted] = useState<string>();
  useEffect(() => {
    if (wanted === target.label) setWanted(undefined);
  }, [answer]);
  const hasMeans = gates.some(({ means }) => !Number.isNaN(means[0]));
  return (
    <div class="answer">
      <h3>{picture.name}</h3>
      <div class="beside">
        <Bars predictions={predictions.slice(0, 5)} />
        <figure class="seen">
          <Pixels of={input} label={`${picture.name}, as the network sees it`} />
          <figcaption>what it sees</figcaption>
        </figure>
        <figure class="seen">
          <Pixels of={overlaid(input, heat)} label={`What in the picture speaks for ${target.label}`} />
          <figcaption>
            what speaks for {target.label}
            <span>bright where it speaks most (Grad-CAM)</span>
          </figcaption>
        </figure>
        <label class="field">
          Why, or why not
          <select
            value={wanted ?? target.label}
            onChange={({ currentTarget: { value } }) => {
              setWanted(value);
              void session.ask(picture, value);
            }}
          >
            {labels.map((label) => (
              <option key={label} value={label}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </div>
      {gates.length > 0 && (
        <>
          <h3>Gates{hasMeans ? ` against the mean of ${target.label}` : ""}</h3>
          <p class="note">
            Each block of the network decides for every channel how far it is open, from 0 to 1, by what the picture
            shows.
            {atlas === undefined ? " With pictures of the classes above, their means are drawn beside it." : ""}
          </p>
          <div class="multiples">
            {gates.map((block) => (
              <Part key={block.block} of={gateFigure(block)} />
            ))}
          </div>
        </>
      )}
    </div>
  );
}

function Pixels({ of, label }: { readonly of: Picture; readonly label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    canvas.current!.getContext("2d")!.putImageData(imageDataOf(of), 0, 0);
  }, [of]);
  return <canvas ref={canvas} width={of.width} height={of.height} role="img" aria-label={label} />;
}
