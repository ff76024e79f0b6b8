import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ErrorCode, SenetError } from "../errors.ts";
import { type Entry, Journal } from "./journal.node.ts";

function pathIn(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), "senet-journal-"));
  t.after(() => rmSync(root, { recursive: true }));
  return join(root, "journal.jsonl");
}

function opened<T>(path: string, use: (journal: Journal) => T): T {
  const journal = new Journal(path);
  try {
    return use(journal);
  } finally {
    journal.close();
  }
}

function refuses(action: () => unknown, code: ErrorCode, ...patterns: RegExp[]): void {
  assert.throws(action, (error) => {
    assert.ok(error instanceof SenetError && error.code === code, String(error));
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  });
}

const settings = { crop: 224, views: "centre" };
const entries: Entry[] = [
  { picture: "cat/ä 1.jpg", label: 0, rank: 0, predicted: 0 },
  { picture: "dog/2.jpg", label: 1, rank: 3, predicted: 7 },
  { picture: "dog/3.jpg", failed: "empty (0 bytes)" },
];

test("a journal is one evaluation's at a time", (t) => {
  const path = pathIn(t);
  opened(path, (journal) => {
    journal.begin("net", settings);
    journal.add(entries.slice(0, 1));
    const before = readFileSync(path, "utf8");
    refuses(() => new Journal(path), "usage", /another evaluation is writing .*journal\.jsonl/, /process \d+/);
    assert.equal(readFileSync(path, "utf8"), before);
  });
  opened(path, (journal) => assert.equal(journal.begin("net", settings).length, 1));
  assert.deepEqual(readdirSync(dirname(path)), ["journal.jsonl"]);
});

test("what is no file is no journal", { skip: existsSync("/dev/zero") ? false : "there is no /dev/zero" }, () => {
  for (const path of ["/dev/null", "/dev/zero"]) {
    assert.throws(() => new Journal(path), /the journal cannot be opened\s+found: +it is a pipe, a socket or a device/);
    assert.ok(!existsSync(`${path}.lock`));
  }
});

test("a journal gives back what was found, network by network, over several runs", (t) => {
  const path = pathIn(t);
  opened(path, (journal) => {
    assert.deepEqual(journal.begin("a", settings), []);
    journal.add(entries.slice(0, 1));
    journal.begin("b", { ...settings, crop: 320 });
    journal.add(entries.slice(2));
  });
  opened(path, (journal) => {
    assert.deepEqual(journal.begin("a", settings), entries.slice(0, 1));
    journal.add(entries.slice(1));
  });
  opened(path, (journal) => {
    assert.deepEqual(journal.begin("a", settings), entries);
    assert.deepEqual(journal.begin("b", { ...settings, crop: 320 }), entries.slice(2));
    assert.deepEqual(journal.begin("c", settings), []);
  });
});

test("cut off anywhere, it loses only the line that was cut", (t) => {
  const path = pathIn(t);
  opened(path, (journal) => {
    journal.begin("a", settings);
    journal.add(entries);
  });
  const whole = readFileSync(path);
  const lines = whole.toString().split("\n").slice(0, -1);
  for (let length = whole.length - 1; length >= 0; length--) {
    writeFileSync(path, whole);
    truncateSync(path, length);
    const complete = whole.subarray(0, length).toString().split("\n").length - 1;
    const found = opened(path, (journal) => {
      const before = journal.begin("a", settings);
      journal.add(entries.slice(before.length));
      return before;
    });
    assert.deepEqual(found, entries.slice(0, Math.max(0, complete - 2)), `${length} bytes`);
    assert.deepEqual(
      opened(path, (journal) => journal.begin("a", settings)),
      entries,
      `${length} bytes, gone on with`,
    );
    assert.equal(readFileSync(path, "utf8").split("\n")[0], lines[0]);
  }
});

test("other settings are refused with what differs", (t) => {
  const path = pathIn(t);
  opened(path, (journal) => journal.begin("a", settings));
  const size = readFileSync(path).length;
  opened(path, (journal) => {
    const other = { crop: 320, views: "centre", executor: "ort" };
    refuses(
      () => journal.begin("a", other),
      "usage",
      /has a with different settings/,
      /expected: crop 224, executor absent/,
      /found: +crop 320, executor ort/,
    );
  });
  assert.equal(readFileSync(path).length, size);
});

test("a file that is no journal is refused and left as it is; so is a damaged one", (t) => {
  const path = pathIn(t);
  for (const text of ["pictures,errors\n1,2\n", "no line break", '{"format":"senet-evaluation-2"}\n']) {
    writeFileSync(path, text);
    refuses(() => new Journal(path), "data", /not an evaluation journal/, /does not exist yet/);
    assert.equal(readFileSync(path, "utf8"), text);
  }
  rmSync(path);
  opened(path, (journal) => journal.begin("a", settings));
  for (const line of ["{]", '{"picture":"x"}', '{"picture":"x","label":-1,"rank":0,"predicted":0}']) {
    const before = readFileSync(path);
    appendFileSync(path, `${line}\n`);
    refuses(() => new Journal(path), "data", /line 3: the journal is damaged/, /delete this line and all after it/);
    writeFileSync(path, before);
  }
  refuses(() => new Journal(join(path, "x")), "io", /cannot be opened/);
});
