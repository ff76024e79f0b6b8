/**
 * Principal directions of a symmetric matrix by Jacobi rotations: accurate enough for a few hundred rows, and the same
 * bits everywhere.
 */

export interface Principal {
  /** Eigenvalues, largest first. */
  readonly values: Float64Array;
  /** Unit eigenvectors, one per row; the largest element of a row is positive. */
  readonly directions: Float64Array;
}

/** Most sweeps over all pairs; 8 are enough for a covariance of 147 rows. */
const mostSweeps = 30;

/**
 * @param matrix `[size, size]`, symmetric
 * @param size rows
 */
export function principalDirections(matrix: Float64Array, size: number): Principal {
  const a = Float64Array.from(matrix);
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  const enough = 1e-24 * a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < mostSweeps && offDiagonal(a, size) > enough; sweep++) {
    for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) rotate(a, vectors, size, p, q);
  }
  const order = Array.from({ length: size }, (_, i) => i).sort((i, j) => a[j * size + j]! - a[i * size + i]!);
  const values = Float64Array.from(order, (i) => a[i * size + i]!);
  const directions = new Float64Array(size * size);
  order.forEach((from, to) => {
    const row = vectors.subarray(from * size, (from + 1) * size);
    const largest = row.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
    directions.set(largest < 0 ? row.map((value) => -value) : row, to * size);
  });
  return { values, directions };
}

function offDiagonal(a: Float64Array, size: number): number {
  let sum = 0;
  for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) sum += a[p * size + q]! ** 2;
  return 2 * sum;
}

/** Rotates rows and columns p and q so that `a[p, q]` becomes 0 (Golub and Van Loan, Matrix Computations, 8.5). */
function rotate(a: Float64Array, vectors: Float64Array, size: number, p: number, q: number): void {
  const between = a[p * size + q]!;
  if (between === 0) return;
  const theta = (a[q * size + q]! - a[p * size + p]!) / (2 * between);
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  for (let k = 0; k < size; k++) turn(a, k * size + p, k * size + q, cosine, sine);
  for (let k = 0; k < size; k++) turn(a, p * size + k, q * size + k, cosine, sine);
  for (let k = 0; k < size; k++) turn(vectors, p * size + k, q * size + k, cosine, sine);
}

function turn(data: Float64Array, i: number, j: number, cosine: number, sine: number): void {
  const [x, y] = [data[i]!, data[j]!];
  data[i] = cosine * x - sine * y;
  data[j] = sine * x + cosine * y;
}
