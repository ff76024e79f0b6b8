/**
 * The table of namings: other programs' names of layers, as data. A new one is a table in one of these files and a row
 * here.
 */

import type { Naming } from "./naming.ts";
import { caffe, matconvnet, shicai } from "./naming-caffe.ts";
import { moskomuleInceptionV3 } from "./naming-inception-v3.ts";
import { bruinxiongNamings, nutszebra, takiNamings, tensorpackNamings } from "./naming-ports.ts";
import { akamaster, cadene, mmcls, moskomule, moskomulePreact, senet, timm } from "./naming-torch.ts";

/** In order of detection. */
export const namings: readonly Naming[] = [
  caffe,
  shicai,
  matconvnet,
  cadene,
  ...tensorpackNamings,
  ...bruinxiongNamings,
  nutszebra,
  ...takiNamings,
  moskomulePreact,
  moskomuleInceptionV3,
  moskomule,
  akamaster,
  mmcls,
  senet,
  timm,
];
