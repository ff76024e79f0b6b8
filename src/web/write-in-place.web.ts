/** Files of a page's own (OPFS) where they can only be written as they are, and not beside themselves: Safari before 26. */

/** As much of what only workers have of a file as is used; in some browsers of before 2023 all of it takes its time. */
interface WorkersFile {
  createSyncAccessHandle(): Promise<{
    write(bytes: Uint8Array, options: { readonly at: number }): number;
    truncate(size: number): unknown;
    flush(): unknown;
    close(): unknown;
  }>;
  move(name: string): Promise<void>;
}

/**
 * The file is whole as soon as it has its name.
 * @param part what it is called before
 * @throws DOMException `QuotaExceededError` where there is no room
 */
export async function writeInPlace(
  folder: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array,
  part: string,
): Promise<void> {
  const file = (await folder.getFileHandle(part, { create: true })) as unknown as WorkersFile;
  const writing = await file.createSyncAccessHandle();
  try {
    await writing.truncate(bytes.length);
    const written = writing.write(bytes, { at: 0 });
    if (written < bytes.length) throw new DOMException(`${written} of ${bytes.length} bytes`, "QuotaExceededError");
    await writing.flush();
  } catch (error) {
    await writing.close();
    await folder.removeEntry(part).catch(() => {});
    throw error;
  }
  await writing.close();
  await file.move(name);
}
