// Rotary position embedding, in place, on interleaved pairs: with (a, b) = (x[2i], x[2i + 1]) of a head at absolute position p,
//   x[2i]     = a cos(p f_i) - b sin(p f_i)
//   x[2i + 1] = a sin(p f_i) + b cos(p f_i)          f_i = 10000^(-2i / headDim)
// The cosines and sines come from a table: WGSL promises sin and cos only to 2^-11, and only for angles within pi.
//
// Dispatch (ceil(pairs of a row / 64), rows). A thread turns one pair, its neighbour the next: every load is coalesced.
//
// binding 1  pairs   [capacity, d / 2] vec2f, rotated     3  cursor  u32 [position, contextLength, step, -]
//         2  table   [positions, headDim / 2] vec2f (cos, sin)

struct Params {
  pairs: u32,       // pairs in a row: d / 2
  head_pairs: u32,  // pairs in a head: headDim / 2
  capacity: u32,    // rows of the tensor; rows beyond are dropped
  at_cursor: u32,   // 1: the rows lie at row cursor.position on, 0: at row 0 on
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> pairs: array<vec2f>;
@group(0) @binding(2) var<storage, read> table: array<vec2f>;
@group(0) @binding(3) var<storage, read> cursor: vec4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let position = cursor.x + id.y;
  let row = select(id.y, position, params.at_cursor == 1u);
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
