/** A button that lets people choose files. */

import type { ComponentChildren } from "preact";
import { chosenFiles, type Taken } from "./intake.ts";

interface ChooseProps {
  readonly children: ComponentChildren;
  readonly accept?: string;
  readonly multiple?: boolean;
  /** A folder with what is below it. */
  readonly folder?: boolean;
  /** It is there, and does nothing for now; the keyboard's place stays with it. */
  readonly isOff?: boolean;
  readonly onTaken: (taken: Promise<Taken>) => void;
}

export function Choose({ children, accept, multiple = false, folder = false, isOff = false, onTaken }: ChooseProps) {
  return (
    <label class={`button ${isOff ? "off" : ""}`}>
      {children}
      <input
        class="hidden"
        type="file"
        aria-disabled={isOff}
        multiple={multiple}
        {...(accept !== undefined && { accept })}
        {...(folder && { webkitdirectory: true })}
        onClick={(event) => {
          if (isOff) event.preventDefault();
        }}
        onChange={({ currentTarget }) => {
          if (currentTarget.files !== null && currentTarget.files.length > 0) onTaken(chosenFiles(currentTarget.files));
          // The same files may be chosen again.
          currentTarget.value = "";
        }}
      />
    </label>
  );
}
