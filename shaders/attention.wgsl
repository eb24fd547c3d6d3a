// Attention of one head of one row over the rows it may see:
//   s[j] = q . k[j] / sqrt(headDim)        y = sum_j exp(s[j] - m) v[j] / sum_j exp(s[j] - m),   m = max_j s[j]
// causal: row r sees cache rows 0 to cursor.position + r;   cross: every row sees cache rows 0 to cursor.contextLength - 1.
// With per_row each row is the next of a document of its own: row r has cursors[r], and its document's cache rows begin at its base.
//
// Dispatch (heads, rows). Keys are taken in chunks of LANES. First every lane scores one key. Then the lanes regroup: with
// Q = ceil(headDim / 4), lane l owns quad l % Q of the output and adds up every (LANES / Q)-th value of the chunk, so that Q neighbouring lanes read one value row as
// one coalesced run. The maximum is the running one of Milakov and Gimelshein 2018 ("Online normalizer calculation for softmax"): when a
// chunk raises it, the sums so far shrink by exp(old - new). The order depends on the number of visible rows alone, so a row has the same
// bits in a prefill and as a single new row.
//
// binding 1  query   [rows, d] f32        4  output  [rows, d] f32
//         2  keys    [capacity, d] f32    5  cursors  [..] u32 [position, contextLength, step, base]
//         3  values  [capacity, d] f32
// A row holds its heads side by side: d = heads * headDim, headDim up to 4 LANES. A headDim that is a multiple of 4 is read as vec4
// (ALIGNED); any other leaves heads unaligned and is read one number at a time. The output is stored number by number,
// because two workgroups must not store into one vec4.

struct Params {
  features: u32,    // d
  head_dim: u32,
  head_quads: u32,  // Q = ceil(headDim / 4)
  capacity: u32,
  causal: u32,
  per_row: u32,
  scale: f32,       // 1 / sqrt(headDim)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> query: array<vec4f>;
@group(0) @binding(2) var<storage, read> keys: array<vec4f>;
@group(0) @binding(3) var<storage, read> values: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<storage, read> cursors: array<vec4u>;

override LANES: u32;
override ALIGNED: bool;

const LOWEST = -1e30;

var<workgroup> scores: array<f32, LANES>;
var<workgroup> partial: array<vec4f, LANES>;
var<workgroup> totals: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = group.x * params.head_dim;
  let row = group.y;
  let alone = params.per_row == 1u;
  let cursor = cursors[select(0u, row, alone)];
  let base = min(cursor.w, params.capacity);
  let visible = min(select(cursor.y, cursor.x + select(row, 0u, alone) + 1u, params.causal == 1u), params.capacity - base);
  let teams = LANES / params.head_quads;
  let team = lane / params.head_quads;
  let quad = lane % params.head_quads;

  var maximum = LOWEST;
  var total = 0.0;
  var sum = vec4f();
  for (var first = 0u; first < visible; first += LANES) {
    let count = min(LANES, visible - first);
    var score = LOWEST;
    if (lane < count) {
      score = params.scale * dot_with_query(row * params.features + head, (base + first + lane) * params.features + head);
    }
    scores[lane] = score;
    workgroupBarrier();

    var raised = maximum;
    for (var j = 0u; j < count; j++) {
      raised = max(raised, scores[j]);
    }
    workgroupBarrier();
    scores[lane] = exp(score - raised);
    workgroupBarrier();

    let shrink = exp(maximum - raised);
    total *= shrink;
    sum *= shrink;
    maximum = raised;
    if (team < teams) {
      for (var j = team; j < count; j += teams) {
        total += scores[j];
        sum += scores[j] * value_quad((base + first + j) * params.features + head, quad);
      }
    }
    workgroupBarrier();
  }

  partial[lane] = sum;
  totals[lane] = total;
  workgroupBarrier();
  if (team == 0u) {
    for (var other = 1u; other < teams; other++) {
      sum += partial[other * params.head_quads + quad];
      total += totals[other * params.head_quads + quad];
    }
    // With nothing to see the answer is zero, not 0 / 0.
    let mean = sum / max(total, 1e-30);
    for (var i = 0u; i < 4u; i++) {
      if (4u * quad + i < params.head_dim) {
        output[row * params.features + head + 4u * quad + i] = mean[i];
      }
    }
  }
}

fn dot_with_query(query_start: u32, key_start: u32) -> f32 {
  var sum = vec4f();
  for (var i = 0u; i < params.head_quads; i++) {
    sum += query_quad(query_start, i) * key_quad(key_start, i);
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

// Numbers 4 quad to 4 quad + 3 of the head that starts at number `start`.

fn query_quad(start: u32, quad: u32) -> vec4f {
  if (ALIGNED) {
    return query[start / 4u + quad];
  }
  let at = indices(start, quad);
  return inside(quad) * vec4f(query[at.x / 4u][at.x % 4u], query[at.y / 4u][at.y % 4u], query[at.z / 4u][at.z % 4u], query[at.w / 4u][at.w % 4u]);
}

fn key_quad(start: u32, quad: u32) -> vec4f {
  if (ALIGNED) {
    return keys[start / 4u + quad];
  }
  let at = indices(start, quad);
  return vec4f(keys[at.x / 4u][at.x % 4u], keys[at.y / 4u][at.y % 4u], keys[at.z / 4u][at.z % 4u], keys[at.w / 4u][at.w % 4u]);
}

fn value_quad(start: u32, quad: u32) -> vec4f {
  if (ALIGNED) {
    return values[start / 4u + quad];
  }
  let at = indices(start, quad);
  return vec4f(values[at.x / 4u][at.x % 4u], values[at.y / 4u][at.y % 4u], values[at.z / 4u][at.z % 4u], values[at.w / 4u][at.w % 4u]);
}

// Past the head's end its last number is read again; `inside` makes it count for nothing in the query, and it is never stored.
fn indices(start: u32, quad: u32) -> vec4u {
  return start + min(4u * quad + vec4u(0, 1, 2, 3), vec4u(params.head_dim - 1u));
}

fn inside(quad: u32) -> vec4f {
  return select(vec4f(), vec4f(1), 4u * quad + vec4u(0, 1, 2, 3) < vec4u(params.head_dim));
}
