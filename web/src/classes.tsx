/** The classes, each with its pictures. */

import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "#senet/report/format.ts";
import { Button } from "./button.tsx";
import { Camera, type Shoot } from "./camera.tsx";
import { Choose } from "./choose.tsx";
import { fault } from "./notices.ts";
import {
  hasOwnVal,
  keptBack,
  type LeftOut,
  type NewPicture,
  type OwnPicture,
  type PictureClass,
  split,
} from "./pictures.ts";
import type { SectionProps } from "./section.ts";
import type { Session } from "./session.ts";

export function ClassesSection({ session, state: { classes, current } }: SectionProps) {
  const by = current?.run?.heldBack ?? keptBack;
  return (
    <section aria-labelledby="pictures">
      <h2 id="pictures" tabIndex={-1}>
        Pictures
      </h2>
      <p>
        For each class some dozens of pictures, as different as those that you will ask about. Drop them on a class, or
        drop a folder that has a folder for each class.
      </p>
      <ul class="classes">
        {classes.map((group) => (
          <ClassCard key={group.id} session={session} group={group} held={new Set(split(group, by).val)} />
        ))}
      </ul>
      <div class="row">
        <Button onClick={() => session.classes.add()}>Add a class</Button>
        <Choose folder onTaken={(taken) => void session.take(taken)}>
          Choose a folder of classes
        </Choose>
        {classes.some(({ pictures }) => pictures.length > 0) && (
          <Button onClick={() => session.classes.download()}>Save the pictures</Button>
        )}
      </div>
      <p class="note">{keptText(classes)}</p>
    </section>
  );
}

const keptText = (classes: readonly PictureClass[]): string =>
  classes.some(hasOwnVal)
    ? "The pictures of val folders are framed. They are kept back: the network does not learn from them, and they show how good it has become."
    : "A fifth of each class is framed. These pictures are kept back: the network does not learn from them, and they show how good it has become. They are chosen by their names, so they stay the same.";

interface CardProps {
  readonly session: Session;
  readonly group: PictureClass;
  /** Its pictures that are kept back for validation. */
  readonly held: ReadonlySet<OwnPicture>;
}

/** Number of pictures shown until the user asks for all. */
const fewPictures = 12;

function ClassCard({ session, group, held }: CardProps) {
  const { id, name, pictures, leftOut } = group;
  const [hasCamera, setCamera] = useState(false);
  const [isWhole, setWhole] = useState(false);
  const called = name.trim() === "" ? "this class" : name;
  const shown = isWhole ? pictures : pictures.slice(-fewPictures);
  return (
    <li class="class-card" data-class={id}>
      <div class="class-head">
        <input
          type="text"
          aria-label="Name of the class"
          value={name}
          onInput={({ currentTarget }) => session.classes.rename(id, currentTarget.value)}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
        <Button
          class="quiet"
          aria-label={`Remove ${called} and its pictures`}
          onClick={() => {
            if (pictures.length === 0 || confirm(`Remove ${called} and its ${counted(pictures.length)}?`))
              session.classes.remove(id);
          }}
        >
          ×
        </Button>
      </div>
      <div class="row">
        <Choose multiple accept="image/*" onTaken={(taken) => void session.take(taken, id)}>
          Choose pictures<span class="hidden"> of {called}</span>
        </Choose>
        <Button aria-expanded={hasCamera} onClick={() => setCamera(!hasCamera)}>
          {hasCamera ? "Close the webcam" : "Webcam"}
          <span class="hidden"> for {called}</span>
        </Button>
      </div>
      {hasCamera && (
        <Camera
          onFault={(error) => {
            setCamera(false);
            session.tell(fault(error, "the webcam cannot be used"));
          }}
        >
          {(shoot) => (
            <Recorder
              shoot={shoot}
              onPicture={(picture) => session.classes.addSound(id, [picture])}
              onFault={(error) => session.tell(fault(error, "taking pictures"))}
            />
          )}
        </Camera>
      )}
      <p class="note">
        {pictures.length === 0
          ? "No pictures yet: drop some here."
          : `${counted(pictures.length)}${held.size === 0 ? "" : `, of which ${count(held.size)} kept back`}`}
      </p>
      <LeftOutNote called={called} leftOut={leftOut} forget={() => session.classes.forgetLeftOut(id)} />
      {pictures.length > 0 && (
        <ul class="thumbs" aria-label={`Pictures of ${called}`}>
          {shown.map((picture) => (
            <li key={picture.id} class={held.has(picture) ? "held" : ""}>
              <img
                src={picture.url}
                alt={`${picture.name}${held.has(picture) ? ", kept back" : ""}`}
                loading="lazy"
                decoding="async"
                width="56"
                height="56"
              />
              <Button
                aria-label={`Remove ${picture.name}`}
                onClick={() => session.classes.removePicture(id, picture.id)}
              >
                ×
              </Button>
            </li>
          ))}
        </ul>
      )}
      {pictures.length > fewPictures && (
        <Button class="link" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? "Show fewer" : `Show all ${count(pictures.length)}`}
        </Button>
      )}
    </li>
  );
}

