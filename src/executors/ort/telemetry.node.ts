/** ONNX Runtime reports how it is used to Microsoft, unless it is told not to. */

import { isMainThread } from "node:worker_threads";
import { cFunction } from "../../c-library.node.ts";

/** Set to anything but 0, it keeps ONNX Runtime from collecting and sending. */
export const telemetryVariable = "ORT_DISABLE_TELEMETRY";

/**
 * Switches the reports off: from version 1.30 on, its builds for Linux keep an identifier of the machine and events in
 * `~/.cache/Microsoft`, to be sent. Must be called before ONNX Runtime is loaded; a value that the user has set stays.
 */
export function refuseTelemetry(): void {
  if (process.env[telemetryVariable] !== undefined) return;
  process.env[telemetryVariable] = "1";
  // A thread's `process.env` is a copy, which native code does not see. Without koffi only a main thread can do it.
  if (isMainThread) return;
  cFunction("int setenv(const char *name, const char *value, int overwrite)")?.(telemetryVariable, "1", 0);
}
