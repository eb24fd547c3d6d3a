// Linear layer for few rows:  y[r, n] = residual[r, n] + gate[n] * activation( sum_k W[n, k] x[r, k] + b[n] )
// with activation = identity or silu, and gate and residual left out where the call has none.
//
// With one to a few rows the layer is bound by reading W once, so W's loads decide its speed. W is row-major [N, K]: eight
// neighbouring weights are one 16-byte load in f16 and two in f32, and each load serves ROWS rows of x.
//   by_workgroup  dispatch (ceil(N / 4), ceil(rows / ROWS)). 64 lanes share four channels: lane l takes eights l, l + 64, ... of K, so that a
//                 step of the workgroup reads 64 neighbouring eights of each channel (coalesced), then the lanes' sums are added as a tree.
//   by_thread     dispatch (ceil(N / 4 / 8), ceil(rows / ROWS)). A thread computes four channels alone: no barrier, no shared memory.
// A K that is no multiple of 8 leaves rows of W unaligned and takes the same walk one weight at a time.
//
// W may lie in several buffers, some of its rows in each: a dispatch then computes the channels of one of them.
//
// A row's sum is taken in an order that depends on K alone: it has the same bits however many rows are computed together.
//
// binding 1  input     [rows, K] f32       4  output    [capacity, N] f32, may also be the residual
//         2  weight    [channels, K]       5  gates     [steps, gate_width] f32, row cursors[0].step
//            f32 or f16                    6  cursors   [..] u32 [position, contextLength, step, base]
//         3  bias      [N] f32             7  residual  [rows, N] f32
// Bindings 5 to 7 hold any buffer where the call does not use them.

struct Params {
  inputs: u32,         // K
  channels: u32,       // rows of W in this dispatch: N, or a part of it
  rows: u32,
  capacity: u32,       // rows of output; rows beyond are dropped
  input_rows: u32,     // row r reads input row r % input_rows
  silu: u32,
  at_cursor: u32,      // 0: rows go to row 0 on; 1 + plus: to row base + position + plus on
  residual: u32,       // 0: none, 1: binding 7, 2: the output itself
  gated: u32,
  gate_offset: u32,
  gate_width: u32,
  first: u32,          // output channel of the first of them
  width: u32,          // N
  per_row: u32,        // 1: row r goes where cursors[r] says, 0: the rows follow each other from cursors[0] on
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4u>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> gates: array<f32>;
@group(0) @binding(6) var<storage, read> cursors: array<vec4u>;
@group(0) @binding(7) var<storage, read> residual: array<f32>;

override HALF_WEIGHTS: bool;
override ROWS: u32;  // rows computed together: 1, 2 or 4

const LANES = 64u;

var<workgroup> partial: array<vec4f, LANES * ROWS>;

@compute @workgroup_size(LANES)
fn by_workgroup(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = 4u * group.x;
  let row = ROWS * group.y;
  let mine = sums(channel, row, lane, LANES);
  for (var r = 0u; r < ROWS; r++) {
    partial[r * LANES + lane] = mine[r];
  }
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      for (var r = 0u; r < ROWS; r++) {
        partial[r * LANES + lane] += partial[r * LANES + lane + half];
      }
    }
  }
  workgroupBarrier();
  // Lanes 0 to 3 finish one channel each.
  if (lane < 4u) {
    for (var r = 0u; r < ROWS; r++) {
      store(channel + lane, row + r, partial[r * LANES][lane]);
    }
  }
}

@compute @workgroup_size(8)
fn by_thread(@builtin(global_invocation_id) id: vec3u) {
  let channel = 4u * id.x;
  let row = ROWS * id.y;
  if (channel >= params.channels) {
    return;
  }
  let mine = sums(channel, row, 0u, 1u);
  for (var r = 0u; r < ROWS; r++) {
    for (var c = 0u; c < 4u; c++) {
      store(channel + c, row + r, mine[r][c]);
    }
  }
}

