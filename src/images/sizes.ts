/** Image sizes that change between epochs. */

export interface SizeFrom {
  readonly epoch: number;
  readonly size: number;
}

/** The side in an epoch: the last one whose epoch has been reached; `size` without a schedule. */
export const sizeAt = (
  { size, sizes = [] }: { readonly size: number; readonly sizes?: readonly SizeFrom[] },
  epoch: number,
): number => sizes.findLast((from) => from.epoch <= epoch)?.size ?? size;
