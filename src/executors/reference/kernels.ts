/** The table of all kernels; a missing one does not compile. */

import type { Op } from "../../ir/ops.ts";
import { convolutionKernels } from "./convolution.ts";
import { elementwiseKernels } from "./elementwise.ts";
import { headKernels } from "./head.ts";
import type { Kernel } from "./kernel.ts";
import { linearKernels } from "./linear.ts";
import { normalisationKernels } from "./normalisation.ts";
import { poolingKernels } from "./pooling.ts";
import { quantizationKernels } from "./quantization.ts";
import { seKernels } from "./se.ts";

export const kernels: { readonly [K in Op]: Kernel<K> } = {
  ...convolutionKernels,
  ...linearKernels,
  ...normalisationKernels,
  ...elementwiseKernels,
  ...poolingKernels,
  ...seKernels,
  ...quantizationKernels,
  ...headKernels,
};
