// The gated half of the feed-forward layer (Shazeer 2020, "GLU Variants Improve Transformer"), both projections in one pass over x:
//   y[r, n] = ( sum_k V[n, k] x[r, k] + c[n] ) * silu( sum_k W[n, k] x[r, k] + b[n] ),   silu(g) = g / (1 + exp(-g))
//
// Built like linear.wgsl, which explains the access order: four weight rows are read together, here two channels of the gate W and the same
// two of V, so that the lane that ends up with a sum of one has the other beside it.
//   by_workgroup  dispatch (ceil(N / 2), ceil(rows / ROWS)): 64 lanes share two channels
//   by_thread     dispatch (ceil(N / 2 / 8), ceil(rows / ROWS)): one thread computes two channels
//
// Where W and V lie in several buffers each, a dispatch computes the channels of one of them.
//
// binding 1  input        [rows, K] f32                 4  inner_weight  [channels, K], V, of the same type
//         2  gate_weight  [channels, K], W, f32 or f16  5  inner_bias    [N] f32, c
//         3  gate_bias    [N] f32, b                    6  output        [rows, N] f32

struct Params {
  inputs: u32,    // K
  channels: u32,  // rows of W in this dispatch: N, or a part of it
  rows: u32,
  first: u32,     // output channel of the first of them
  width: u32,     // N
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> gate_weight: array<vec4u>;
@group(0) @binding(3) var<storage, read> gate_bias: array<f32>;
@group(0) @binding(4) var<storage, read> inner_weight: array<vec4u>;
@group(0) @binding(5) var<storage, read> inner_bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> output: array<f32>;

override HALF_WEIGHTS: bool;
override ROWS: u32;  // rows computed together: 1, 2 or 4

const LANES = 64u;

var<workgroup> partial: array<vec4f, LANES * ROWS>;

@compute @workgroup_size(LANES)
fn by_workgroup(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let channel = 2u * group.x;
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
  // Lanes 0 and 1 finish one channel each.
  if (lane < 2u) {
    for (var r = 0u; r < ROWS; r++) {
      store(channel + lane, row + r, partial[r * LANES][lane], partial[r * LANES][lane + 2u]);
    }
  }
}

@compute @workgroup_size(8)
fn by_thread(@builtin(global_invocation_id) id: vec3u) {
  let channel = 2u * id.x;
  let row = ROWS * id.y;
  if (channel >= params.channels) {
    return;
  }
  let mine = sums(channel, row, 0u, 1u);
  for (var r = 0u; r < ROWS; r++) {
    store(channel, row + r, mine[r].x, mine[r].z);
    store(channel + 1u, row + r, mine[r].y, mine[r].w);
  }
}

// As in linear.wgsl; the columns of low and high are two gate channels, then the same two of the inner projection.
fn sums(channel: u32, row: u32, first: u32, stride: u32) -> mat4x4f {
  let w = min(vec2u(channel) + vec2u(0, 1), vec2u(params.channels - 1u)) * params.inputs;
  let x = min(vec4u(row) + vec4u(0, 1, 2, 3), vec4u(params.rows - 1u)) * params.inputs;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  if (params.inputs % 8u == 0u) {
    for (var k = 8u * first; k < params.inputs; k += 8u * stride) {
      var low: mat4x4f;
      var high: mat4x4f;
      if (HALF_WEIGHTS) {
        let a = gate_weight[(w.x + k) / 8u];
        let b = gate_weight[(w.y + k) / 8u];
        let c = inner_weight[(w.x + k) / 8u];
        let d = inner_weight[(w.y + k) / 8u];
        low = mat4x4f(expand(a.xy), expand(b.xy), expand(c.xy), expand(d.xy));
        high = mat4x4f(expand(a.zw), expand(b.zw), expand(c.zw), expand(d.zw));
      } else {
        let a = (w.x + k) / 4u;
        let b = (w.y + k) / 4u;
        low = mat4x4f(plain(gate_weight[a]), plain(gate_weight[b]), plain(inner_weight[a]), plain(inner_weight[b]));
        high = mat4x4f(plain(gate_weight[a + 1u]), plain(gate_weight[b + 1u]), plain(inner_weight[a + 1u]), plain(inner_weight[b + 1u]));
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
      let one = vec4f(
        one_weight(gate_word(w.x + k), w.x + k), one_weight(gate_word(w.y + k), w.y + k),
        one_weight(inner_word(w.x + k), w.x + k), one_weight(inner_word(w.y + k), w.y + k));
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

fn plain(words: vec4u) -> vec4f {
  return bitcast<vec4f>(words);
}

fn expand(words: vec2u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn one_input(index: u32) -> f32 {
  return input[index / 4u][index % 4u];
}

fn gate_word(index: u32) -> u32 {
  let word = select(index, index / 2u, HALF_WEIGHTS);
  return gate_weight[word / 4u][word % 4u];
}

fn inner_word(index: u32) -> u32 {
  let word = select(index, index / 2u, HALF_WEIGHTS);
  return inner_weight[word / 4u][word % 4u];
}

fn one_weight(word: u32, index: u32) -> f32 {
  if (HALF_WEIGHTS) {
    return unpack2x16float(word)[index % 2u];
  }
  return bitcast<f32>(word);
}

fn store(row_of_weight: u32, row: u32, gate_sum: f32, inner_sum: f32) {
  if (row_of_weight >= params.channels || row >= params.rows) {
    return;
  }
  let channel = params.first + row_of_weight;
  let gate = gate_sum + gate_bias[channel];
  let inner = inner_sum + inner_bias[channel];
  output[row * params.width + channel] = inner * (gate / (1.0 + exp(-gate)));
}
