/** `Symbol.asyncDispose`, the symbol behind `await using`, also where the browser lacks it (Safari; WebKit 2.50). */

const symbols = Symbol as { asyncDispose?: symbol };
// The code that TypeScript emits for `await using` also looks for it on `Symbol`.
symbols.asyncDispose ??= Symbol("Symbol.asyncDispose");

export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose;
