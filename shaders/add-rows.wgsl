// Adds rows of a table that the cursor picks, in place:
//   x[r, i] = x[r, i] + table[first + stride * r, i]      first = cursor.position + plus, or cursor.step
//
// Dispatch (ceil(d / 64), rows). A thread adds one number, its neighbour the next: every load is coalesced.
//
// binding 1  tensor  [rows or more, d] f32     3  cursor  u32 [position, contextLength, step, -]
//         2  table   [table_rows, d] f32

struct Params {
  features: u32,    // d
  table_rows: u32,  // rows beyond the table's last add nothing
  by_step: u32,     // 1: first = cursor.step, 0: first = cursor.position + plus
  plus: u32,
  stride: u32,      // 1: a table row for every row, 0: one for all
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> tensor: array<f32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> cursor: vec4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = select(cursor.x + params.plus, cursor.z, params.by_step == 1u) + params.stride * id.y;
  if (id.x >= params.features || row >= params.table_rows) {
    return;
  }
  tensor[id.y * params.features + id.x] += table[row * params.features + id.x];
}
