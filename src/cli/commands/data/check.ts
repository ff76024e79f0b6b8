/** `senet data check`: what is wrong with a data set, and what its pictures are like. */

import type { Command } from "commander";
import { checkData } from "../../../data/health.node.ts";
import type { CheckedPicture, DataHealth, PartHealth, Spread } from "../../../data/health.ts";
import { localData } from "../../../data/remote.node.ts";
import { replaceFile } from "../../../files/replace.node.ts";
import { renderHealth, shownPictures } from "../../../report/health.ts";
import { thumbnailsOf } from "../../../report/thumbnails.node.ts";
import { FailureReport } from "../../failures.ts";
import { interruptible } from "../../interrupt.ts";
import { jsonOption, natural, valSplitOption, workersOption } from "../../options.ts";
import { checkOutFile } from "../../out-file.ts";
import { clock, grouped, LiveLine, print, printJson, printLines, table } from "../../output.ts";

interface CheckOptions {
  readonly valSplit?: number;
  readonly seed: number;
  readonly list?: string;
  readonly valList?: string;
  readonly allowMissing?: true;
  readonly distance: number;
  readonly workers?: number;
  readonly json?: true;
  readonly html?: string;
}

export function checkCommand(group: Command): void {
  group
    .command("check")
    .description(
      "decode every picture and report bad ones, duplicates, train's pictures in val, counts, sizes, colours",
    )
    .argument("<data>", "what --data of senet train takes, or a data set without parts")
    .addOption(valSplitOption())
    .option("--seed <n>", "of --val-split", natural, 0)
    .option("--list <file>", "training pictures, one per line: NAME LABEL; names are relative to the data")
    .option("--val-list <file>", "the same for validation pictures")
    .option("--allow-missing", "check the listed pictures that exist")
    .option(
      "--distance <bits>",
      "of 256 bits, how many may differ between pictures that are compared from near; at most 31",
      natural,
      31,
    )
    .option("--html <file>", "write a page with the pictures, too")
    .addOption(workersOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nExamples:\n  senet data check pictures\n  senet data check cifar-10-batches-bin --json\n" +
        "  senet data check class-folders --val-split 0.1 --html check.html\n\n" +
        "Exit code 1 where something is wrong: a picture that cannot be decoded, a class without pictures, a picture in two\n" +
        "classes, or one to validate with that is also in train, or nearly. Copies within a class are told, and no fault.",
    )
    .action(check);
}

async function check(data: string, options: CheckOptions): Promise<void> {
  const { html, json, ...checking } = options;
  if (html !== undefined) checkOutFile(html, [".html"]);
  const line = new LiveLine();
  const local = await localData(data, { say: (text) => line.print(text) });
  const start = performance.now();
  const bad = new FailureReport((text) => line.print(text), "bad:");
  let exitCode = 0;
  const checked = await interruptible(
    (code) => {
      exitCode = code;
      line.print("stopping after this batch; press Ctrl-C again to stop at once");
    },
    (signal) =>
      checkData(local, {
        ...checking,
        signal,
        onFailure: (failure) => bad.met(failure),
        onProgress: (done, total) =>
          line.show(() => {
            const seconds = (performance.now() - start) / 1000;
            const left = clock(((total - done) * seconds) / done);
            return `${grouped(done)} of ${grouped(total)} pictures, ${left} left, ${(done / seconds).toFixed(0)} images/s`;
          }),
      }),
  );
  const health = { ...checked, data };
  if (html !== undefined) {
    const thumbnails = await thumbnailsOf(shownPictures(health).map(({ sample }) => sample));
    await replaceFile(html, [renderHealth(health, thumbnails)], "another --html");
  }
  if (json === true) printJson(jsonOf(health), 2);
  else show(health);
  if (!health.finished) line.print("stopped: this is what the pictures seen so far are like");
  process.exitCode = health.finished ? (health.faults.length === 0 ? 0 : 1) : exitCode;
}

/** More lines would push everything else off the screen. */
const mostLines = 10;

function show(health: DataHealth): void {
  const { data, parts, bad, copies, similar, remarks, faults } = health;
  for (const remark of remarks) print(remark);
  printLines(
    table(
      ["part", "pictures", "bad", "classes", "width", "height", "aspect", "mean", "deviation"],
      parts.map((part) => [
        ...[part.part, grouped(part.pictures), grouped(part.bad), grouped(part.classes.length)],
        ...[shownSpread(part.width, 0), shownSpread(part.height, 0), shownSpread(part.aspect, 2)],
        ...[part.mean, part.deviation].map((values) => values.map((value) => value.toFixed(3)).join(" ")),
      ]),
    ),
  );
  print(
    "width, height and aspect (width to height): min / median / max; mean and deviation: red, green, blue, of 0 to 1",
  );
  print();
  printLines(classTable(parts));
  some("cannot be decoded", bad, ({ sample, reason }) => `${sample.file}: ${reason}`);
  some("groups of equal pictures", copies, (group) => group.map(named).join(", "));
  some("similar pictures in val and train", similar, (pair) => {
    return `${named(pair.val)} and ${named(pair.train)}, ${percent(pair.likeness)} alike`;
  });
  print();
  if (faults.length === 0) print(`nothing is wrong with ${data}`);
  for (const fault of faults) print(`wrong: ${fault}`);
}

/** Minimum, median and maximum: `32 / 500 / 4,288`. */
const shownSpread = ({ min, median, max }: Spread, digits: number): string =>
  [min, median, max].map((value) => (digits === 0 ? grouped(Math.round(value)) : value.toFixed(digits))).join(" / ");

function classTable(parts: readonly PartHealth[]): string {
  const names = parts[0]!.classes.map(({ name }) => name);
  const rows = names.map((name, label) => [
    name,
    ...parts.flatMap(({ classes }) => {
      const { pictures = 0, bad = 0 } = classes[label] ?? {};
      return [grouped(pictures), grouped(bad)];
    }),
  ]);
  return table(["class", ...parts.flatMap(({ part }) => [part, "bad"])], rows);
}

function some<T>(title: string, items: readonly T[], line: (item: T) => string): void {
  if (items.length === 0) return;
  print();
  print(`${title}: ${grouped(items.length)}`);
  for (const item of items.slice(0, mostLines)) print(`  ${line(item)}`);
  if (items.length > mostLines) print(`  and ${grouped(items.length - mostLines)} more: --json or --html shows them`);
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const named = ({ class: name, sample }: CheckedPicture): string => `${sample.file} (${name})`;

/** The report as JSON; samples appear as their names. */
function jsonOf({ bad, copies, similar, ...rest }: DataHealth): unknown {
  const picture = ({ part, class: name, sample }: CheckedPicture) => ({ part, class: name, picture: sample.file });
  return {
    ...rest,
    bad: bad.map((one) => ({ ...picture(one), reason: one.reason })),
    copies: copies.map((group) => group.map(picture)),
    similar: similar.map(({ val, train, likeness }) => ({ val: picture(val), train: picture(train), likeness })),
  };
}
