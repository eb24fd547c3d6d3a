// Rotary position embedding, in place, on interleaved pairs: with (a, b) = (x[2i], x[2i + 1]) of a head at absolute position p,
//   x[2i]     = a cos(p f_i) - b sin(p f_i)
//   x[2i + 1] = a sin(p f_i) + b cos(p f_i)          f_i = 10000^(-2i / headDim)
// The cosines and sines come from a table: WGSL promises sin and cos only to 2^-11, and only for angles within pi.
//
// Dispatch (ceil(pairs of a row / 64), rows). A thread turns one pair, its neighbour the next: every load is coalesced.
//
// binding 1  pairs   [capacity, d / 2] vec2f, rotated     3  cursors  [..] u32 [position, contextLength, step, base]
//         2  table   [positions, headDim / 2] vec2f (cos, sin)
// Row r is at position cursors[0].position + r of one document, or, with per_row, at cursors[r].position of a document of its own.

struct Params {
  pairs: u32,       // pairs in a row: d / 2
  head_pairs: u32,  // pairs in a head: headDim / 2
  capacity: u32,    // rows of the tensor; rows beyond are dropped
  at_cursor: u32,   // 1: the rows lie at row base + position, 0: at row 0 on
  per_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2f>;
@group(0) @binding(2) var<storage, read> table: array<vec2f>;
@group(0) @binding(3) var<storage, read> cursors: array<vec4u>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let alone = params.per_row == 1u;
  let cursor = cursors[select(0u, id.y, alone)];
  let position = cursor.x + select(id.y, 0u, alone);
  let row = select(id.y, cursor.w + position, params.at_cursor == 1u);
  let turn = position * params.head_pairs + id.x % params.head_pairs;
  if (id.x >= params.pairs || row >= params.capacity || turn >= arrayLength(&table)) {
    return;
  }
  let rotation = table[turn];
  let pair = pairs[row * params.pairs + id.x];
  pairs[row * params.pairs + id.x] = vec2f(
    pair.x * rotation.x - pair.y * rotation.y,
    pair.x * rotation.y + pair.y * rotation.x);
}
