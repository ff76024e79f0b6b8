/** What others call the layers of these networks, as data: a naming is a table in one of these files and a row here. */

import type { Naming } from "./naming.ts";
import { caffe, matconvnet, shicai } from "./naming-caffe.ts";
import { moskomuleInceptionV3 } from "./naming-inception-v3.ts";
import { bruinxiongNamings, nutszebra, takiNamings, tensorpackNamings } from "./naming-ports.ts";
import { akamaster, cadene, mmcls, moskomule, moskomulePreact, senet, timm } from "./naming-torch.ts";

/** In the order in which their marks are looked for. */
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
