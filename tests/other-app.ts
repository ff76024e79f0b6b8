/** The page of `senet app`, used by its own elements, so that no driver need know how to click. */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after } from "node:test";
import { brotliDecompressSync } from "node:zlib";
import { readContent } from "../src/app/content.node.ts";
import type { PageFile } from "../src/app/page.node.ts";
import { type AppServer, serveApp } from "../src/app/server.node.ts";
import { recorder } from "./other-browsers.ts";
import type { Evaluating } from "./page.ts";
import { root } from "./support.ts";

/** With a page that begins with the recorder of faults, and the package's network to begin with. Ends with the file's tests. */
export async function serveRecordedApp(): Promise<AppServer> {
  const content = await readContent([join(root, "weights", "imagenette.safetensors")], "1.2.3");
  const files = new Map(content.files);
  const page = files.get("index.html")!;
  const html = `${page.isCompressed ? brotliDecompressSync(page.bytes) : Buffer.from(page.bytes)}`;
  const plain = (path: string, type: string, text: string): PageFile => ({
    ...{ path, type, bytes: Buffer.from(text), isCompressed: false, isLasting: false },
  });
  files.set(
    "index.html",
    plain("index.html", page.type, html.replace("<head>", '<head><script src="recorder.js"></script>')),
  );
  files.set("recorder.js", plain("recorder.js", "text/javascript", recorder));
  const server = await serveApp({ ...content, files }, { host: "127.0.0.1", port: 0 });
  after(() => server.stop());
  return server;
}

export interface AppAnswers {
  readonly isIsolated: boolean;
  /** `12 of 16 right` and the like. */
  readonly results: string;
  readonly confusions: number;
  /** `label` and `97 %`, of the picture that was asked about. */
  readonly shown: readonly (readonly string[])[];
  /** In base64, by name. */
  readonly saved: Readonly<Record<string, string>>;
  readonly notices: readonly string[];
}

/** What the code in the page has: `until` waits, `button` for one of these words that does something. */
const helpers = `
    const until = async (what) => { for (;;) { const found = what(); if (found) return found; await new Promise((resolve) => setTimeout(resolve, 20)); } };
    const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    const button = (words) => until(() => all("button").find((one) => words.test(one.ariaLabel ?? one.textContent) && one.ariaDisabled !== "true"));`;

/** Records a class from the webcam, with its button held by a key. @returns width and height of each picture */
export const recordedByWebcam = (page: Evaluating): Promise<readonly (readonly [number, number])[]> =>
  page.evaluate(`(async () => {${helpers}
    (await button(/^Webcam for Class 1$/)).click();
    const record = await button(/^Hold to record$/);
    const press = (kind) => record.dispatchEvent(new KeyboardEvent(kind, { key: " ", bubbles: true, cancelable: true }));
    press("keydown");
    const pictures = await until(() => { const found = all(".thumbs img"); return found.length >= 3 && found; });
    press("keyup");
    await button(/^Hold to record$/);
    (await button(/^Close the webcam for Class 1$/)).click();
    await Promise.all(pictures.map((picture) => picture.decode()));
    return pictures.map(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight]);
  })()`) as Promise<readonly (readonly [number, number])[]>;

/** Two classes, their pictures, the head of the package's network trained on them, one more asked about, all downloads. */
export async function useApp(
  page: Evaluating,
  classes: Readonly<Record<string, readonly string[]>>,
  asked: string,
): Promise<AppAnswers> {
  const sent = (file: string) => [basename(file), readFileSync(file).toString("base64")];
  const pictures = Object.entries(classes).map(([name, files]) => [name, files.map(sent)]);
  return (await page.evaluate(`(async () => {${helpers}
    const give = async (input, files) => {
      const transfer = new DataTransfer();
      for (const [name, base64] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], name, { type: "image/jpeg" }));
      }
      input.files = transfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const saved = {};
    HTMLAnchorElement.prototype.click = function () { saved[this.download] = made; };
    let made;
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob) => { made = blob; return createObjectURL.call(URL, blob); };

    await until(() => all("h1")[0]);
    for (const [i, [name, files]] of ${JSON.stringify(pictures)}.entries()) {
      const card = await until(() => all(".class-card")[i]);
      const field = all("input:not([type=file])", card)[0];
      field.value = name;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
      give(all("input[type=file]", card)[0], files);
      await until(() => all("p.note", card).some((note) => note.textContent.startsWith(files.length + " pictures")));
    }
    all("input[type=radio]").find((one) => /Only the last layer/.test(one.parentElement.textContent)).click();
    const base = await until(() => all("select").find((one) => all("option", one).some(({ textContent }) => textContent.startsWith("imagenette"))));
    base.value = "0";
    base.dispatchEvent(new Event("change", { bubbles: true }));
    const epochs = all("input[type=number]")[0];
    epochs.value = "3";
    epochs.dispatchEvent(new Event("input", { bubbles: true }));
    (await button(/^Train$/)).click();
    await button(/^Go on for 3 epochs$/);
    await until(() => all("section[aria-labelledby=results] .tiles")[0] && !all(".status.shown")[0]);
    give(all("section[aria-labelledby=ask] input[type=file]")[0], [${JSON.stringify(sent(asked))}]);
    await until(() => all(".answer .seen canvas").length === 2 && !all(".status.shown")[0]);
    for (const words of [/^Weights/, /^ONNX/, /^Report/, /^The run/]) {
      const before = Object.keys(saved).length;
      (await button(words)).click();
      await until(() => Object.keys(saved).length > before);
    }
    const textOf = async (blob) => {
      const bytes = new Uint8Array(await blob.arrayBuffer());
      let text = "";
      for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
      return btoa(text);
    };
    const texts = {};
    for (const [name, blob] of Object.entries(saved)) texts[name] = await textOf(blob);
    return {
      isIsolated: crossOriginIsolated,
      results: all("section[aria-labelledby=results] .tiles")[0].innerText,
      confusions: all(".confusion tbody tr").length,
      shown: all(".answer .bars li").map((row) => row.innerText.trim().split("\\n")),
      saved: texts,
      notices: all(".notice.fault").map((notice) => notice.innerText),
    };
  })()`)) as AppAnswers;
}
