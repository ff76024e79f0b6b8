/** What the page knows. */

import type { EngineFacts, Network, TrainedRun } from "senet/web";
import type { Answer } from "./asking.ts";
import type { Measured } from "./measuring.ts";
import type { Notice } from "./notices.ts";
import { newClass, type PictureClass } from "./pictures.ts";
import { type Course, type Plan, type Resumable, usualEpochs } from "./training.ts";

/** A network that the server offers to begin with. */
export interface Offered {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** A network that is ready. */
export interface Current {
  readonly network: Network;
  /** What it is called here: its file, or "trained here". */
  readonly name: string;
  /** The run that it is of, to go on with. */
  readonly run: Resumable | undefined;
  /** What was trained in this page. */
  readonly trained: TrainedHere | undefined;
}

export interface TrainedHere {
  readonly run: TrainedRun;
  /** As they were when it began. */
  readonly classes: readonly PictureClass[];
  /** The pictures that it has learnt from, by id, in this run or in those before. */
  readonly learnt: ReadonlySet<number>;
}

/** Of what was not trained here. */
export const justOpened = { run: undefined, trained: undefined } as const;

/** What is under way. */
export interface Busy {
  readonly what: string;
  /** How much of it is done, from 0 to 1, where that is known. */
  readonly share?: number | undefined;
}

export interface State {
  readonly version: string;
  readonly offered: readonly Offered[];
  readonly classes: readonly PictureClass[];
  /** Pictures of which it is not known yet whether they can be looked at. */
  readonly checking: number;
  readonly plan: Plan;
  /** Nothing else can be begun meanwhile. */
  readonly busy: Busy | undefined;
  readonly training: Course | undefined;
  readonly current: Current | undefined;
  readonly measured: Measured | undefined;
  /** A training that began after the current network was there has failed. */
  readonly hasFailedSince: boolean;
  readonly answer: Answer | undefined;
  readonly engine: EngineFacts | undefined;
  readonly notices: readonly Notice[];
  /** What the library remarked in opening networks and training: a line each. */
  readonly notes: readonly string[];
  /** The page and what it begins with are in the browser, which needs no network for it any more. */
  readonly isKept: boolean;
  /** What closing the page would lose. */
  readonly unsaved: { readonly pictures: boolean; readonly network: boolean };
}

export const initial: State = {
  version: "",
  offered: [],
  classes: [newClass("Class 1"), newClass("Class 2")],
  checking: 0,
  plan: { kind: "scratch", epochs: usualEpochs.scratch, base: undefined },
  busy: undefined,
  training: undefined,
  current: undefined,
  measured: undefined,
  hasFailedSince: false,
  answer: undefined,
  engine: undefined,
  notices: [],
  notes: [],
  isKept: false,
  unsaved: { pictures: false, network: false },
};

/** While this is under way it can be stopped. */
export const training: Busy = { what: "training" };

/** While this is, the next question waits. */
export const asking: Busy = { what: "looking at the picture" };
