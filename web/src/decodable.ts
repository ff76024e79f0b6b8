/** Ignores pictures that cannot be decoded, but no other errors. */

import { SenetError } from "senet/web";

export async function unlessUndecodable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SenetError && error.code === "data") return undefined;
    throw error;
  }
}
