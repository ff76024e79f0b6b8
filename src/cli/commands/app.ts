/** `senet app`: a page that trains and explains networks in the browser. */

import { spawn } from "node:child_process";
import { type Command, Option } from "commander";
import { weightsFile } from "../../pull/named.node.ts";
import { packagedName } from "../../pull/packaged.node.ts";
import { interruptible } from "../interrupt.ts";
import { host, port } from "../options.ts";
import { print, say } from "../output.ts";
import { megabytes, pullShown } from "../pulling.ts";

interface AppCommandOptions {
  readonly port: number;
  readonly host: string;
  readonly open?: true;
  readonly out?: string;
  readonly weights: readonly string[];
}

export function appCommand(program: Command): void {
  program
    .command("app")
    .description("serve a page that trains on pictures and the webcam in the browser; nothing leaves this machine")
    .option("--weights <file...>", "initial networks of the page, as for senet classify", [packagedName])
    .option("--host <address>", "address to listen on; 0.0.0.0: all addresses of this machine", host, "127.0.0.1")
    .option("--port <n>", "port; 0: any free port", port, 8090)
    .option("--open", "open the page in the browser")
    .addOption(new Option("--out <dir>", "write the page as files for any web server, and exit").conflicts("open"))
    .addHelpText(
      "after",
      "\nFrom other machines, webcam, threads and offline use need HTTPS: browsers allow them only on localhost and over HTTPS." +
        "\n\nExamples:\n  senet app --open\n  senet app --weights runs/first/best.safetensors\n  senet app --out public/senet",
    )
    .action((options: AppCommandOptions) => app(options, program.version()!));
}

async function app(options: AppCommandOptions, version: string): Promise<void> {
  const { host, port, out } = options;
  const { readContent } = await import("../../app/content.node.ts");
  const weights: string[] = [];
  for (const name of options.weights) {
    const file = await weightsFile(name, pullShown);
    // Refuse here what the page could not open.
    if (name !== packagedName) await (await import("../../weights/open.node.ts")).openWeights(file);
    weights.push(file);
  }
  const content = await readContent(weights, version);
  if (out !== undefined) {
    const { writeApp } = await import("../../app/out.node.ts");
    print(`${out}: ${megabytes(await writeApp(content, out))}`);
    return;
  }
  const { serveApp } = await import("../../app/server.node.ts");
  const server = await serveApp(content, { host, port });
  print(`the page is at ${server.origin}`);
  if (options.open === true) openInBrowser(server.origin);
  await interruptible(
    () => {},
    (signal) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(server.stop()))),
  );
}

const openers: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  darwin: ["open"],
  win32: ["cmd", "/c", "start", ""],
};

/** Opens a browser, if there is one; the server runs either way. */
function openInBrowser(address: string): void {
  const [program, ...args] = openers[process.platform] ?? ["xdg-open"];
  const child = spawn(program!, [...args, address], { stdio: "ignore", detached: true });
  child.on("error", () => say(`no browser could be started: open ${address} yourself`));
  child.on("exit", (code) => code !== null && code > 0 && say(`no browser opened: open ${address} yourself`));
  child.unref();
}
