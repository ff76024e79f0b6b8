/** The whole page. */

import { useEffect, useState } from "preact/hooks";
import { percent } from "#senet/report/format.ts";
import { AskSection } from "./ask.tsx";
import { Button } from "./button.tsx";
import { ClassesSection } from "./classes.tsx";
import { DownloadsSection } from "./downloads.tsx";
import { droppedFiles } from "./intake.ts";
import { forPage, type Notice } from "./notices.ts";
import { ResultsSection } from "./results.tsx";
import type { Session } from "./session.ts";
import type { Busy } from "./state.ts";
import { useStore } from "./store.ts";
import { TrainSection } from "./train.tsx";

export function App({ session }: { readonly session: Session }) {
  const state = useStore(session.store);
  const isDragged = useDrop(session);
  const { busy, current, engine, isKept, notices, version } = state;
  return (
    <>
      <div class={`drop-hint ${isDragged ? "shown" : ""}`} aria-hidden="true">
        Drop pictures on a class. Folders named after their classes, weight files and folders of runs go anywhere.
      </div>
      <main>
        <header>
          <p>senet{version === "" ? "" : ` ${version}`}</p>
          <h1 tabIndex={-1}>Teach a network to tell pictures apart</h1>
          <p class="lead">
            Everything happens in this browser: pictures stay in this page's memory until you close it, and nothing is
            sent anywhere.
          </p>
        </header>
        <Notices notices={notices} dismiss={(id) => session.dismiss(id)} />
        <ClassesSection session={session} state={state} />
        <TrainSection session={session} state={state} />
        {current !== undefined && <ResultsSection session={session} state={state} />}
        <AskSection session={session} state={state} />
        {current !== undefined && <DownloadsSection session={session} state={state} />}
        <footer>
          <p class="note">
            {engine === undefined
              ? "What the page computes with is shown here once a network is open."
              : forPage(engine.reason)}
          </p>
          {isKept && <p class="note">This page is kept in your browser: it works without a network connection, too.</p>}
          <p class="note">
            <a href="licences.txt">Licences of what is in this page</a>
          </p>
        </footer>
      </main>
      <div class={`status ${busy === undefined ? "" : "shown"}`}>
        <span role="status">{busy === undefined ? "" : statusText(busy)}</span>
        {busy?.share !== undefined && <span aria-hidden="true"> {percent(busy.share, 0)}</span>}
      </div>
    </>
  );
}

function statusText({ what, part }: Busy): string {
  const text = part === undefined ? what : `${what}: ${part}`;
  return `${text[0]!.toUpperCase()}${text.slice(1)}`;
}

function Notices({
  notices,
  dismiss,
}: {
  readonly notices: readonly Notice[];
  readonly dismiss: (id: number) => void;
}) {
  return (
    <div class="notices" aria-live="polite">
      {notices.map(({ id, kind, title, lines }) => (
        <div key={id} class={`notice ${kind}`}>
          <div>
            <p>{title}</p>
            {lines.length > 0 && (
              <dl>
                {lines.map(([word, text]) => (
                  <>
                    <dt>{word}</dt>
                    <dd>{text}</dd>
                  </>
                ))}
              </dl>
            )}
          </div>
          <Button class="quiet" aria-label={`Dismiss: ${title}`} onClick={() => dismiss(id)}>
            ×
          </Button>
        </div>
      ))}
    </div>
  );
}

/** Accepts files dropped anywhere except on a class, which handles its own. */
function useDrop(session: Session): boolean {
  const [depth, setDepth] = useState(0);
  useEffect(() => {
    const over = (event: DragEvent) => event.preventDefault();
    const enter = () => setDepth((n) => n + 1);
    const leave = () => setDepth((n) => Math.max(0, n - 1));
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setDepth(0);
      if (event.dataTransfer === null) return;
      const card = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-class]") : null;
      const into = card === null ? undefined : Number(card.dataset.class);
      void session.take(droppedFiles(event.dataTransfer), into);
    };
    const events = { dragover: over, dragenter: enter, dragleave: leave, drop } as const;
    for (const [name, listener] of Object.entries(events)) addEventListener(name as "drop", listener);
    return () => {
      for (const [name, listener] of Object.entries(events)) removeEventListener(name as "drop", listener);
    };
  }, [session]);
  return depth > 0;
}
