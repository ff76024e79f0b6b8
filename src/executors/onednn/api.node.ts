/**
 * The parts of oneDNN's C API that are used. What differs between its versions is a dialect (dialect.node.ts).
 */

import { memoryAddress } from "../../c-library.node.ts";
import { option, SenetError } from "../../errors.ts";
import { alphaOf, C, type Dialect } from "./dialect.node.ts";
import { formatVersion, type Handle, hasIsa, type Library, textAt } from "./library.node.ts";
import type { ChannelBlock, Desc, ElementType, Layout, PostOp, Scales, Spec } from "./spec.ts";

/** Keys for querying a primitive descriptor. */
const implementationName = 8;

const statusNames = [
  "success",
  "out of memory",
  "invalid arguments",
  "not implemented for this CPU, type or layout",
  "iterator ends",
  "run-time error",
  "not required",
];

/** Binds the functions that are the same in both versions. */
function bindShared({ bind }: Library) {
  return {
    engineCreate: bind("int engine_create(void *engine, int kind, size_t index)"),
    engineDestroy: bind("int engine_destroy(void *engine)"),
    streamCreate: bind("int stream_create(void *stream, void *engine, unsigned int flags)"),
    streamWait: bind("int stream_wait(void *stream)"),
    streamDestroy: bind("int stream_destroy(void *stream)"),
    memoryCreate: bind("int memory_create(void *memory, void *desc, void *engine, void *handle)"),
    memoryDestroy: bind("int memory_destroy(void *memory)"),
    sizeOf: bind("size_t memory_desc_get_size(void *desc)"),
    isEqual: bind("int memory_desc_equal(void *a, void *b)"),
    queryDesc: bind<Handle>("void *primitive_desc_query_md(void *pd, int what, int index)"),
    query: bind("int primitive_desc_query(void *pd, int what, int index, void *result)"),
    primitiveDescDestroy: bind("int primitive_desc_destroy(void *pd)"),
    primitiveCreate: bind("int primitive_create(void *primitive, void *pd)"),
    execute: bind("int primitive_execute(void *primitive, void *stream, int count, void *args)"),
    primitiveDestroy: bind("int primitive_destroy(void *primitive)"),
    attrCreate: bind("int primitive_attr_create(void *attr)"),
    attrSetPostOps: bind("int primitive_attr_set_post_ops(void *attr, void *ops)"),
    attrDestroy: bind("int primitive_attr_destroy(void *attr)"),
    postOpsCreate: bind("int post_ops_create(void *ops)"),
    postOpsBinary: bind("int post_ops_append_binary(void *ops, int algorithm, void *desc)"),
    postOpsDestroy: bind("int post_ops_destroy(void *ops)"),
  };
}

/** A primitive with its descriptor. */
export interface Primitive {
  readonly handle: Handle;
  readonly descriptor: Handle;
  /** Description, such as `convolution backwardData`. */
  readonly kind: string;
}

/** A session with the library. Everything it creates lives until `dispose`. */
export class Api {
  readonly version: string;
  /** The instruction set that the library uses; see `hasIsa`. */
  readonly isa: number;
  readonly #f: ReturnType<typeof bindShared>;
  readonly #dialect: Dialect;
  readonly #engine: Handle;
  readonly #stream: Handle;
  readonly #primitives: Primitive[] = [];
  readonly #memories: Handle[] = [];
  readonly #descs: Desc["handle"][] = [];
  readonly #out = new BigUint64Array(1);
  #disposed = false;

  constructor(library: Library, dialect: Dialect) {
    this.version = formatVersion(library.version);
    this.isa = library.isa;
    this.#dialect = dialect;
    this.#f = bindShared(library);
    this.#engine = this.#made("the engine", this.#f.engineCreate(this.#out, 1, 0));
    this.#stream = this.#made("the stream", this.#f.streamCreate(this.#out, this.#engine, 1));
    disposeAtExit.add(this);
  }

  describe(dims: readonly number[], type: ElementType, layout: Layout): Desc {
    return this.#keep({ handle: this.#dialect.describe(dims, type, layout), dims, type });
  }

