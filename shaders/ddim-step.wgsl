// One denoising step after the denoiser has run (Song et al. 2021, "Denoising diffusion implicit models", with the guidance of Ho and
// Salimans 2022 and the rescaling of Lin et al. 2024). With a = alpha and p = alpha of the step that follows, and e(y) the noise that a
// prediction y stands for:
//   guided:    e = e_u + g (e_c - e_u);   e *= r std(e_c) / std(e) + 1 - r;   x0 = (x - sqrt(1 - a) e) / sqrt(a)
//   unguided:  e = e_c;                   x0 as the conditional prediction says
//   e /= epsilon_scaling;   x0 limited: clamped, or dynamically thresholded (Saharia et al. 2022)
//   estimate[step] = x0;   x = clamp( sqrt(p) x0 + sqrt(1 - p - sigma^2) e + sigma n );   cursor.step += 1
//
// Dispatch (rows): a workgroup a concept, because the standard deviations and the quantile run over all channels. Lane l owns channels
// l, l + LANES, ... throughout (coalesced); only the quantile reads what other lanes wrote.
//
// binding 1  prediction    [2 rows, dim] f32: the conditional ones, then the unconditional ([rows, dim] where not guided)
//         2  latent        [rows, dim] f32: x, replaced
//         3  estimate      [steps, rows, dim] f32: the rows of this step are written
//         4  coefficients  [steps, 8] f32: sqrt(a), sqrt(1 - a), sqrt(p), sqrt(1 - p - sigma^2), sigma, guided, -, -
//         5  noise         [steps, rows, dim] f32: n; any buffer where there is none
//         6  cursors       [rows] u32 [position, contextLength, step, base]

struct Params {
  dim: u32,
  prediction_type: u32,  // 0: sample, 1: epsilon, 2: v_prediction
  guided: u32,           // 1: the prediction has two rows
  noisy: u32,            // 1: binding 5 is the noise
  limiting: u32,         // 0: none, 1: clamp x0 to +-maximum, 2: dynamic threshold of at most maximum
  lower_rank: u32,       // the quantile lies between the magnitudes of rank lower_rank and lower_rank + 1 ...
  rows: u32,
  rank_fraction: f32,    // ... this far from the lower to the upper
  maximum: f32,
  guidance_scale: f32,
  guidance_rescale: f32,
  epsilon_scaling: f32,
  clip_noise: f32,
}

struct Coefficients {
  sqrt_alpha: f32,
  sqrt_one_minus_alpha: f32,
  sqrt_alpha_previous: f32,
  direction: f32,
  sigma: f32,
  guided: f32,
  unused: vec2f,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read_write> latent: array<f32>;
@group(0) @binding(3) var<storage, read_write> estimate: array<f32>;
@group(0) @binding(4) var<storage, read> coefficients: array<Coefficients>;
@group(0) @binding(5) var<storage, read> noise: array<f32>;
@group(0) @binding(6) var<storage, read_write> cursors: array<vec4u>;

override LANES: u32;

// First element of this workgroup's concept in latent and the conditional half of prediction.
var<private> own: u32;
// The same among the rows of this step in estimate and noise.
var<private> here: u32;

var<workgroup> shared_step: u32;
var<workgroup> partial: array<vec2f, LANES>;
var<workgroup> quantile: array<f32, 2>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  own = group.x * params.dim;
  if (lane == 0u) {
    shared_step = cursors[group.x].z;
    cursors[group.x].z += 1u;
  }
  let step = workgroupUniformLoad(&shared_step);
  here = step * params.rows * params.dim + own;
  let at = coefficients[step];
  let guided = params.guided == 1u && at.guided == 1.0;

  var rescale = 1.0;
  if (guided) {
    rescale = guidance_factor(lane, at);
  }

  for (var c = lane; c < params.dim; c += LANES) {
    if (guided) {
      estimate[here + c] = (latent[own + c] - at.sqrt_one_minus_alpha * rescale * guided_noise(c, at)) / at.sqrt_alpha;
    } else {
      estimate[here + c] = clean_sample(c, at);
    }
  }

  var bound = params.maximum;
  if (params.limiting == 2u) {
    bound = clamp(magnitude_quantile(lane), 1.0, params.maximum);
  }

