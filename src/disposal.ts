/** The symbol behind `await using`, which Safari lacks (WebKit 2.50): without it no class could have the method. */

const symbols = Symbol as { asyncDispose?: symbol };
// What TypeScript makes of `await using` looks for it there, too.
symbols.asyncDispose ??= Symbol("Symbol.asyncDispose");

export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose;
