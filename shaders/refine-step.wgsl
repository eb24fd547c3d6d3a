// One step of a Quant-LCM's refinement after its network has run (reference/lcm.md §7): a unit of the codebook is chosen, and its centroid added.
//   logits:     s = y_u + g (y_c - y_u) where guided, else y_c          distances:  s = -y_c
//   greedy:     i = argmax s
//   else:       p(i) = exp(s[i] / temperature) among the `kept` best, 0 elsewhere; i = the first with p(0) + ... + p(i) > draws[step] * sum p
//   x += C[i];   cursor.step += 1
// Among equals the lower unit is the better one.
//
// Dispatch (1): a single workgroup, because there is one choice; it reads a few rows of `units` numbers. The kept-th best score is found bit by
// bit: floats as integers of the same order, and for each bit one count of the scores that are no less. Lane l owns units
// [l * share, (l + 1) * share), so that units, and with them the sums of p, are in order over the lanes.
//
// binding 1  scores    [2, units] f32: y_c, y_u ([1, units] where not guided)     4  draws   [steps] f32, 0 to 1; any buffer when greedy
//         2  codebook  [units, dim] f32 or f16: C                                 5  cursor  u32 [position, contextLength, step, -]
//         3  total     [dim] f32: x, replaced

struct Params {
  units: u32,
  dim: u32,
  kept: u32,        // 1 to units
  distances: u32,   // 1: scores are distances
  guided: u32,      // 1: scores are two rows of logits
  greedy: u32,
  guidance_scale: f32,
  temperature: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> codebook: array<u32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;
@group(0) @binding(4) var<storage, read> draws: array<f32>;
@group(0) @binding(5) var<storage, read_write> cursor: vec4u;

override HALF_WEIGHTS: bool;
override LANES: u32;

var<workgroup> shared_step: u32;
var<workgroup> candidates: array<vec2u, LANES>;  // (ordered score, unit)
var<workgroup> shares: array<f32, LANES>;
var<workgroup> ties: array<u32, LANES>;
var<workgroup> counted: atomic<u32>;
var<workgroup> chosen: u32;

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) {
    shared_step = cursor.z;
    cursor.z += 1u;
  }
  let step = workgroupUniformLoad(&shared_step);
  let share = (params.units + LANES - 1u) / LANES;
  let first = min(lane * share, params.units);
  let end = min(first + share, params.units);

  let best = best_unit(lane, first, end);
  if (lane == 0u) {
    chosen = best;
  }
  if (params.greedy == 0u) {
    let maximum = score(best);
    let threshold = kept_best(first, end);
    let ties_taken = ties_to_take(lane, first, end, threshold);
    choose(lane, first, end, maximum, threshold, ties_taken, draws[step]);
  }
  let unit = workgroupUniformLoad(&chosen);
  for (var k = lane; k < params.dim; k += LANES) {
    total[k] += coordinate(unit * params.dim + k);
  }
}

// The unit with the highest score, the same for every lane.
fn best_unit(lane: u32, first: u32, end: u32) -> u32 {
  var mine = vec2u(0u, params.units);
  for (var unit = first; unit < end; unit++) {
    let key = ordered(score(unit));
    if (key > mine.x || mine.y == params.units) {
      mine = vec2u(key, unit);
    }
  }
  candidates[lane] = mine;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      let other = candidates[lane + half];
      let better = other.x > candidates[lane].x || (other.x == candidates[lane].x && other.y < candidates[lane].y);
      if (better) {
        candidates[lane] = other;
      }
    }
  }
  workgroupBarrier();
  return min(candidates[0].y, params.units - 1u);
}

// The kept-th highest of the ordered scores: the largest number that `kept` of them reach.
fn kept_best(first: u32, end: u32) -> u32 {
  var threshold = 0u;
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    let candidate = threshold | bit;
    if (count_from(first, end, candidate) >= params.kept) {
      threshold = candidate;
    }
  }
  return threshold;
}

// How many scores are no less than `least`, of all lanes.
fn count_from(first: u32, end: u32, least: u32) -> u32 {
  atomicStore(&counted, 0u);
  workgroupBarrier();
  var mine = 0u;
  for (var unit = first; unit < end; unit++) {
    mine += u32(ordered(score(unit)) >= least);
  }
  atomicAdd(&counted, mine);
  workgroupBarrier();
  let all = atomicLoad(&counted);
  workgroupBarrier();
  return all;
}

// How many of this lane's units that stand at the threshold are among the kept ones: of all those, the first.
fn ties_to_take(lane: u32, first: u32, end: u32, threshold: u32) -> u32 {
  let above = count_from(first, end, min(threshold, 0xfffffffeu) + 1u);
  var mine = 0u;
  for (var unit = first; unit < end; unit++) {
    mine += u32(ordered(score(unit)) == threshold);
  }
  ties[lane] = mine;
  workgroupBarrier();
  var left = params.kept - min(above, params.kept);
  for (var other = 0u; other < lane; other++) {
    left -= min(left, ties[other]);
  }
  return min(left, mine);
}

// Writes the unit in whose part of the kept units' weights the draw falls.
fn choose(lane: u32, first: u32, end: u32, maximum: f32, threshold: u32, ties_taken: u32, draw: f32) {
  var mine = 0.0;
  var left = ties_taken;
  for (var unit = first; unit < end; unit++) {
    mine += weight(unit, maximum, threshold, &left);
  }
  shares[lane] = mine;
  atomicStore(&counted, 0u);
  workgroupBarrier();

  var before = 0.0;
  var all = 0.0;
  for (var other = 0u; other < LANES; other++) {
    if (other == lane) {
      before = all;
    }
    all += shares[other];
  }
  let wanted = draw * all;
  // The last lane that begins no later than the draw falls; with rounding too, one of those that have a weight.
  if (mine > 0.0 && before <= wanted) {
    atomicMax(&counted, lane);
  }
  workgroupBarrier();
  if (atomicLoad(&counted) == lane && mine > 0.0) {
    left = ties_taken;
    for (var unit = first; unit < end; unit++) {
      let part = weight(unit, maximum, threshold, &left);
      if (part > 0.0 && before <= wanted) {
        chosen = unit;
      }
      before += part;
    }
  }
}

// What a unit weighs in the choice; `left` counts those at the threshold that may still be taken.
fn weight(unit: u32, maximum: f32, threshold: u32, left: ptr<function, u32>) -> f32 {
  let s = score(unit);
  let key = ordered(s);
  if (key < threshold || (key == threshold && *left == 0u)) {
    return 0.0;
  }
  if (key == threshold) {
    *left -= 1u;
  }
  return exp((s - maximum) / params.temperature);
}

fn score(unit: u32) -> f32 {
  let conditional = scores[unit];
  if (params.distances == 1u) {
    return -conditional;
  }
  if (params.guided == 0u) {
    return conditional;
  }
  let unconditional = scores[params.units + unit];
  return unconditional + params.guidance_scale * (conditional - unconditional);
}

// Integers in the order of floats, both zeros alike.
fn ordered(value: f32) -> u32 {
  let bits = select(bitcast<u32>(value), 0u, value == 0.0);
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn coordinate(index: u32) -> f32 {
  if (HALF_WEIGHTS) {
    return unpack2x16float(codebook[index / 2u])[index % 2u];
  }
  return bitcast<f32>(codebook[index]);
}
