/** What a page and its worker tell each other: they have to be of one version. */
export const version = "0.1.0";
