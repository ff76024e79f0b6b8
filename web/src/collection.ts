/** The user's classes: adds and removes pictures. They may change at any time; a training has its own copy. */

import { archiveOf } from "./archive.ts";
import { checkPictures } from "./checking.ts";
import {
  countOf,
  type LeftOut,
  type NewPicture,
  newClass,
  type PictureClass,
  release,
  withNames,
  withoutPicture,
  withoutUnusable,
  withPictures,
} from "./pictures.ts";
import { save } from "./save.ts";
import type { State } from "./state.ts";
import type { Store } from "./store.ts";

export class Collection {
  readonly #store: Store<State>;

  constructor(store: Store<State>) {
    this.#store = store;
  }

  add(): void {
    const taken = new Set(this.#classes.map(({ name }) => name));
    let number = this.#classes.length + 1;
    while (taken.has(`Class ${number}`)) number++;
    this.#set([...this.#classes, newClass(`Class ${number}`)]);
  }

  rename(id: number, name: string): void {
    this.#change(id, (group) => ({ ...group, name }));
  }

  remove(id: number): void {
    for (const group of this.#classes) if (group.id === id) release(group);
    this.#set(this.#classes.filter((group) => group.id !== id));
  }

  /** Usable pictures are added as soon as they are checked, some at a time. */
  async addPictures(id: number, pictures: readonly NewPicture[]): Promise<void> {
    const wait = (count: number) => this.#store.set({ checking: this.#store.state.checking + count });
    wait(pictures.length);
    await checkPictures(pictures, (sound, leftOut) => {
      this.#change(id, (group) => withPictures({ ...group, leftOut: [...group.leftOut, ...leftOut] }, sound));
      wait(-sound.length - leftOut.length);
    });
  }

  /** Adds pictures made by this page, which need no check. */
  addSound(id: number, pictures: readonly NewPicture[]): void {
    this.#change(id, (group) => withPictures(group, pictures));
  }

  async addFolders(folders: ReadonlyMap<string, readonly NewPicture[]>): Promise<void> {
    if (folders.size === 0) return;
    this.#set(withNames(this.#classes, [...folders.keys()]));
    const known = this.#classes;
    for (const [name, pictures] of folders) {
      await this.addPictures(known.find((group) => group.name === name)!.id, pictures);
    }
  }

  removePicture(id: number, picture: number): void {
    this.#change(id, (group) => withoutPicture(group, picture));
  }

  leaveOut(id: number, leftOut: readonly LeftOut[]): void {
    this.#change(id, (group) => ({ ...group, leftOut: [...group.leftOut, ...leftOut] }));
  }

  /** Removes a picture that training could not decode after all. @param file `cat/001.jpg` */
  leaveOutFile(file: string, reason: string): void {
    for (const { id, name: folder } of this.#classes) {
      const start = `${folder.trim()}/`;
      if (file.startsWith(start))
        this.#change(id, (group) => withoutUnusable(group, { name: file.slice(start.length), reason }));
    }
  }

  forgetLeftOut(id: number): void {
    this.#change(id, (group) => ({ ...group, leftOut: [] }));
  }

  /** Saves all pictures to one file, by class. */
  download(): void {
    save(archiveOf(this.#classes), "pictures.tar");
    this.#store.set({ unsaved: { ...this.#store.state.unsaved, pictures: false } });
  }

  get #classes(): readonly PictureClass[] {
    return this.#store.state.classes;
  }

  #change(id: number, change: (group: PictureClass) => PictureClass): void {
    this.#set(this.#classes.map((group) => (group.id === id ? change(group) : group)));
  }

  #set(classes: readonly PictureClass[]): void {
    this.#store.set({ classes, unsaved: { ...this.#store.state.unsaved, pictures: countOf(classes) > 0 } });
  }
}
