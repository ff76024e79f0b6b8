/** Starts the page: its styles, its state, and caching for the next visit. */

import { render } from "preact";
import curveStyle from "uplot/dist/uPlot.min.css?inline";
import { styleSheet } from "#senet/report/style.ts";
import { App } from "./app.tsx";
import { keepFocus } from "./focus.ts";
import { findDevice } from "./runtime.ts";
import { Session } from "./session.ts";
import { training } from "./state.ts";
import ownStyle from "./style.css?inline";

// The reports' style comes first: the page looks like its reports.
document.adoptedStyleSheets = [styleSheet, curveStyle, ownStyle].map((text) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
});

const session = new Session();
const root = document.getElementById("app")!;
keepFocus(root);
// Removes the text for users without JavaScript.
root.replaceChildren();
render(<App session={session} />, root);
// Starts looking for a GPU early, so that the answer is known before it is needed.
void findDevice();
const begun = session.begin();

addEventListener("beforeunload", (event) => {
  const { unsaved, busy } = session.store.state;
  if (unsaved.pictures || unsaved.network || busy?.what === training.what) event.preventDefault();
});

// Only available over HTTPS and on this machine.
if ("serviceWorker" in navigator) void beKept(navigator.serviceWorker).catch(() => {});

/** Caches the page, then its initial networks, after everything that the user may be waiting for. */
async function beKept(container: ServiceWorkerContainer): Promise<void> {
  watch(await container.register("sw.js"));
  await container.ready;
  // The worker controls this page from its message on; never if the user bypassed it with a forced reload.
  if (container.controller === null)
    await new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  await begun;
  await session.keepOffered();
}

/** If caching fails, the page works as before, and the next visit loads it again. */
function watch({ installing, active }: ServiceWorkerRegistration): void {
  installing?.addEventListener("statechange", () => {
    if (installing.state !== "redundant" || active !== null) return;
    session.note(
      "the page is not kept for the next visit, which will need the network: the browser's store may be full",
    );
  });
}
