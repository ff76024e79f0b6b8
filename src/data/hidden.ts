/** Files and folders that systems create beside a user's own, and do not show either. */

/**
 * Thumbnails, recycle bins and snapshots of Synology's (`@eaDir`), QNAP's and Windows' systems, macOS's part of archives
 * and what Linux rescues. Pictures in them are copies, or were deleted.
 */
const systemNames: ReadonlySet<string> = new Set([
  ...["@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin", "recycler"],
  ...["system volume information", "lost+found", "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"],
]);

/** Whether a file or folder of this name is not the user's: names with a leading dot, and those of systems. */
export const isHidden = (name: string): boolean => name.startsWith(".") || systemNames.has(name.toLowerCase());
