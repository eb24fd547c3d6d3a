// Nearest rows by cosine, one tile of rows at a time:
//   cosine(q, x) = sum_i q[i] x[i] / sqrt( sum_i q[i]^2 * sum_i x[i]^2 )
// Of every tile of 1024 rows the `kept` best of each query are written, best first and the lower row first among equals. A row or a query of
// zeros has no direction: the pair is written with a cosine of -2, behind all others.
//
// Dispatch (ceil(rows / 1024), queries). The search is bound by reading the rows once: LANES_PER_ROW neighbouring lanes share a row and read
// neighbouring vec4s of it (8 lanes: 128 bytes a step, a whole cache line), so no other layout than row-major is needed. On a software adapter
// one lane takes a whole row and there is no barrier. The cosines of a tile stay in workgroup memory, where a bitonic network puts them in
// order: it takes the same time for every `kept`, and no score leaves the workgroup but those.
//
// Rows and queries are scaled so that their largest element is near 1 (see packRows): no square overflows or vanishes.
//
// binding 1  queries   [queries, width] f32     3  best  [queries, tiles, kept] of (cosine, row) f32; rows are below 2^24
//         2  concepts  [rows, width] f32

struct Params {
  vectors: u32,  // vec4s in a row: width / 4
  rows: u32,
  kept: u32,     // at most 1024
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<vec4f>;
@group(0) @binding(2) var<storage, read> concepts: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> best: array<vec2f>;

override LANES_PER_ROW: u32;  // 1 to LANES, a divisor of it

const LANES = 128u;
const TILE = 1024u;
const ABSENT = -2.0;

var<workgroup> found: array<vec2f, TILE>;     // (cosine, row)
var<workgroup> partial: array<vec3f, LANES>;  // sums of q x, x^2 and q^2

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let part = lane % LANES_PER_ROW;
  let rows_at_once = LANES / LANES_PER_ROW;
  for (var first = 0u; first < TILE; first += rows_at_once) {
    let slot = first + lane / LANES_PER_ROW;
    let row = TILE * group.x + slot;
    var sums = vec3f();
    if (row < params.rows) {
      for (var i = part; i < params.vectors; i += LANES_PER_ROW) {
        let q = queries[group.y * params.vectors + i];
        let x = concepts[row * params.vectors + i];
        sums += vec3f(dot(q, x), dot(x, x), dot(q, q));
      }
    }
    if (LANES_PER_ROW > 1u) {
      partial[lane] = sums;
      workgroupBarrier();
      if (part == 0u) {
        for (var other = 1u; other < LANES_PER_ROW; other++) {
          sums += partial[lane + other];
        }
      }
      workgroupBarrier();
    }
    if (part == 0u) {
      found[slot] = vec2f(cosine(sums), f32(row));
    }
  }

  for (var run = 2u; run <= TILE; run *= 2u) {
    for (var stride = run / 2u; stride > 0u; stride /= 2u) {
      workgroupBarrier();
      for (var pair = lane; pair < TILE / 2u; pair += LANES) {
        let low = 2u * stride * (pair / stride) + pair % stride;
        let a = found[low];
        let b = found[low + stride];
        // Every other run is put in reverse, so that two of them make one that the next round can merge.
        let reverse = (low & run) != 0u;
        if (before(b, a) != reverse) {
          found[low] = b;
          found[low + stride] = a;
        }
      }
    }
  }
  workgroupBarrier();
  let start = (group.y * groups.x + group.x) * params.kept;
  for (var i = lane; i < params.kept; i += LANES) {
    best[start + i] = found[i];
  }
}

fn cosine(sums: vec3f) -> f32 {
  let squares = sums.y * sums.z;
  if (squares == 0.0) {
    return ABSENT;
  }
  return clamp(sums.x * inverseSqrt(squares), -1.0, 1.0);
}

fn before(a: vec2f, b: vec2f) -> bool {
  return a.x > b.x || (a.x == b.x && a.y < b.y);
}