const counted = (pictures: number): string => `${count(pictures)} picture${pictures === 1 ? "" : "s"}`;

interface LeftOutProps {
  readonly called: string;
  readonly leftOut: readonly LeftOut[];
  readonly forget: () => void;
}

/** Number of names listed for each reason. */
const fewNames = 5;

function LeftOutNote({ called, leftOut, forget }: LeftOutProps) {
  const reasons = [...new Set(leftOut.map(({ reason }) => reason))];
  const named = (reason: string) => {
    const names = leftOut.filter((one) => one.reason === reason).map(({ name }) => name);
    const more = names.length > fewNames ? ` and ${count(names.length - fewNames)} more` : "";
    return `${names.slice(0, fewNames).join(", ")}${more}: ${reason}`;
  };
  return (
    <div class="left-out" role="status">
      {leftOut.length > 0 && (
        <>
          <p>
            {count(leftOut.length)} left out
            <Button class="quiet" aria-label={`Dismiss what was left out of ${called}`} onClick={forget}>
              ×
            </Button>
          </p>
          <ul class="note">
            {reasons.map((reason) => (
              <li key={reason}>{named(reason)}</li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

const everyMs = 150;
let shots = 0;

interface RecorderProps {
  readonly shoot: Shoot;
  readonly onPicture: (picture: NewPicture) => void;
  readonly onFault: (error: unknown) => void;
}

/** Takes pictures while its button is held down, with a pointer or a key. */
function Recorder({ shoot, onPicture, onFault }: RecorderProps) {
  const [isHeld, setHeld] = useState(false);
  const take = useRef(onPicture);
  take.current = onPicture;
  useEffect(() => {
    if (!isHeld) return;
    let isOver = false;
    const record = async () => {
      while (!isOver) {
        const file = await shoot();
        take.current({ name: `webcam-${String(++shots).padStart(4, "0")}.jpg`, file });
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    };
    record().catch((error) => {
      setHeld(false);
      onFault(error);
    });
    return () => {
      isOver = true;
    };
  }, [isHeld]);
  const isKey = (event: KeyboardEvent) => event.key === " " || event.key === "Enter";
  return (
    <button
      type="button"
      class="record"
      aria-pressed={isHeld}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setHeld(true);
      }}
      onPointerUp={() => setHeld(false)}
      onPointerCancel={() => setHeld(false)}
      onBlur={() => setHeld(false)}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (!isKey(event)) return;
        event.preventDefault();
        setHeld(true);
      }}
      onKeyUp={(event) => {
        if (isKey(event)) setHeld(false);
      }}
    >
      {isHeld ? "Recording" : "Hold to record"}
    </button>
  );
}
