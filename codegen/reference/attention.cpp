#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/reference/reference.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"

namespace bitnetc::reference {

namespace {

constexpr int64_t kChunkPositions = 256;

void rotate(float* head, int64_t head_dim, const float* cos, const float* sin) {
  const int64_t half = head_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const float first = head[i], second = head[i + half];
    head[i] = std::fma(first, cos[i], -(second * sin[i]));
    head[i + half] = std::fma(second, cos[i], first * sin[i]);
  }
}

}  // namespace

void rope_append(const RopeAppendSpec& spec, const RopeAppendArgs& args) {
  const KvLayout layout{.head_dim = spec.head_dim};
  for (int64_t h = 0; h < spec.q_heads; ++h)
    rotate(args.qkv + h * spec.head_dim, spec.head_dim, args.cos, args.sin);
  for (int64_t h = 0; h < spec.kv_heads; ++h) {
    float* k = args.qkv + spec.k_offset() + h * spec.head_dim;
    const float* v = args.qkv + spec.v_offset() + h * spec.head_dim;
    rotate(k, spec.head_dim, args.cos, args.sin);
    uint16_t* k_cache = args.k_cache + h * args.head_stride;
    uint16_t* v_cache = args.v_cache + h * args.head_stride;
    for (int64_t d = 0; d < spec.head_dim; ++d) {
      k_cache[layout.k_index(args.position, d)] = math::round_to_f16(k[d]);
      v_cache[layout.v_index(args.position, d)] = math::round_to_f16(v[d]);
    }
  }
}

namespace {

// One position, one query head.
void attend(const AttentionSpec& spec, const AttentionArgs& args, const float* q, float* out,
            int64_t position) {
  const KvLayout layout{.head_dim = spec.head_dim};
  const auto at_page = [&](int64_t p, int64_t offset) {
    return args.pages[p / KvLayout::kPagePositions] + offset;
  };
  const int64_t keys = position + 1;
  const int64_t first = spec.window > 0 ? std::max<int64_t>(0, keys - spec.window) : 0;
  float* scores = args.scores;
  for (int64_t p = first; p < keys; ++p) {
    const uint16_t* k = at_page(p, args.k_offset);
    float dot = 0;
    for (int64_t d = 0; d < spec.head_dim; ++d)
      dot =
          std::fma(q[d], math::widen_f16(k[layout.k_index(p % KvLayout::kPagePositions, d)]), dot);
    scores[p] = dot * spec.scale;
  }
  const float max = *std::max_element(scores + first, scores + keys);

  float sum = 0;
  std::fill(out, out + spec.head_dim, 0.0f);
  std::vector<float> chunk_out(static_cast<size_t>(spec.head_dim));
  for (int64_t begin = first / kChunkPositions * kChunkPositions; begin < keys;
       begin += kChunkPositions) {
    float chunk_sum = 0;
    std::fill(chunk_out.begin(), chunk_out.end(), 0.0f);
    for (int64_t p = std::max(begin, first); p < std::min(begin + kChunkPositions, keys); ++p) {
      const float e = math::softmax_weight(scores[p] - max);
      chunk_sum += e;
      const uint16_t* v =
          at_page(p, args.v_offset) + layout.v_index(p % KvLayout::kPagePositions, 0);
      for (size_t d = 0; d < chunk_out.size(); ++d)
        chunk_out[d] = std::fma(e, math::widen_f16(v[d]), chunk_out[d]);
    }
    sum += chunk_sum;
    for (size_t d = 0; d < chunk_out.size(); ++d) out[d] += chunk_out[d];
  }
  for (int64_t d = 0; d < spec.head_dim; ++d) out[d] /= sum;
}

}  // namespace

void attention(const AttentionSpec& spec, const AttentionArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row)
    for (int64_t head = 0; head < args.heads; ++head)
      attend(spec, args, args.q + row * args.q_stride + head * spec.head_dim,
             args.out + row * args.out_stride + head * spec.head_dim, args.position + row);
}

}  // namespace bitnetc::reference
