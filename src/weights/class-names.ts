/** Chooses the class names of an opened network, and notes which others were ignored. */

import { SenetError } from "../errors.ts";
import { shownName } from "../formats/bytes.ts";
import type { SaidLabels } from "../formats/torch-state.ts";
import type { HubConfig } from "../import/hub.ts";
import { withIds } from "../import/imagenet-classes.ts";
import type { Model } from "../zoo/index.ts";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * The names beside the weights that fit the network.
 * @param isAsked whether the user gives names, so that others need not be spoken of
 */
export function ownLabels(
  all: readonly SaidLabels[],
  { classes }: Model,
  isAsked: boolean,
  notes: string[],
): readonly string[] | undefined {
  const fitting = all.filter(({ labels }) => labels.length === classes);
  const own = fitting.find(({ labels }) => areDistinct(labels));
  if (own !== undefined) {
    notes.push(`class names are those in its ${shownName(own.key)}`);
    return own.labels;
  }
  const [other = all[0]] = fitting;
  if (other === undefined || isAsked) return undefined;
  notes.push(
    fitting.length > 0
      ? `its ${shownName(other.key)} has the same name for several classes, so they are not used`
      : `its ${shownName(other.key)} has ${other.labels.length} names, but the network has ${classes} classes, so they are not used`,
  );
  return undefined;
}

/** Of ImageNet's classes two pairs have the same name; they get their ids (`withIds`). */
const areDistinct = (labels: readonly string[]): boolean =>
  labels.length === 1000 || new Set(labels).size === labels.length;

/** The names in the `config.json` next to the weights, if they fit the network. */
export function hubLabels(
  hub: HubConfig | undefined,
  { classes }: Model,
  notes: string[],
): readonly string[] | undefined {
  if (hub === undefined) return undefined;
  const said = hub.labels?.length ?? hub.classes;
  if (said !== undefined && said !== classes) {
    notes.push(`${hub.where} has ${said} classes, but the network has ${classes}: its names are not used`);
    return undefined;
  }
  if (hub.labels === undefined || areDistinct(hub.labels)) return hub.labels;
  notes.push(`${hub.where} has the same name for several classes: its names are not used`);
  return undefined;
}

/** @throws SenetError `usage` where the names that were asked for are not as many as classes, `weights` where the file's are not */
export function labelsFor(
  asked: readonly string[] | undefined,
  { labels, model: { classes, name } }: Pick<Checkpoint, "labels" | "model">,
  where: string,
): readonly string[] {
  const chosen = withIds(asked ?? labels);
  if (chosen.length === classes) return chosen;
  throw new SenetError(asked === undefined ? "weights" : "usage", "labels do not fit the model", {
    where,
    expected: `${classes} labels, one for each class of ${name}`,
    found: `${chosen.length}`,
  });
}
