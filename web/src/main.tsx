/** The page begins: its styles, its state, what it keeps for the next visit. */

import { render } from "preact";
import curveStyle from "uplot/dist/uPlot.min.css?inline";
import { styleSheet } from "#senet/report/style.ts";
import { App } from "./app.tsx";
import { keepFocus } from "./focus.ts";
import { findDevice } from "./runtime.ts";
import { Session } from "./session.ts";
import { training } from "./state.ts";
import ownStyle from "./style.css?inline";

// The reports' style first: the page looks like what it gives.
document.adoptedStyleSheets = [styleSheet, curveStyle, ownStyle].map((text) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
});

const session = new Session();
const root = document.getElementById("app")!;
keepFocus(root);
// What it says to those for whom none of this runs.
root.replaceChildren();
render(<App session={session} />, root);
// Networks are opened and trained by what there is: it is known long before anybody asks.
void findDevice();
const begun = session.begin();

addEventListener("beforeunload", (event) => {
  const { unsaved, busy } = session.store.state;
  if (unsaved.pictures || unsaved.network || busy?.what === training.what) event.preventDefault();
});

// Only where the browser has it: by HTTPS, and on this machine.
if ("serviceWorker" in navigator) void beKept(navigator.serviceWorker).catch(() => {});

/** The page itself, then the networks that it can begin with, behind everything that somebody may wait for. */
async function beKept(container: ServiceWorkerContainer): Promise<void> {
  watch(await container.register("sw.js"));
  await container.ready;
  // It answers for this page from when it says so; never where the user loaded the page past it.
  if (container.controller === null)
    await new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  await begun;
  await session.keepOffered();
}

/** What could not be kept leaves the page as it is, and the next visit without it. */
function watch({ installing, active }: ServiceWorkerRegistration): void {
  installing?.addEventListener("statechange", () => {
    if (installing.state !== "redundant" || active !== null) return;
    session.note(
      "the page is not kept for the next visit, which will need the network: the browser's store may be full",
    );
  });
}
