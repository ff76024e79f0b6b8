/** The section with downloads. */

import { Button } from "./button.tsx";
import type { SectionProps } from "./section.ts";

export function DownloadsSection({ session, state: { current, measured, busy } }: SectionProps) {
  const { run } = current!;
  const files = [
    {
      kind: "safetensors",
      title: "Weights (.safetensors)",
      text: "for senet in Node and in pages, and for this page: drop it here again",
      isThere: true,
    },
    { kind: "onnx", title: "ONNX (.onnx)", text: "for any other program", isThere: true },
    {
      kind: "report",
      title: "Report (.html)",
      text: "curves, confusion matrix, worst mistakes, gates: one page that needs nothing else",
      isThere: measured !== undefined,
    },
    {
      kind: "run",
      title: "The run (last.safetensors)",
      text: "to go on with it later, here or by senet train --resume",
      isThere: run !== undefined,
    },
  ] as const;
  return (
    <section aria-labelledby="downloads">
      <h2 id="downloads" tabIndex={-1}>
        Take it along
      </h2>
      <ul class="downloads">
        {files
          .filter(({ isThere }) => isThere)
          .map(({ kind, title, text }) => (
            <li key={kind}>
              <Button class="wide" isOff={busy !== undefined} onClick={() => void session.download(kind)}>
                {title}
              </Button>
              <span class="note">{text}</span>
            </li>
          ))}
      </ul>
    </section>
  );
}
