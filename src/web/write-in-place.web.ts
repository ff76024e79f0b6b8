/** Writes files of a page (OPFS) in browsers that can only write in place and not to a copy: Safari before 26. */

/** The used part of an interface that only workers have. In some browsers before 2023 all of it is asynchronous. */
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
 * Writes a file under the name `part`, then renames it, so a file with the final name is complete.
 * @param part its name until it is complete
 * @throws DOMException `QuotaExceededError` if there is no room
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