  for (var c = lane; c < params.dim; c += LANES) {
    var e: f32;
    if (guided) {
      e = rescale * guided_noise(c, at);
    } else {
      e = noise_in(prediction[own + c], latent[own + c], at);
    }
    e /= params.epsilon_scaling;
    var sample = estimate[here + c];
    if (params.limiting > 0u) {
      sample = clamp(sample, -bound, bound);
    }
    if (params.limiting == 2u) {
      sample /= bound;
    }
    estimate[here + c] = sample;
    var next = at.sqrt_alpha_previous * sample + at.direction * e;
    if (params.noisy == 1u) {
      next += at.sigma * noise[here + c];
    }
    latent[own + c] = clamp(next, -params.clip_noise, params.clip_noise);
  }
}

// The noise that prediction y says is in x.
fn noise_in(y: f32, x: f32, at: Coefficients) -> f32 {
  if (params.prediction_type == 0u) {
    return (x - at.sqrt_alpha * y) / at.sqrt_one_minus_alpha;
  }
  return select(y, at.sqrt_alpha * y + at.sqrt_one_minus_alpha * x, params.prediction_type == 2u);
}

// The clean sample that the conditional prediction stands for.
fn clean_sample(c: u32, at: Coefficients) -> f32 {
  let y = prediction[own + c];
  if (params.prediction_type == 0u) {
    return y;
  }
  if (params.prediction_type == 1u) {
    return (latent[own + c] - at.sqrt_one_minus_alpha * y) / at.sqrt_alpha;
  }
  return at.sqrt_alpha * latent[own + c] - at.sqrt_one_minus_alpha * y;
}

fn guided_noise(c: u32, at: Coefficients) -> f32 {
  let conditional = noise_in(prediction[own + c], latent[own + c], at);
  let unconditional = noise_in(prediction[params.rows * params.dim + own + c], latent[own + c], at);
  return unconditional + params.guidance_scale * (conditional - unconditional);
}

// r std(e_c) / std(e) + 1 - r with the unbiased standard deviation, by two passes so that a common offset does not cancel.
fn guidance_factor(lane: u32, at: Coefficients) -> f32 {
  var sums = vec2f();
  for (var c = lane; c < params.dim; c += LANES) {
    sums += vec2f(noise_in(prediction[own + c], latent[own + c], at), guided_noise(c, at));
  }
  let mean = sum_over_lanes(lane, sums) / f32(params.dim);
  var squares = vec2f();
  for (var c = lane; c < params.dim; c += LANES) {
    let deviation = vec2f(noise_in(prediction[own + c], latent[own + c], at), guided_noise(c, at)) - mean;
    squares += deviation * deviation;
  }
  let deviations = sqrt(sum_over_lanes(lane, squares) / f32(params.dim - 1u));
  return params.guidance_rescale * (deviations.x / deviations.y) + (1.0 - params.guidance_rescale);
}

fn sum_over_lanes(lane: u32, value: vec2f) -> vec2f {
  workgroupBarrier();
  partial[lane] = value;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      partial[lane] += partial[lane + half];
    }
  }
  workgroupBarrier();
  return partial[0];
}

// A quantile of the estimate's magnitudes, interpolated between two ranks. Each lane finds the ranks of its own channels by counting what is
// smaller, equal magnitudes ranked by channel: dim^2 / LANES comparisons, and no sorting.
fn magnitude_quantile(lane: u32) -> f32 {
  storageBarrier();
  for (var c = lane; c < params.dim; c += LANES) {
    let magnitude = abs(estimate[here + c]);
    var rank = 0u;
    for (var other = 0u; other < params.dim; other++) {
      let against = abs(estimate[here + other]);
      rank += u32(against < magnitude || (against == magnitude && other < c));
    }
    if (rank == params.lower_rank) {
      quantile[0] = magnitude;
    }
    if (rank == min(params.lower_rank + 1u, params.dim - 1u)) {
      quantile[1] = magnitude;
    }
  }
  workgroupBarrier();
  return quantile[0] + params.rank_fraction * (quantile[1] - quantile[0]);
}
