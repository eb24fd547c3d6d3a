// Root-mean-square norm, plain or adaptive:
//   h[r, i] = x[r, i] / sqrt( mean_i(x[r, i]^2) + 1e-5 ) * w[i]
//   y[r, i] = h[r, i] * (1 + scale[i]) + shift[i]          where modulated, with shift and scale from row cursor.step of a table
//
// Dispatch (rows). The lanes of a workgroup share one row: lane l takes features l, l + LANES, ..., so that each step of the workgroup reads
// neighbouring words (coalesced), and the lanes' sums of squares are added as a tree. The row is read twice, the second time from cache.
//
// binding 1  input   [rows, d] f32        4  table   [steps, table_width] f32
//         2  weight  [d] f32              5  cursor  u32 [position, contextLength, step, -]
//         3  output  [rows, d] f32
// Bindings 4 and 5 hold any buffer where the call is not modulated.

struct Params {
  features: u32,     // d
  table_width: u32,  // 0: not modulated
  shift: u32,        // first element of the shifts in a table row
  scale: u32,        // first element of the scales in a table row
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read> cursor: vec4u;

override LANES: u32;

var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = group.x * params.features;
  var squares = 0.0;
  for (var i = lane; i < params.features; i += LANES) {
    let x = input[start + i];
    squares += x * x;
  }
  partial[lane] = squares;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
  }
  workgroupBarrier();
  let root = sqrt(partial[0] / f32(params.features) + 1e-5);

  let modulation = cursor.z * params.table_width;
  for (var i = lane; i < params.features; i += LANES) {
    var y = input[start + i] / root * weight[i];
    if (params.table_width > 0u) {
      y = y * (1.0 + table[modulation + params.scale + i]) + table[modulation + params.shift + i];
    }
    output[start + i] = y;
  }
}
