/** The page's state. */

import type { EngineFacts, Network, TrainedRun } from "senet/web";
import type { Answer } from "./asking.ts";
import type { Measured } from "./measuring.ts";
import type { Notice } from "./notices.ts";
import { newClass, type PictureClass } from "./pictures.ts";
import { type Course, type Plan, type Resumable, usualEpochs } from "./training.ts";

/** An initial network offered by the server. */
export interface Offered {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** The network in use. */
export interface Current {
  readonly network: Network;
  /** Its name in the page: the file's, or "trained here". */
  readonly name: string;
  /** The run that it belongs to, which can be continued. */
  readonly run: Resumable | undefined;
  /** The training in this page that made it. */
  readonly trained: TrainedHere | undefined;
}

export interface TrainedHere {
  readonly run: TrainedRun;
  /** The classes at the start of the training. */
  readonly classes: readonly PictureClass[];
  /** Ids of the pictures that it was trained on, in this run and earlier ones. */
  readonly learnt: ReadonlySet<number>;
}

/** For networks that were not trained here. */
export const justOpened = { run: undefined, trained: undefined } as const;

/** The current activity. */
export interface Busy {
  readonly what: string;
  /** The current part of it, if it has several. */
  readonly part?: string;
  /** Share that is done, from 0 to 1, if known. */
  readonly share?: number | undefined;
}

export interface State {
  readonly version: string;
  readonly offered: readonly Offered[];
  readonly classes: readonly PictureClass[];
  /** Number of pictures that are still being checked. */
  readonly checking: number;
  readonly plan: Plan;
  /** The current activity; no other can be started. */
  readonly busy: Busy | undefined;
  readonly training: Course | undefined;
  readonly current: Current | undefined;
  readonly measured: Measured | undefined;
  /** A training that started after the current network was made has failed. */
  readonly hasFailedSince: boolean;
  readonly answer: Answer | undefined;
  readonly engine: EngineFacts | undefined;
  readonly notices: readonly Notice[];
  /** The library's remarks while opening networks and training, one line each. */
  readonly notes: readonly string[];
  /** The page and its initial networks are cached: it needs no connection any more. */
  readonly isKept: boolean;
  /** What would be lost by closing the page. */
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

/** Can be stopped. */
export const training: Busy = { what: "training" };

/** The next question waits for the end of this activity. */
export const asking: Busy = { what: "looking at the picture" };
