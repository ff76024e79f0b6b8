/**
 * Orthogonalisation for Muon: turns a matrix U·S·Vᵀ into approximately U·Vᵀ by a few steps of a Newton-Schulz iteration
 * (Jordan, kellerjordan.github.io/posts/muon; PyTorch's torch.optim.Muon). This version is the slow reference; engines
 * with matrix products use their own.
 */

/**
 * Coefficients of an odd polynomial that is steep at zero: most singular values end between 0.7 and 1.2, which is close
 * enough to 1.
 */
export const newtonSchulz = { steps: 5, a: 3.4445, b: -4.775, c: 2.0315, eps: 1e-7 } as const;

/** The factor that gives an orthogonal matrix this root mean square. */
export const scaleFor = (rms: number, rows: number, columns: number): number =>
  rms * Math.sqrt(Math.max(rows, columns));

/**
 * @param data row-major
 * @param rms root mean square of the result's elements, if it were exactly orthogonal
 */
export function orthogonal(data: ArrayLike<number>, rows: number, columns: number, rms: number): Float64Array {
  if (rows > columns) {
    return transposed(orthogonal(transposed(data, rows, columns), columns, rows, rms), columns, rows);
  }
  const { steps, a, b, c, eps } = newtonSchulz;
  let squares = 0;
  for (let i = 0; i < data.length; i++) squares += data[i]! ** 2;
  const length = Math.max(Math.sqrt(squares), eps);
  let x = Float64Array.from(data, (value) => value / length);
  for (let step = 0; step < steps; step++) {
    const gram = product(x, transposed(x, rows, columns), rows, columns);
    const square = product(gram, gram, rows, rows);
    const factor = gram.map((value, i) => b * value + c * square[i]! + (i % (rows + 1) === 0 ? a : 0));
    x = product(factor, x, rows, rows);
  }
  const scale = scaleFor(rms, rows, columns);
  return x.map((value) => scale * value);
}

/** `x [rows, inner] · y [inner, ...]` */
function product(x: Float64Array, y: Float64Array, rows: number, inner: number): Float64Array<ArrayBuffer> {
  const columns = y.length / inner;
  const result = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < inner; k++) {
      const factor = x[row * inner + k]!;
      for (let j = 0; j < columns; j++) result[row * columns + j]! += factor * y[k * columns + j]!;
    }
  }
  return result;
}

function transposed(x: ArrayLike<number>, rows: number, columns: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: x.length }, (_, i) => x[(i % rows) * columns + Math.floor(i / rows)]!);
}
