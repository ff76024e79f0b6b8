/**
 * Keeps the keyboard focus when the focused element disappears: a removed picture, or a button that is no longer
 * needed.
 */

const focusable = "button, input, select, summary, a[href]";

/** Watches `root`, and moves a lost focus to the neighbour in the list, the list's owner, or the section's heading. */
export function keepFocus(root: HTMLElement): void {
  let last: { readonly element: HTMLElement; readonly section: Element | null } | undefined;
  root.addEventListener("focusin", ({ target }) => {
    const element = target as HTMLElement;
    last = { element, section: element.closest("section") };
  });
  // A click outside of all elements removes the focus deliberately.
  addEventListener("pointerdown", ({ target }) => {
    if (!(target instanceof Element && target.closest(focusable))) last = undefined;
  });
  new MutationObserver((changes) => {
    if (last === undefined || last.element.isConnected) return;
    const { element, section } = last;
    last = undefined;
    if (document.activeElement !== document.body) return;
    const change = changes.find(({ removedNodes }) => [...removedNodes].some((node) => node.contains(element)));
    const place = change && placeAfter(change, element);
    const heading = (section?.isConnected ? section : root).querySelector<HTMLElement>("h1, h2");
    (place ?? heading)?.focus({ preventScroll: true });
  }).observe(root, { childList: true, subtree: true });
}

function placeAfter({ nextSibling, previousSibling, target }: MutationRecord, lost: HTMLElement) {
  for (const neighbour of [nextSibling, previousSibling]) {
    if (!(neighbour instanceof HTMLElement)) continue;
    const alike = [...neighbour.querySelectorAll<HTMLElement>(focusable)].find(
      ({ tagName, className }) => tagName === lost.tagName && className === lost.className,
    );
    if (alike !== undefined) return alike;
  }
  return (target as Element).closest("li")?.querySelector<HTMLElement>(focusable) ?? undefined;
}
