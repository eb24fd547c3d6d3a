/** Rows [rows, d] plus table rows `first + stride · r` of a table [tableRows, d], in f64; rows beyond the table's last add nothing. */
export function addRowsReference(
  rows: ArrayLike<number>,
  table: ArrayLike<number>,
  { features, first, stride }: { features: number; first: number; stride: 0 | 1 },
): Float64Array {
  return Float64Array.from({ length: rows.length }, (_, index) => {
    const row = first + stride * Math.floor(index / features)
    return rows[index]! + (table[row * features + (index % features)] ?? 0)
  })
}
