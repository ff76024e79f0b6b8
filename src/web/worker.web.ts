/** The worker that the library begins by itself. */

import { startWorker } from "./start.web.ts";

startWorker();
