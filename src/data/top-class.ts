/** The class that outputs tell: the index of the largest value, the first on a tie. */
export function topClass(values: ArrayLike<number>): number {
  let top = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[top]!) top = i;
  return top;
}
