// Squared distances of what a sum of centroids lacks to every centroid of the next codebook (reference/lcm.md §7):
//   guided:  r = y_u + g (y_c - y_u) - x;   else  r = y_c - x         distances[i] = sum_k (r[k] - C[i, k])^2
// The difference is squared as it stands: |r|^2 - 2 r C + |C|^2 would cancel where a centroid is near.
//
// Dispatch (ceil(units / (LANES / LANES_PER_CENTROID))). The search is bound by reading the codebook once: LANES_PER_CENTROID neighbouring
// lanes share a centroid and read neighbouring eights of it (8 lanes: a whole cache line a step in f16, two in f32). On a software adapter one
// lane takes a whole centroid and there is no barrier. A dim that is no multiple of 8 leaves centroids unaligned and is walked number by number.
//
// binding 1  prediction  [2, dim] f32: y_c, y_u ([1, dim] where not guided)     3  codebook   [units, dim] f32 or f16: C
//         2  total       [dim] f32: x                                           4  distances  [units] f32

struct Params {
  dim: u32,
  units: u32,
  guided: u32,
  guidance_scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<vec4f>;
@group(0) @binding(2) var<storage, read> total: array<vec4f>;
@group(0) @binding(3) var<storage, read> codebook: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> distances: array<f32>;

override HALF_WEIGHTS: bool;
override LANES: u32;
override LANES_PER_CENTROID: u32;  // a divisor of LANES

var<workgroup> partial: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let unit = group.x * (LANES / LANES_PER_CENTROID) + lane / LANES_PER_CENTROID;
  let part = lane % LANES_PER_CENTROID;
  var sum = 0.0;
  if (unit < params.units) {
    sum = squares(unit * params.dim, part);
  }
  if (LANES_PER_CENTROID > 1u) {
    partial[lane] = sum;
    workgroupBarrier();
    if (part == 0u) {
      for (var other = 1u; other < LANES_PER_CENTROID; other++) {
        sum += partial[lane + other];
      }
    }
  }
  if (part == 0u && unit < params.units) {
    distances[unit] = sum;
  }
}

// The squared differences to the centroid at number `start`, summed over the eights part, part + LANES_PER_CENTROID, ... of it.
fn squares(start: u32, part: u32) -> f32 {
  if (params.dim % 8u != 0u) {
    var sum = 0.0;
    for (var k = part; k < params.dim; k += LANES_PER_CENTROID) {
      let difference = one_lacking(k) - one_coordinate(start + k);
      sum += difference * difference;
    }
    return sum;
  }
  var sums = vec4f();
  for (var k = 8u * part; k < params.dim; k += 8u * LANES_PER_CENTROID) {
    var low: vec4f;
    var high: vec4f;
    if (HALF_WEIGHTS) {
      let words = codebook[(start + k) / 8u];
      low = vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
      high = vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
    } else {
      low = bitcast<vec4f>(codebook[(start + k) / 4u]);
      high = bitcast<vec4f>(codebook[(start + k) / 4u + 1u]);
    }
    low -= lacking(k / 4u);
    high -= lacking(k / 4u + 1u);
    sums += low * low + high * high;
  }
  return (sums.x + sums.y) + (sums.z + sums.w);
}

fn lacking(quad: u32) -> vec4f {
  let conditional = prediction[quad];
  if (params.guided == 0u) {
    return conditional - total[quad];
  }
  let unconditional = prediction[params.dim / 4u + quad];
  return unconditional + params.guidance_scale * (conditional - unconditional) - total[quad];
}

fn one_lacking(k: u32) -> f32 {
  let conditional = prediction[k / 4u][k % 4u];
  let already = total[k / 4u][k % 4u];
  if (params.guided == 0u) {
    return conditional - already;
  }
  let other = params.dim + k;
  let unconditional = prediction[other / 4u][other % 4u];
  return unconditional + params.guidance_scale * (conditional - unconditional) - already;
}

fn one_coordinate(index: u32) -> f32 {
  if (HALF_WEIGHTS) {
    return unpack2x16float(codebook[index / 8u][index / 2u % 4u])[index % 2u];
  }
  return bitcast<f32>(codebook[index / 4u][index % 4u]);
}
