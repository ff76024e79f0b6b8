/** Sizes of pictures that change from epoch to epoch. */

export interface SizeFrom {
  readonly epoch: number;
  readonly size: number;
}

/** The side in an epoch: that of the last size whose epoch has come; `size` without a schedule. */
export const sizeAt = (
  { size, sizes = [] }: { readonly size: number; readonly sizes?: readonly SizeFrom[] },
  epoch: number,
): number => sizes.findLast((from) => from.epoch <= epoch)?.size ?? size;
