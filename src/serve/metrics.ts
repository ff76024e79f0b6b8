/** Metrics for Prometheus, in its text format (version 0.0.4). */

type Labels = Readonly<Record<string, string | number>>;

/** Upper bounds of the latency histogram's buckets, in seconds. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

class Counter {
  readonly #values = new Map<string, number>();

  add(labels: Labels, count = 1): void {
    const key = shown(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + count);
  }

  *lines(name: string): Generator<string> {
    for (const [labels, value] of this.#values) yield `${name}${labels} ${value}`;
  }
}

class Histogram {
  readonly #rows = new Map<
    string,
    { readonly labels: Labels; readonly counts: number[]; sum: number; count: number }
  >();

  observe(labels: Labels, value: number): void {
    const key = shown(labels);
    const row = this.#rows.get(key) ?? { labels, counts: bounds.map(() => 0), sum: 0, count: 0 };
    this.#rows.set(key, row);
    row.sum += value;
    row.count++;
    for (const [i, bound] of bounds.entries()) if (value <= bound) row.counts[i]!++;
  }

  *lines(name: string): Generator<string> {
    for (const { labels, counts, sum, count } of this.#rows.values()) {
      for (const [i, bound] of bounds.entries()) yield `${name}_bucket${shown({ ...labels, le: bound })} ${counts[i]}`;
      yield `${name}_bucket${shown({ ...labels, le: "+Inf" })} ${count}`;
      yield `${name}_sum${shown(labels)} ${sum}`;
      yield `${name}_count${shown(labels)} ${count}`;
    }
  }
}

const escaped = (value: string): string => value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`));
const shown = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escaped(`${value}`)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};

/** Current values. */
export interface Gauges {
  readonly waiting: number;
  readonly inHand: number;
  readonly requests: number;
  readonly reloads: { readonly done: number; readonly failed: number };
  readonly models: readonly { readonly name: string; readonly version: string; readonly network: string }[];
  readonly process: { readonly cpuSeconds: number; readonly residentBytes: number; readonly startSeconds: number };
}

export class Metrics {
  readonly requests = new Counter();
  readonly seconds = new Histogram();
  readonly pictures = new Counter();
  readonly refused = new Counter();

  text({ waiting, inHand, requests, reloads, models, process }: Gauges): string {
    const lines: string[] = [];
    const metric = (type: string, name: string, help: string, values: Iterable<string>) =>
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values);
    metric(
      "counter",
      "senet_requests_total",
      "Requests answered, by route and status.",
      this.requests.lines("senet_requests_total"),
    );
    metric(
      "histogram",
      "senet_request_duration_seconds",
      "From a request's headers to the end of its answer.",
      this.seconds.lines("senet_request_duration_seconds"),
    );
    metric(
      "counter",
      "senet_pictures_total",
      "Pictures and tensors computed, by model.",
      this.pictures.lines("senet_pictures_total"),
    );
    metric(
      "counter",
      "senet_refused_total",
      "Requests and pictures refused, by the error's code.",
      this.refused.lines("senet_refused_total"),
    );
    metric("counter", "senet_reloads_total", "Networks reloaded because their files changed, by outcome.", [
      `senet_reloads_total{outcome="done"} ${reloads.done}`,
      `senet_reloads_total{outcome="failed"} ${reloads.failed}`,
    ]);
    metric("gauge", "senet_queue_length", "Pictures that wait for a thread.", [`senet_queue_length ${waiting}`]);
    metric("gauge", "senet_in_flight", "Pictures that threads are working on.", [`senet_in_flight ${inHand}`]);
    metric("gauge", "senet_open_requests", "Requests that have not been answered.", [
      `senet_open_requests ${requests}`,
    ]);
    metric(
      "gauge",
      "senet_model_info",
      "The networks that are served.",
      models.map((model) => `senet_model_info${shown({ ...model })} 1`),
    );
    // Named as by Prometheus's own clients.
    metric("counter", "process_cpu_seconds_total", "Processor time, of all threads.", [
      `process_cpu_seconds_total ${process.cpuSeconds}`,
    ]);
    metric("gauge", "process_resident_memory_bytes", "Memory.", [
      `process_resident_memory_bytes ${process.residentBytes}`,
    ]);
    metric("gauge", "process_start_time_seconds", "When it began, since 1970.", [
      `process_start_time_seconds ${process.startSeconds}`,
    ]);
    return `${lines.join("\n")}\n`;
  }
}
