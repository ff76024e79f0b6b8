/** What the page knows, and what its buttons do. Everything that computes goes to the library's worker. */

import { type EngineFacts, load, type Network, type TrainedRun } from "senet/web";
import { type Answer, answerTo } from "./asking.ts";
import type { Taken } from "./intake.ts";
import { type Measured, measure } from "./measuring.ts";
import { fault, type Notice, remark } from "./notices.ts";
import {
  countOf,
  type NewPicture,
  newClass,
  type PictureClass,
  release,
  withFolders,
  withoutPicture,
  withPictures,
} from "./pictures.ts";
import { engineRuntime } from "./runtime.ts";
import { Store } from "./store.ts";
import { type Curves, type Plan, type Progress, picturesOf, start, usualEpochs } from "./training.ts";

/** A network that the server offers to begin with. */
export interface Offered {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
}

/** A network that is ready. */
export interface Current {
  readonly network: Network;
  /** What it is called here: its file, or "trained here". */
  readonly name: string;
  /** The run that it came out of, with all that downloads and going on want. */
  readonly run: TrainedRun | undefined;
}

export interface State {
  readonly version: string;
  readonly offered: readonly Offered[];
  readonly classes: readonly PictureClass[];
  readonly plan: Plan;
  /** What is under way, for people; nothing else can be begun meanwhile. */
  readonly busy: string | undefined;
  readonly training: { readonly progress: Progress; readonly curves: Curves } | undefined;
  readonly current: Current | undefined;
  readonly measured: Measured | undefined;
  readonly answer: Answer | undefined;
  readonly engine: EngineFacts | undefined;
  readonly notices: readonly Notice[];
  /** Whether there is something that closing the page would lose. */
  readonly isUnsaved: boolean;
}

const initial: State = {
  version: "",
  offered: [],
  classes: [newClass("Class 1"), newClass("Class 2")],
  plan: { kind: "scratch", epochs: usualEpochs.scratch, base: undefined },
  busy: undefined,
  training: undefined,
  current: undefined,
  measured: undefined,
  answer: undefined,
  engine: undefined,
  notices: [],
  isUnsaved: false,
};

export class Session {
  readonly store = new Store<State>(initial);
  #stop: AbortController | undefined;

