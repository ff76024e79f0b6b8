/** Buttons that keep the keyboard's place: what is `disabled` loses the focus, and a person without a mouse begins anew. */

import type { ComponentChildren, ComponentProps } from "preact";

interface ButtonProps extends Omit<ComponentProps<"button">, "disabled" | "onClick" | "type"> {
  readonly children: ComponentChildren;
  readonly type?: "button" | "submit";
  /** It is there, and does nothing for now. */
  readonly isOff?: boolean;
  /** Of a button that submits its form, the form's. */
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
