/** A colour's value within a byte's range. */
export const clamped = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);