// The products of four channels with ROWS rows, summed over the eights first, first + stride, ... of K: column r belongs to row `row + r`.
// Channels and rows past the last repeat the last and are not stored.
fn sums(channel: u32, row: u32, first: u32, stride: u32) -> mat4x4f {
  let w = min(vec4u(channel) + vec4u(0, 1, 2, 3), vec4u(params.channels - 1u)) * params.inputs;
  let x = min(vec4u(row) + vec4u(0, 1, 2, 3), vec4u(params.rows - 1u)) % params.input_rows * params.inputs;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  if (params.inputs % 8u == 0u) {
    for (var k = 8u * first; k < params.inputs; k += 8u * stride) {
      // One column a channel, so that x * low is the vector of the four channels' dot products.
      var low: mat4x4f;
      var high: mat4x4f;
      if (HALF_WEIGHTS) {
        let a = weight[(w.x + k) / 8u];
        let b = weight[(w.y + k) / 8u];
        let c = weight[(w.z + k) / 8u];
        let d = weight[(w.w + k) / 8u];
        low = mat4x4f(expand(a.xy), expand(b.xy), expand(c.xy), expand(d.xy));
        high = mat4x4f(expand(a.zw), expand(b.zw), expand(c.zw), expand(d.zw));
      } else {
        low = mat4x4f(plain((w.x + k) / 4u), plain((w.y + k) / 4u), plain((w.z + k) / 4u), plain((w.w + k) / 4u));
        high = mat4x4f(plain((w.x + k) / 4u + 1u), plain((w.y + k) / 4u + 1u), plain((w.z + k) / 4u + 1u), plain((w.w + k) / 4u + 1u));
      }
      sum0 += input[(x.x + k) / 4u] * low + input[(x.x + k) / 4u + 1u] * high;
      if (ROWS > 1u) {
        sum1 += input[(x.y + k) / 4u] * low + input[(x.y + k) / 4u + 1u] * high;
      }
      if (ROWS > 2u) {
        sum2 += input[(x.z + k) / 4u] * low + input[(x.z + k) / 4u + 1u] * high;
        sum3 += input[(x.w + k) / 4u] * low + input[(x.w + k) / 4u + 1u] * high;
      }
    }
  } else {
    for (var k = first; k < params.inputs; k += stride) {
      let one = vec4f(one_weight(w.x + k), one_weight(w.y + k), one_weight(w.z + k), one_weight(w.w + k));
      sum0 += one_input(x.x + k) * one;
      if (ROWS > 1u) {
        sum1 += one_input(x.y + k) * one;
      }
      if (ROWS > 2u) {
        sum2 += one_input(x.z + k) * one;
        sum3 += one_input(x.w + k) * one;
      }
    }
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}

fn plain(index: u32) -> vec4f {
  return bitcast<vec4f>(weight[index]);
}

fn expand(words: vec2u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn one_input(index: u32) -> f32 {
  return input[index / 4u][index % 4u];
}

fn one_weight(index: u32) -> f32 {
  if (HALF_WEIGHTS) {
    return unpack2x16float(weight[index / 8u][index / 2u % 4u])[index % 2u];
  }
  return bitcast<f32>(weight[index / 4u][index % 4u]);
}

fn store(row_of_weight: u32, row: u32, sum: f32) {
  var target_row = row;
  if (params.at_cursor > 0u) {
    let cursor = cursors[select(0u, row, params.per_row == 1u)];
    target_row = cursor.w + cursor.x + select(row, 0u, params.per_row == 1u) + params.at_cursor - 1u;
  }
  if (row_of_weight >= params.channels || row >= params.rows || target_row >= params.capacity) {
    return;
  }
  let channel = params.first + row_of_weight;
  var value = sum + bias[channel];
  if (params.silu == 1u) {
    value = value / (1.0 + exp(-value));
  }
  if (params.gated == 1u) {
    value *= gates[cursors[0].z * params.gate_width + params.gate_offset + channel];
  }
  let index = target_row * params.width + channel;
  if (params.residual == 1u) {
    value += residual[row * params.width + channel];
  } else if (params.residual == 2u) {
    value += output[index];
  }
  output[index] = value;
}
