/** Checks that pictures have as many channels as a network takes. */

import { option, SenetError } from "../errors.ts";
import { planesOf } from "../images/preprocess.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { channelsOf } from "../zoo/built.ts";

/** @throws SenetError `usage` for a network with other channels than its pictures have (colour or grey) */
export function checkChannels({ model, preprocessing }: Pick<Checkpoint, "model" | "preprocessing">): void {
  const channels = channelsOf(model.config);
  const planes = planesOf(preprocessing);
  if (channels === planes) return;
  throw new SenetError("usage", "this network takes channels that pictures do not have", {
    where: model.name,
    expected: "3 channels, or 1 for grey pictures",
    found:
      channels === 1 || channels === 3 ? `${channels} channels, and pictures with ${planes}` : `${channels} channels`,
    hint: `senet convert with ${option("inChans")} makes it take as many as there are`,
  });
}
