/**
 * Muon's orthogonalisation by the library's matrix products. Each iteration of optim/orthogonal.ts multiplies the
 * matrix by a polynomial of its Gram matrix. Here these polynomials, which are only as large as the matrix's shorter
 * side, are multiplied with each other first and with the matrix once at the end: for 512×4608 a third of the work.
 */

import { newtonSchulz, scaleFor } from "../../optim/orthogonal.ts";
import type { Place, PlanBuilder } from "./plan.node.ts";
import { Arg } from "./spec.ts";

interface Square {
  readonly place: Place;
  readonly data: Float32Array;
}

export class Orthogonal {
  readonly #plan: PlanBuilder;
  /** Temporary matrices by role and size, used by one parameter after another. */
  readonly #squares = new Map<string, Square>();

  constructor(plan: PlanBuilder) {
    this.#plan = plan;
  }

  /** Plans the orthogonalisation as a part of the update. All places are row-major in float32. */
  run(name: string, x: Place, into: Place, rms: number): void {
    const { steps, a, b, c, eps } = newtonSchulz;
    const [rows, columns] = x.desc.dims as [number, number];
    const side = Math.min(rows, columns);
    const square = (role: string) => this.#square(role, side);
    const [gram, factor, half] = [square("gram"), square("factor"), square("half")];
    const products = [square("even product"), square("odd product")] as const;

    if (rows <= columns) this.#forward(name, x, x, gram.place);
    else this.#gramOfColumns(name, x, gram.place);
    let length = 1;
    this.#plan.asideHost("update", name, () => {
      let squares = 0;
      for (let i = 0; i < side; i++) squares += gram.data[i * (side + 1)]!;
      length = Math.max(Math.sqrt(squares), eps);
      for (let i = 0; i < gram.data.length; i++) gram.data[i]! /= length ** 2;
    });
    for (let step = 0; step < steps; step++) {
      const own = step === 0 ? products[0] : factor;
      this.#forward(name, gram.place, gram.place, half.place);
      // a·1 + b·A + c·A², on the host, since it is small: with post-operations, products of version 2.6 are wrong here.
      this.#plan.asideHost("update", name, () => {
        const [from, squared, into] = [gram.data, half.data, own.data];
        for (let i = 0; i < into.length; i++) into[i] = b * from[i]! + c * squared[i]!;
        for (let i = 0; i < into.length; i += side + 1) into[i]! += a;
      });
      if (step > 0) this.#forward(name, own.place, products[(step - 1) % 2]!.place, products[step % 2]!.place);
      if (step === steps - 1) break;
      // The Gram matrix of the matrix so far; all of these are symmetric and commute.
      this.#forward(name, own.place, gram.place, half.place);
      this.#forward(name, half.place, own.place, gram.place);
    }
    const whole = products[(steps - 1) % 2]!;
    this.#plan.asideHost("update", name, () => {
      const scale = scaleFor(rms, rows, columns) / length;
      for (let i = 0; i < whole.data.length; i++) whole.data[i]! *= scale;
    });
    if (rows <= columns) this.#backward(name, whole.place, x, into);
    else this.#forward(name, x, whole.place, into);
  }

  #square(role: string, side: number): Square {
    const key = `${role} ${side}`;
    let square = this.#squares.get(key);
    if (square === undefined) {
      const data = new Float32Array(side * side);
      square = { data, place: this.#plan.fixed(this.#plan.describe([side, side], "f32", "plain"), data) };
      this.#squares.set(key, square);
    }
    return square;
  }

  /** `x · wᵀ`: a linear layer. */
  #forward(name: string, x: Place, w: Place, y: Place): void {
    const { api } = this.#plan;
    const spec = { primitive: "innerProduct", pass: "inference", src: x.desc, weights: w.desc, dst: y.desc } as const;
    this.#plan.aside("update", name, api.primitive(name, spec), { [Arg.src]: x, [Arg.weights]: w }, { [Arg.dst]: y });
  }

  /** `dy · w`: a linear layer's gradient by its input. */
  #backward(name: string, dy: Place, w: Place, dx: Place): void {
    const { api } = this.#plan;
    const spec = { primitive: "innerProduct", src: dx.desc, weights: w.desc, dst: dy.desc } as const;
    const hint = api.primitive(name, { ...spec, pass: "forward" });
    const primitive = api.primitive(name, { ...spec, pass: "backwardData" }, hint);
    this.#plan.aside("update", name, primitive, { [Arg.diffDst]: dy, [Arg.weights]: w }, { [Arg.diffSrc]: dx });
  }

  /** `xᵀ · x`: a linear layer's gradient by its weights. */
  #gramOfColumns(name: string, x: Place, dw: Place): void {
    const { api } = this.#plan;
    const spec = { primitive: "innerProduct", src: x.desc, weights: dw.desc, dst: x.desc } as const;
    const hint = api.primitive(name, { ...spec, pass: "forward" });
    const primitive = api.primitive(name, { ...spec, pass: "backwardWeights" }, hint);
    this.#plan.aside("update", name, primitive, { [Arg.src]: x, [Arg.diffDst]: x }, { [Arg.diffWeights]: dw });
  }
}
