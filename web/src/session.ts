/** What the page knows, and what its buttons do. Everything that computes goes to the library's worker. */

import { load, type Network } from "senet/web";
import { archiveOf } from "./archive.ts";
import { answerTo } from "./asking.ts";
import type { Taken } from "./intake.ts";
import { measure } from "./measuring.ts";
import { fault, type Notice, remark } from "./notices.ts";
import {
  countOf,
  learntFrom,
  type NewPicture,
  newClass,
  type PictureClass,
  release,
  withFolders,
  withoutPicture,
  withPictures,
} from "./pictures.ts";
import { engineRuntime } from "./runtime.ts";
import { type Current, initial, type Offered, type State, training } from "./state.ts";
import { Store } from "./store.ts";
import { courseOf, type Plan, picturesOf, type Resumable, resumable, start, usualEpochs } from "./training.ts";

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
      if (networks.length > 0) this.setPlan({ kind: "head", base: 0 });
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
    this.store.set({ classes, unsaved: { ...this.#state.unsaved, pictures: countOf(classes) > 0 } });
  }

  /** All of them in one file, by class. */
  savePictures(): void {
    const { classes, unsaved } = this.#state;
    save(archiveOf(classes), "pictures.tar");
    this.store.set({ unsaved: { ...unsaved, pictures: false } });
  }

  /**
   * Sorts what was dropped or chosen: folders into classes, weight files are opened, a single picture is asked about.
   * @param into the class that is meant
   */
  async take(coming: Promise<Taken>, into?: number): Promise<void> {
    let taken: Taken;
    try {
      taken = await coming;
    } catch (error) {
      this.tell(fault(error, "what was dropped cannot be read"));
      return;
    }
    const { folders, loose, networks, others } = taken;
    if (into !== undefined) this.addPictures(into, [...[...folders.values()].flat(), ...loose]);
    else if (folders.size > 0) this.#setClasses(withFolders(this.#state.classes, folders));
    if (others.length > 0) {
      const names = `${others.slice(0, 5).join(", ")}${others.length > 5 ? ", ..." : ""}`;
      this.tell(remark(`Left out, being neither pictures nor weights: ${names}`));
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
    const last = named("last.safetensors");
    const opened = best === undefined ? files : [best];
    await this.#work(`opening ${opened[0]!.name}`, async () => {
      const network = await this.#load(opened);
      const run = last === undefined ? undefined : best === undefined ? network.run : await this.#runIn(last);
      const name = opened[0]!.name;
      await this.#use({ network, name, run: run && last && resumable(run, last), trained: undefined });
      if (run !== undefined) this.store.set({ training: courseOf(run.history) });
    });
  }

  /** Where the run is that a file goes on with. */
  async #runIn(last: File): Promise<Network["run"]> {
    const network = await this.#load([last]);
    await network.dispose();
    return network.run;
  }

  async openOffered(index: number): Promise<void> {
    const { name, path } = this.#state.offered[index]!;
    await this.#work(`opening ${name}`, async () => {
      const network = await this.#load(new URL(path, document.baseURI));
      await this.#use({ network, name, run: undefined, trained: undefined });
    });
  }

  async #load(source: URL | readonly File[]): Promise<Network> {
    return load(source as Parameters<typeof load>[0], {
      ...engineRuntime(),
      onProgress: ({ phase, loaded, total }) => {
        const isRead = phase === "fetch" || phase === "read";
        const share = isRead && total !== undefined && total > 0 ? loaded / total : undefined;
        this.store.set({ busy: { what: isRead ? "reading the network" : "making the network ready", share } });
      },
      onNotice: (note) => this.#note(note),
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

  async #train(from: Resumable | undefined): Promise<void> {
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
        this.store.set({ busy: training });
        const run = await start({
          ...{
            plan,
            from,
            base,
            pictures: picturesOf(classes),
            learnt: learntFrom(classes),
            signal: this.#stop.signal,
          },
          curves: from === undefined ? undefined : this.#state.training?.curves,
          onEngine: (engine) => this.store.set({ engine }),
          onProgress: (progress, curves) => this.store.set({ busy: training, training: { progress, curves } }),
          onNotice: (note) => this.#note(note),
        });
        const { network, last, finished, config } = run;
        await this.#use({
          ...{ network, name: "trained here", trained: run },
          run: { last, finished, epochs: config.epochs },
        });
        this.store.set({ unsaved: { ...this.#state.unsaved, network: true } });
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
    const measured = await measure(current.network, classes, current.trained !== undefined, (done, total) =>
      this.store.set({ busy: { what: "looking at the pictures", share: done / total } }),
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
      const { current, classes, measured, engine } = this.#state;
      if (current === undefined) return;
      const name = current.network.model.name;
      if (kind === "report") {
        const { reportOf } = await import("./reporting.ts");
        const text = await reportOf({ ...current, engine, classes, measured: measured! });
        save(new Blob([text], { type: "text/html" }), `${name}-report.html`);
      } else if (kind === "run") save(current.run!.last, "last.safetensors");
      else save(await current.network.save(kind), `${name}.${kind}`);
      const isKept = kind === "safetensors" || kind === "run";
      if (isKept) this.store.set({ unsaved: { ...this.#state.unsaved, network: false } });
    });
  }

  /** What the library remarks, for those who want to know. */
  #note(note: string): void {
    const { notes } = this.#state;
    if (!notes.includes(note)) this.store.set({ notes: [...notes, note] });
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
    const { busy } = this.#state;
    if (busy !== undefined) {
      this.tell(remark(`One thing at a time: ${busy.what} comes first.`));
      return;
    }
    this.store.set({ busy: { what }, notices: this.#state.notices.filter(({ kind }) => kind === "remark") });
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
