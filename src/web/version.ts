/** The version that a page and its worker compare: it must be the same. */
export const version = "0.1.0";
