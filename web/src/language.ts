/**
 * The user's language, put right where JavaScript does not know it ("C", on systems without one): uPlot asks how numbers are
 * written in it as soon as it is loaded, and would take the whole page with it.
 */

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en" });
}
