/**
 * zod in its small form, as all schemas here are written: in a page it is a third of the other. What it says of faults is
 * English, which it is not by itself, unless the program has another language for it.
 */

import { config } from "zod/mini";
import en from "zod/v4/locales/en.js";

if (config().localeError === undefined) config(en());

export * from "zod/mini";