  view(parent: Desc, dims: readonly number[], offsets: readonly number[]): Desc {
    return this.#keep({ handle: this.#dialect.view(parent, dims, offsets), dims, type: parent.type });
  }

  /** Number of channels that fill a vector. */
  get block(): ChannelBlock {
    return hasIsa(this.isa, "avx512") ? 16 : hasIsa(this.isa, "avx2") ? 8 : undefined;
  }

  /** The fastest code that a primitive of this type may have on this processor. */
  bestGrade(type: ElementType): number {
    return type !== "f32" && hasIsa(this.isa, "amx") ? Grade.tiles : Grade.vectors;
  }

  /** The library's name of the implementation chosen for a primitive. */
  implementation({ descriptor }: Primitive): string {
    this.check("a primitive's name", this.#f.query(descriptor, implementationName, 0, this.#out));
    return textAt(this.#out[0]!);
  }

  /** Size in bytes, including padding. */
  sizeOf(desc: Desc): number {
    return Number(this.#f.sizeOf(desc.handle));
  }

  isEqual(a: Desc, b: Desc): boolean {
    return a === b || this.#f.isEqual(a.handle, b.handle) === 1;
  }

  /**
   * Creates a primitive. @param name the operation, for errors
   * @param hint the forward primitive of a backward one
   * @throws SenetError `executor`
   */
  primitive(name: string, spec: Spec, hint?: Primitive): Primitive {
    const made = this.#create(name, spec, hint);
    if (typeof made === "number") throw failure(`${name}: ${kindOf(spec)}`, made);
    return made;
  }

  /**
   * As `primitive`, but `undefined` where the library does not support it for this processor, these types or these
   * layouts.
   */
  primitiveIfServed(name: string, spec: Spec, hint?: Primitive): Primitive | undefined {
    const made = this.#create(name, spec, hint);
    return typeof made === "number" ? undefined : made;
  }

  /** The primitive, or the library's error status. */
  #create(name: string, spec: Spec, hint: Primitive | undefined): Primitive | number {
    const postOps = ("postOps" in spec ? spec.postOps : undefined) ?? [];
    const scales = "scales" in spec ? spec.scales : undefined;
    const isPlain = postOps.length === 0 && scales === undefined;
    const attributes = isPlain ? null : this.#attributes(name, postOps);
    if (scales !== undefined) this.check(name, this.#dialect.setScales(attributes!, spec, scales));
    let status = this.#dialect.create(spec, attributes, this.#engine, hint?.descriptor ?? null, this.#out);
    if (attributes !== null) this.#f.attrDestroy(attributes);
    if (status !== 0) return status;
    const descriptor = this.#out[0]!;
    status = this.#f.primitiveCreate(this.#out, descriptor);
    if (status !== 0) {
      this.#f.primitiveDescDestroy(descriptor);
      return status;
    }
    const primitive = { handle: this.#out[0]!, descriptor, kind: kindOf(spec) };
    this.#primitives.push(primitive);
    return primitive;
  }

  /** The memory description of one of a primitive's arguments; undefined if it has no such argument. */
  query({ descriptor }: Primitive, what: number, like: Pick<Desc, "dims" | "type">): Desc | undefined {
    const handle = this.#f.queryDesc(descriptor, what, 0);
    if (handle === null || handle === 0n) return undefined;
    return { ...like, handle };
  }

  /** Wraps our memory for the library; it must stay referenced as long as this is used. */
  memory(desc: Desc, address: Handle): Handle {
    const memory = this.#made("memory", this.#f.memoryCreate(this.#out, desc.handle, this.#engine, address));
    this.#memories.push(memory);
    return memory;
  }

  /** Whether batch norm's gradient is given the shift too. */
  get wantsShift(): boolean {
    return this.#dialect.wantsShift;
  }

  /** Argument number of a post-operation's operand. */
  postOpArg(index: number): number {
    return this.#dialect.postOpArg * (index + 1) + 2;
  }

  /** See `Dialect`. */
  scaleArguments(scales: Scales): ReadonlyMap<number, Float32Array> {
    return this.#dialect.scaleArguments(scales);
  }

  /** See `Dialect`. */
  scaledBias(bias: Float32Array, scales: Scales): Float32Array {
    return this.#dialect.scaledBias(bias, scales);
  }

  /** A prepared call; its list of arguments is built once. */
  call(primitive: Primitive, args: ReadonlyMap<number, Handle>): () => number {
    const list = new BigUint64Array(2 * args.size);
    let at = 0;
    for (const [arg, memory] of args) {
      list[at++] = BigInt(arg);
      list[at++] = memory;
    }
    const { execute } = this.#f;
    const { handle } = primitive;
    const stream = this.#stream;
    const count = args.size;
    const address = memoryAddress(list);
    // `list` must outlive the address.
    return () => (list.length > 0 ? execute(handle, stream, count, address) : 0);
  }

  /** @throws SenetError `executor`, naming the operation, where the status is not success */
  check(name: string, status: number): void {
    if (status !== 0) throw failure(name, status);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    disposeAtExit.delete(this);
    this.#f.streamWait(this.#stream);
    for (const { handle, descriptor } of this.#primitives) {
      this.#f.primitiveDestroy(handle);
      this.#f.primitiveDescDestroy(descriptor);
    }
    for (const memory of this.#memories) this.#f.memoryDestroy(memory);
    for (const desc of this.#descs) this.#dialect.destroyDesc(desc);
    this.#f.streamDestroy(this.#stream);
    this.#f.engineDestroy(this.#engine);
  }

  #keep(desc: Desc): Desc {
    this.#descs.push(desc.handle);
    return desc;
  }

  #made(what: string, status: number): Handle {
    if (status !== 0) throw failure(what, status);
    return this.#out[0]!;
  }

  #attributes(name: string, postOps: readonly PostOp[]): Handle {
    const ops = this.#made(name, this.#f.postOpsCreate(this.#out));
    for (const op of postOps) this.check(name, this.#append(ops, op));
    const attributes = this.#made(name, this.#f.attrCreate(this.#out));
    this.check(name, this.#f.attrSetPostOps(attributes, ops));
    this.#f.postOpsDestroy(ops);
    return attributes;
  }

  #append(ops: Handle, op: PostOp): number {
    if ("operand" in op) return this.#f.postOpsBinary(ops, C[op.kind], op.operand.handle);
    if (op.kind === "sum") return this.#dialect.appendSum(ops, op.scale);
    const [alpha, beta] = op.kind === "linear" ? [op.alpha, op.beta] : [alphaOf(op.kind), 0];
    return this.#dialect.appendEltwise(ops, op.kind, alpha, beta);
  }
}

/** Speed of a primitive's code: the reference code, used if there is no other; vectors; or tiles (AMX). */
export const Grade = { reference: 0, vectors: 1, tiles: 2 } as const;

/** Derived from the library's name for it: `ref:any`, `jit:avx512_core`, `brgconv:avx10_1_512_amx`. */
export const gradeOf = (implementation: string): number =>
  /\bref\b/.test(implementation) ? Grade.reference : implementation.includes("amx") ? Grade.tiles : Grade.vectors;

const kindOf = (spec: Spec): string =>
  [
    "algorithm" in spec && spec.algorithm === "winograd" ? "Winograd's" : "",
    spec.primitive,
    "pass" in spec ? spec.pass : "",
  ]
    .filter((word) => word !== "")
    .join(" ");

function failure(name: string, status: number): SenetError {
  return new SenetError("executor", "oneDNN cannot run this operation", {
    where: name,
    found: statusNames[status] ?? `status ${status}`,
    hint: `${option("executor")} ort`,
  });
}

/** Disposed of at exit: the process would crash if the library's objects were still alive. */
const disposeAtExit = new Set<Api>();
process.on("exit", () => {
  for (const api of disposeAtExit) api.dispose();
});
