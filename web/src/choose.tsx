/** A button to choose files. */

import type { ComponentChildren } from "preact";
import { chosenFiles, type Taken } from "./intake.ts";

interface ChooseProps {
  readonly children: ComponentChildren;
  readonly accept?: string;
  readonly multiple?: boolean;
  /** Choose a folder with its contents. */
  readonly folder?: boolean;
  /** Visible, but without effect for now; keeps the keyboard focus. */
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
          // Allows choosing the same files again.
          currentTarget.value = "";
        }}
      />
    </label>
  );
}