  get #state(): State {
    return this.store.state;
  }

  /** What the server says: networks to begin with. The page works without. */
  async begin(): Promise<void> {
    try {
      const response = await fetch("app.json");
      if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
      const { version, networks } = (await response.json()) as { version: string; networks: readonly Offered[] };
      this.store.set({ version, offered: networks });
      if (networks.length > 0) this.setPlan({ base: 0 });
    } catch (error) {
      this.tell(fault(error, "what networks there are to begin with cannot be told"));
    }
  }

  // Classes and their pictures.

  addClass(): void {
    const taken = new Set(this.#state.classes.map(({ name }) => name));
    let number = this.#state.classes.length + 1;
    while (taken.has(`Class ${number}`)) number++;
    this.#setClasses([...this.#state.classes, newClass(`Class ${number}`)]);
  }

  rename(id: number, name: string): void {
    this.#change(id, (group) => ({ ...group, name }));
  }

  removeClass(id: number): void {
    for (const group of this.#state.classes) if (group.id === id) release(group);
    this.#setClasses(this.#state.classes.filter((group) => group.id !== id));
  }

  addPictures(id: number, pictures: readonly NewPicture[]): void {
    this.#change(id, (group) => withPictures(group, pictures));
  }

  removePicture(id: number, picture: number): void {
    this.#change(id, (group) => withoutPicture(group, picture));
  }

  #change(id: number, change: (group: PictureClass) => PictureClass): void {
    this.#setClasses(this.#state.classes.map((group) => (group.id === id ? change(group) : group)));
  }

  #setClasses(classes: readonly PictureClass[]): void {
    this.store.set({ classes, isUnsaved: countOf(classes) > 0 });
  }

  /** Sorts what was dropped or chosen: folders into classes, weight files are opened, a single picture is asked about. */
  async take(taken: Taken, into?: number): Promise<void> {
    const { folders, loose, networks, others } = taken;
    if (into !== undefined) this.addPictures(into, [...[...folders.values()].flat(), ...loose]);
    else if (folders.size > 0) this.#setClasses(withFolders(this.#state.classes, folders));
    if (others.length > 0) {
      this.tell(
        remark(
          `Left out, being neither pictures nor weights: ${others.slice(0, 5).join(", ")}${others.length > 5 ? ", ..." : ""}`,
        ),
      );
    }
    if (networks.length > 0) await this.openFiles(networks);
    if (into !== undefined || loose.length === 0) return;
    if (loose.length === 1 && this.#state.current !== undefined) await this.ask(loose[0]!);
    else this.tell(remark("Drop pictures on the class that they show, or folders that are named after their class."));
  }

  // Networks.

  /** A weight file, the files that make one network, or the folder of a run. */
  async openFiles(files: readonly File[]): Promise<void> {
    const named = (name: string) => files.find((file) => file.name === name);
    const best = named("best.safetensors");
    const opened = best === undefined ? files : [best];
    await this.#work(`opening ${opened[0]!.name}`, async () => {
      const network = await this.#load(opened);
      const last = named("last.safetensors");
      if (best !== undefined && last !== undefined)
        this.tell(remark("The run's best weights were opened; its last ones can be opened alone."));
      await this.#use({ network, name: opened[0]!.name, run: undefined });
    });
  }

  async openOffered(index: number): Promise<void> {
    const offered = this.#state.offered[index]!;
    await this.#work(`opening ${offered.name}`, async () => {
      await this.#use({
        network: await this.#load(new URL(offered.path, document.baseURI)),
        name: offered.name,
        run: undefined,
      });
    });
  }

  async #load(source: URL | readonly File[]): Promise<Network> {
    return load(source as Parameters<typeof load>[0], {
      ...engineRuntime(),
      onProgress: ({ phase, loaded, total }) => {
        const share = total === undefined || total === 0 ? "" : ` ${Math.round((100 * loaded) / total)} %`;
        this.store.set({
          busy: phase === "fetch" || phase === "read" ? `reading the network${share}` : "making it ready",
        });
      },
      onNotice: (notice) => this.tell(remark(notice)),
    });
  }

  /** In the place of the one before, whose memory is given back. */
  async #use(current: Current): Promise<void> {
    const before = this.#state.current;
    this.store.set({ current, engine: current.network.engine, measured: undefined, answer: undefined });
    if (before !== undefined && before.network !== current.network) await before.network.dispose();
  }

  // Training.

  setPlan(change: Partial<Plan>): void {
    const plan = { ...this.#state.plan, ...change };
    this.store.set({ plan: change.kind === undefined ? plan : { ...plan, epochs: usualEpochs[plan.kind] } });
  }

  train(): Promise<void> {
    return this.#train(undefined);
  }

  /** The run that was stopped, or a finished one by as many epochs again. */
  goOn(): Promise<void> {
    return this.#train(this.#state.current?.run);
  }

  stop(): void {
    this.#stop?.abort();
  }

  async #train(from: TrainedRun | undefined): Promise<void> {
    await this.#work("getting ready", async () => {
      this.#stop = new AbortController();
      const { plan, classes, offered, current } = this.#state;
      const base =
        plan.kind === "scratch" || from !== undefined
          ? undefined
          : plan.base === undefined
            ? current?.network
            : await this.#load(new URL(offered[plan.base]!.path, document.baseURI));
      try {
        const run = await start({
          ...{ plan, from, base, pictures: picturesOf(classes), signal: this.#stop.signal },
          curves: from === undefined ? undefined : this.#state.training?.curves,
          onEngine: (engine) => this.store.set({ engine }),
          onProgress: (progress, curves) => this.store.set({ busy: "training", training: { progress, curves } }),
          onNotice: (text) => this.tell(remark(text)),
        });
        await this.#use({ network: run.network, name: "trained here", run });
        this.store.set({ isUnsaved: true });
      } finally {
        this.#stop = undefined;
        if (base !== undefined && base !== this.#state.current?.network) await base.dispose();
      }
      await this.#measure();
    });
  }

  // What the network says.

  measure(): Promise<void> {
    return this.#work("looking at pictures", () => this.#measure());
  }

  async #measure(): Promise<void> {
    const { current, classes } = this.#state;
    if (current === undefined) return;
    const measured = await measure(current.network, classes, current.run !== undefined, (done, total) =>
      this.store.set({ busy: `looking at picture ${done} of ${total}` }),
    );
    this.store.set({ measured });
  }

  /** What is in a picture, and why the network says so. */
  ask(picture: NewPicture, target?: string): Promise<void> {
    return this.#work("looking at the picture", async () => {
      const { current, classes, answer: before } = this.#state;
      if (current === undefined) return;
      const answer = await answerTo(current.network, picture, { target, classes, before });
      this.store.set({ answer });
    });
  }

  // Downloads.

  download(kind: "safetensors" | "onnx" | "report" | "run"): Promise<void> {
    return this.#work("writing the file", async () => {
      const { current, classes, measured } = this.#state;
      if (current === undefined) return;
      const name = current.network.model.name;
      if (kind === "report") {
        const { reportOf } = await import("./reporting.ts");
        const text = await reportOf({ ...current, engine: this.#state.engine, classes, measured: measured! });
        save(new Blob([text], { type: "text/html" }), `${name}-report.html`);
      } else if (kind === "run") save(current.run!.last, "last.safetensors");
      else save(await current.network.save(kind), `${name}.${kind}`);
      if (kind === "safetensors" || kind === "run") this.store.set({ isUnsaved: false });
    });
  }

  tell(notice: Notice): void {
    const { notices } = this.#state;
    if (notices.some(({ title }) => title === notice.title)) return;
    this.store.set({ notices: [...notices, notice].slice(-6) });
  }

  dismiss(id: number): void {
    this.store.set({ notices: this.#state.notices.filter((notice) => notice.id !== id) });
  }

  /** One thing at a time; what goes wrong is told, and the page goes on. */
  async #work(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#state.busy !== undefined) return;
    this.store.set({ busy: what, notices: this.#state.notices.filter(({ kind }) => kind === "remark") });
    try {
      await work();
    } catch (error) {
      this.tell(fault(error, what));
    } finally {
      this.store.set({ busy: undefined });
    }
  }
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
