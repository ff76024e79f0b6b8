/** The library's default worker. */

import { startWorker } from "./start.web.ts";

startWorker();
