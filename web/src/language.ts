/**
 * Fixes the user's language if JavaScript does not know it ("C", on systems without one): uPlot uses it to format
 * numbers as soon as it is loaded, and an error there would break the whole page.
 */

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}
