/** The classes, each with its pictures. */

import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "#senet/report/format.ts";
import type { SectionProps } from "./app.tsx";
import { Camera, type Shoot } from "./camera.tsx";
import { Choose } from "./choose.tsx";
import { fault } from "./notices.ts";
import type { NewPicture, PictureClass } from "./pictures.ts";
import type { Session } from "./session.ts";

export function ClassesSection({ session, state: { classes, busy } }: SectionProps) {
  const isBusy = busy !== undefined;
  return (
    <section aria-labelledby="pictures">
      <h2 id="pictures">Pictures</h2>
      <p>
        For each class some dozens of pictures, as different as those that you will ask about. Drop them on a class, or
        drop a folder that has a folder for each class.
      </p>
      <ul class="classes">
        {classes.map((group) => (
          <ClassCard key={group.id} session={session} group={group} isBusy={isBusy} />
        ))}
      </ul>
      <div class="row">
        <button type="button" disabled={isBusy} onClick={() => session.addClass()}>
          Add a class
        </button>
        <Choose folder disabled={isBusy} onTaken={(taken) => void session.take(taken)}>
          Choose a folder of classes
        </Choose>
        {classes.some(({ pictures }) => pictures.length > 0) && (
          <button type="button" disabled={isBusy} onClick={() => session.savePictures()}>
            Save the pictures
          </button>
        )}
      </div>
    </section>
  );
}

interface CardProps {
  readonly session: Session;
  readonly group: PictureClass;
  readonly isBusy: boolean;
}

/** Pictures that are shown before somebody asks for all. */
const fewPictures = 12;

function ClassCard({ session, group, isBusy }: CardProps) {
  const { id, name, pictures } = group;
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
          disabled={isBusy}
          onInput={({ currentTarget }) => session.rename(id, currentTarget.value)}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
        <button
          type="button"
          class="quiet"
          disabled={isBusy}
          aria-label={`Remove ${called} and its pictures`}
          onClick={() => {
            if (pictures.length === 0 || confirm(`Remove ${called} and its ${count(pictures.length)} pictures?`))
              session.removeClass(id);
          }}
        >
          ×
        </button>
      </div>
      <div class="row">
        <Choose multiple accept="image/*" disabled={isBusy} onTaken={(taken) => void session.take(taken, id)}>
          Choose pictures<span class="hidden"> of {called}</span>
        </Choose>
        <button type="button" disabled={isBusy} aria-expanded={hasCamera} onClick={() => setCamera(!hasCamera)}>
          {hasCamera ? "Close the webcam" : "Webcam"}
          <span class="hidden"> for {called}</span>
        </button>
      </div>
      {hasCamera && !isBusy && (
        <Camera
          onFault={(error) => {
            setCamera(false);
            session.tell(fault(error, "the webcam cannot be used"));
          }}
        >
          {(shoot) => <Recorder shoot={shoot} onPicture={(picture) => session.addPictures(id, [picture])} />}
        </Camera>
      )}
      <p class="note">
        {pictures.length === 0
          ? "No pictures yet: drop some here."
          : `${count(pictures.length)} picture${pictures.length === 1 ? "" : "s"}`}
      </p>
      {pictures.length > 0 && (
        <ul class="thumbs" aria-label={`Pictures of ${called}`}>
          {shown.map((picture) => (
            <li key={picture.id}>
              <img src={picture.url} alt={picture.name} loading="lazy" decoding="async" width="56" height="56" />
              <button
                type="button"
                disabled={isBusy}
                aria-label={`Remove ${picture.name}`}
                onClick={() => session.removePicture(id, picture.id)}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {pictures.length > fewPictures && (
        <button type="button" class="link" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? "Show fewer" : `Show all ${count(pictures.length)}`}
        </button>
      )}
    </li>
  );
}

const everyMs = 150;
let shots = 0;

/** Takes pictures for as long as its button is held, by pointer or by key. */
function Recorder({ shoot, onPicture }: { readonly shoot: Shoot; readonly onPicture: (picture: NewPicture) => void }) {
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
    void record();
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
