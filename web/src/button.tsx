/** Buttons that keep the keyboard focus: a `disabled` button loses it, and keyboard users would have to start over. */

import type { ComponentChildren, ComponentProps } from "preact";

interface ButtonProps extends Omit<ComponentProps<"button">, "disabled" | "onClick" | "type"> {
  readonly children: ComponentChildren;
  readonly type?: "button" | "submit";
  /** Visible, but without effect for now. */
  readonly isOff?: boolean;
  /** A button that submits its form has the form's handler instead. */
  readonly onClick?: () => void;
}

export function Button({ children, type = "button", isOff = false, onClick, ...rest }: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      aria-disabled={isOff}
      onClick={(event) => {
        if (isOff) event.preventDefault();
        else onClick?.();
      }}
    >
      {children}
    </button>
  );
}
