import type { Session } from "./session.ts";
import type { State } from "./state.ts";

/** The properties of each section of the page. */
export interface SectionProps {
  readonly session: Session;
  readonly state: State;
}
