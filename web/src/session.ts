/** The page's state, and the actions of its buttons. All computation is done by the library's worker. */

import { load, type Network } from "senet/web";
import { answerTo } from "./asking.ts";
import { Collection } from "./collection.ts";
import type { Taken } from "./intake.ts";
import { measure } from "./measuring.ts";
import { fault, forPage, type Notice, remark } from "./notices.ts";
import { keptBack, type LeftOut, type NewPicture, split } from "./pictures.ts";
import { engineRuntime } from "./runtime.ts";
import { save } from "./save.ts";
import { asking, type Busy, type Current, initial, justOpened, type Offered, type State, training } from "./state.ts";
import { Store } from "./store.ts";
import { courseOf, type Plan, picturesOf, type Resumable, resumable, start, usualEpochs } from "./training.ts";

/** Larger networks are cached only when they have been requested. */
const mostUnasked = 32e6;

export class Session {
  readonly store = new Store<State>(initial);
  readonly classes = new Collection(this.store);
  #stop: AbortController | undefined;
  /** The last question that was asked while another one was being answered. */
  #nextAsked: (() => Promise<void>) | undefined;

  get #state(): State {
    return this.store.state;
  }

  /** Reads the server's list of initial networks. The page works without it. */
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

  /**
   * Requests the initial networks once, so that the service worker caches them and the page can start with them
   * offline.
   */
  async keepOffered(): Promise<void> {
    const { connection } = navigator as { readonly connection?: { readonly saveData?: boolean } };
    if (connection?.saveData === true) return;
    for (const { path, bytes } of this.#state.offered) {
      if (bytes <= mostUnasked) await (await fetch(path)).blob();
    }
    this.store.set({ isKept: true });
  }

  /**
   * Sorts what was dropped or chosen: folders into classes, weight files are opened, a single picture is asked about.
   * @param into the class for the pictures
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
    const adding =
      into === undefined
        ? this.classes.addFolders(folders)
        : this.classes.addPictures(into, [...[...folders.values()].flat(), ...loose]);
    if (others.length > 0) this.#leaveOut(others, into);
    if (folders.size + loose.length + networks.length + others.length === 0)
      this.tell(remark("There is nothing here that this page can use: pictures, weight files, or folders of them."));
    if (networks.length > 0) await this.openFiles(networks);
    await adding;
    if (into !== undefined || loose.length === 0) return;
    const isQuestion = loose.length === 1 && folders.size === 0 && this.#state.current !== undefined;
    if (isQuestion) await this.ask(loose[0]!);
    else this.tell(remark("Drop pictures on the class that they show, or folders that are named after their class."));
  }

  #leaveOut(others: readonly LeftOut[], into: number | undefined): void {
    if (into !== undefined) {
      this.classes.leaveOut(into, others);
      return;
    }
    const reasons = new Set(others.map(({ reason }) => reason));
    const some = [...reasons].map((reason) => {
      const names = others.filter((each) => each.reason === reason).map(({ name }) => name);
      return `${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""} (${reason})`;
    });
    this.tell(remark(`Left out: ${some.join("; ")}`));
  }

  // Networks.

  /** Opens a weight file, several files of one network, or the folder of a run. */
  async openFiles(files: readonly File[]): Promise<void> {
    const named = (name: string) => files.find((file) => file.name === name);
    const best = named("best.safetensors");
    const last = named("last.safetensors");
    const opened = best === undefined ? files : [best];
    await this.#work(`opening ${opened[0]!.name}`, async () => {
      const network = await this.#load(opened);
      const run = last === undefined ? undefined : best === undefined ? network.run : await this.#runIn(last);
      const name = opened[0]!.name;
      await this.#use({ ...justOpened, network, name, run: run && last && resumable(run.config, run.finished, last) });
      if (run !== undefined) this.store.set({ training: courseOf(run.history) });
    });
  }

  /** The run that a file continues. */
  async #runIn(last: File): Promise<Network["run"]> {
    const network = await this.#load([last]);
    await network.dispose();
    return network.run;
  }

  async openOffered(index: number): Promise<void> {
    const { name, path } = this.#state.offered[index]!;
    await this.#work(`opening ${name}`, async () => {
      const network = await this.#load(path);
      await this.#use({ ...justOpened, network, name });
    });
  }

  async #load(source: string | readonly File[]): Promise<Network> {
    return load(source, {
      ...engineRuntime(),
      // The service worker caches the offered networks as long as they are offered.
      cache: false,
      onProgress: ({ phase, loaded, total }) => {
        const isRead = phase === "fetch" || phase === "read";
        const share = isRead && total !== undefined && total > 0 ? loaded / total : undefined;
        this.store.set({ busy: { what: isRead ? "reading the network" : "making the network ready", share } });
      },
      onNotice: (note) => this.note(note),
    });
  }

  /** Replaces the current network and frees its memory. */
  async #use(current: Current): Promise<void> {
    const before = this.#state.current;
    this.store.set({
      current,
      engine: current.network.engine,
      measured: undefined,
      answer: undefined,
      hasFailedSince: false,
      ...(current.run === undefined && { training: undefined }),
    });
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

  /** Continues the stopped run, or a finished one for as many epochs again. */
  goOn(): Promise<void> {
    return this.#train(this.#state.current?.run);
  }

  stop(): void {
    this.#stop?.abort();
  }

  async #train(from: Resumable | undefined): Promise<void> {
    await this.#work("getting ready", async () => {
      this.#stop = new AbortController();
      const { plan, classes, offered, current, training: before } = this.#state;
      let base: Network | undefined;
      const by = from === undefined ? keptBack : from.heldBack;
      const own = classes.flatMap((group) => split(group, by ?? keptBack).train.map(({ id }) => id));
      try {
        if (plan.kind !== "scratch" && from === undefined) {
          const offer = plan.base === undefined ? undefined : offered[plan.base]!;
          base = offer === undefined ? current?.network : await this.#load(offer.path);
        }
        // Remember the pictures on which it was trained before, too.
        const isOfCurrent = from !== undefined || (base !== undefined && base === current?.network);
        this.store.set({ busy: training, ...(from === undefined && { training: undefined }) });
        const run = await start({
          plan,
          from,
          base,
          learnt: own.length,
          signal: this.#stop.signal,
          pictures: picturesOf(classes, by),
          curves: from === undefined ? undefined : before?.curves,
          onEngine: (engine) => this.store.set({ engine }),
          onLook: (share) => this.store.set({ busy: { ...training, part: "looking at the pictures first", share } }),
          onProgress: (progress, curves) => this.store.set({ busy: training, training: { progress, curves } }),
          onFailure: (file, reason) => this.classes.leaveOutFile(file, reason),
          onNotice: (note) => this.note(note),
        });
        const { network, last, finished, config } = run;
        await this.#use({
          network,
          name: "trained here",
          run: resumable(config, finished, last),
          trained: { run, classes, learnt: new Set([...own, ...((isOfCurrent && current?.trained?.learnt) || [])]) },
        });
        this.store.set({ unsaved: { ...this.#state.unsaved, network: true } });
      } catch (error) {
        // The current network is still the previous one, with its own course.
        this.store.set({ training: before, hasFailedSince: current !== undefined });
        throw error;
      } finally {
        this.#stop = undefined;
        if (base !== undefined && base !== this.#state.current?.network) await base.dispose();
      }
      await this.#measure();
    });
  }

  // Answers.

  measure(): Promise<void> {
    return this.#work("looking at pictures", () => this.#measure());
  }

  async #measure(): Promise<void> {
    const { current, classes } = this.#state;
    if (current === undefined) return;
    const measured = await measure(current, classes, (done, total) =>
      this.store.set({ busy: { what: "looking at the pictures", share: done / total } }),
    );
    this.store.set({ measured });
    if (measured === undefined) this.tell(remark("There is no picture here that it has not learnt from."));
  }

  /** Classifies a picture and explains the answer. */
  async ask(picture: NewPicture, target?: string): Promise<void> {
    if (this.#state.busy === asking) {
      this.#nextAsked = () => this.ask(picture, target);
      return;
    }
    await this.#work(asking, async () => {
      const { current, classes, answer: before } = this.#state;
      if (current === undefined) return;
      const answer = await answerTo(current.network, picture, { target, classes, before });
      this.store.set({ answer });
    });
    const next = this.#nextAsked;
    this.#nextAsked = undefined;
    await next?.();
  }

  // Downloads.

  download(kind: "safetensors" | "onnx" | "report" | "run"): Promise<void> {
    return this.#work("writing the file", async () => {
      const { current, measured, engine } = this.#state;
      if (current === undefined) return;
      const name = current.network.model.name;
      if (kind === "report") {
        const { reportOf } = await import("./reporting.ts");
        const text = await reportOf({ ...current, engine, measured: measured! });
        save(new Blob([text], { type: "text/html" }), `${name}-report.html`);
      } else if (kind === "run") save(current.run!.last, "last.safetensors");
      else save(await current.network.save(kind), `${name}.${kind}`);
      const isKept = kind === "safetensors" || kind === "run";
      if (isKept) this.store.set({ unsaved: { ...this.#state.unsaved, network: false } });
    });
  }

  /** Records a remark of the library, for users who want to see it. */
  note(text: string): void {
    const { notes } = this.#state;
    const note = forPage(text);
    if (note !== undefined && !notes.includes(note)) this.store.set({ notes: [...notes, note] });
  }

  tell(notice: Notice): void {
    const { notices } = this.#state;
    if (notices.some(({ title }) => title === notice.title)) return;
    this.store.set({ notices: [...notices, notice].slice(-6) });
  }

  dismiss(id: number): void {
    this.store.set({ notices: this.#state.notices.filter((notice) => notice.id !== id) });
  }

  /** Runs one activity at a time; errors are shown, and the page continues. */
  async #work(doing: string | Busy, work: () => Promise<void>): Promise<void> {
    const { busy } = this.#state;
    if (busy !== undefined) {
      this.tell(remark(`One thing at a time: ${busy.what} comes first.`));
      return;
    }
    const begun = typeof doing === "string" ? { what: doing } : doing;
    this.store.set({ busy: begun, notices: this.#state.notices.filter(({ kind }) => kind === "remark") });
    try {
      await work();
    } catch (error) {
      this.tell(fault(error, begun.what));
    } finally {
      this.store.set({ busy: undefined });
    }
  }
}
