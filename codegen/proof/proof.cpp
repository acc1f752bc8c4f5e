// The start-up proof: a fresh kernel against codegen/reference on a small problem of its spec, bit
// by bit.
#include <algorithm>
#include <cmath>
#include <vector>

#include "codegen/kernel_builder.h"
#include "codegen/proof/support.h"
#include "codegen/reference/reference.h"
#include "runtime/buffer.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"

namespace bitnetc {
namespace proof {
namespace {

std::vector<float> random_floats(Random& random, int64_t count, float low, float high) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = random.uniform(low, high);
  return values;
}

std::vector<uint16_t> random_halves(Random& random, int64_t count) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  for (uint16_t& value : values) value = math::round_to_f16(random.uniform(-2.0f, 2.0f));
  return values;
}

// ---- norms

// Rows of ordinary, tiny, huge and zero values.
std::vector<std::vector<float>> norm_rows(Random& random, int64_t k) {
  std::vector<std::vector<float>> rows;
  for (const float magnitude : {1.0f, 1e-20f, 1e15f, 0.0f})
    rows.push_back(random_floats(random, k, -magnitude, magnitude));
  return rows;
}

Status prove_norm_quantize(const NormQuantizeSpec& spec, const Kernel& kernel, uint64_t seed) {
  Random random(seed);
  const std::vector<float> weight = random_floats(random, spec.k, -2.0f, 2.0f);
  const size_t columns = static_cast<size_t>(spec.k);
  const size_t padded = static_cast<size_t>(spec.padded_k());
  std::vector<float> normed(columns), expected_normed(columns);
  std::vector<int8_t> q(padded, 1), expected_q(padded, 2);
  for (const std::vector<float>& row : norm_rows(random, spec.k)) {
    float scale = 0, expected_scale = 0;
    int32_t sum = 0, expected_sum = 0;
    NormQuantizeArgs args{.x = row.data(),
                          .weight = weight.data(),
                          .q = expected_q.data(),
                          .scale = &expected_scale,
                          .sum = &expected_sum,
                          .normed = expected_normed.data()};
    reference::norm_quantize(spec, args);
    args.q = q.data(), args.scale = &scale, args.sum = &sum, args.normed = normed.data();
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(
        compare(kernel, "normed", normed.data(), expected_normed.data(), spec.k));
    args.normed = nullptr;
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "q", q.data(), expected_q.data(), spec.padded_k()));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "scale", &scale, &expected_scale, 1));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "sum", &sum, &expected_sum, 1));
  }
  return {};
}

Status prove_quantize(const QuantizeSpec& spec, const Kernel& kernel, uint64_t seed) {
  constexpr int64_t kMaxima = 3, kStride = 2;
  Random random(seed);
  const auto padded = static_cast<size_t>(spec.padded_k());
  std::vector<int8_t> q(padded, 1), expected_q(padded, 2);
  for (const std::vector<float>& row : norm_rows(random, spec.k)) {
    float maxima[kMaxima * kStride] = {};
    for (int64_t i = 0; i < spec.k; ++i) {
      float& largest = maxima[i % kMaxima * kStride];
      largest = std::max(largest, std::fabs(row[static_cast<size_t>(i)]));
    }
    float scale = 0, expected_scale = 0;
    int32_t sum = 0, expected_sum = 0;
    QuantizeArgs args{.x = row.data(),
                      .absmax = maxima,
                      .absmax_count = kMaxima,
                      .absmax_stride = kStride,
                      .q = expected_q.data(),
                      .scale = &expected_scale,
                      .sum = &expected_sum};
    reference::quantize(spec, args);
    args.q = q.data(), args.scale = &scale, args.sum = &sum;
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "q", q.data(), expected_q.data(), spec.padded_k()));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "scale", &scale, &expected_scale, 1));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "sum", &sum, &expected_sum, 1));
  }
  return {};
}

Status prove_rms_norm(const RmsNormSpec& spec, const Kernel& kernel, uint64_t seed) {
  Random random(seed);
  const std::vector<float> weight = random_floats(random, spec.k, -2.0f, 2.0f);
  std::vector<float> y(weight.size()), expected(weight.size());
  for (const std::vector<float>& row : norm_rows(random, spec.k)) {
    reference::rms_norm(spec, {.x = row.data(), .weight = weight.data(), .y = expected.data()});
    BITNETC_RETURN_IF_ERROR(
        run_kernel(kernel, RmsNormArgs{.x = row.data(), .weight = weight.data(), .y = y.data()}));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "y", y.data(), expected.data(), spec.k));
  }
  return {};
}

// ---- attention and its cache

Status prove_rope_append(const RopeAppendSpec& spec, const Kernel& kernel, uint64_t seed) {
  Random random(seed);
  const KvLayout cache{
      .kv_heads = spec.kv_heads, .head_dim = spec.head_dim, .capacity = 2 * KvLayout::kKeyBlock};
  const size_t cache_elements = static_cast<size_t>(cache.layer_elements());
  std::vector<uint16_t> k(cache_elements), v(cache_elements), expected_k(k), expected_v(v);
  const std::vector<float> cos = random_floats(random, spec.head_dim / 2, -1.0f, 1.0f);
  const std::vector<float> sin = random_floats(random, spec.head_dim / 2, -1.0f, 1.0f);
  for (const int64_t position : {int64_t{0}, KvLayout::kKeyBlock + 3}) {
    std::vector<float> qkv = random_floats(random, spec.qkv_columns(), -4.0f, 4.0f);
    std::vector<float> expected_qkv = qkv;
    RopeAppendArgs args{.qkv = expected_qkv.data(),
                        .cos = cos.data(),
                        .sin = sin.data(),
                        .k_cache = expected_k.data(),
                        .v_cache = expected_v.data(),
                        .position = position,
                        .head_stride = cache.head_stride()};
    reference::rope_append(spec, args);
    args.qkv = qkv.data(), args.k_cache = k.data(), args.v_cache = v.data();
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(
        compare(kernel, "qkv", qkv.data(), expected_qkv.data(), spec.qkv_columns()));
    BITNETC_RETURN_IF_ERROR(
        compare(kernel, "k cache", k.data(), expected_k.data(), cache.layer_elements()));
    BITNETC_RETURN_IF_ERROR(
        compare(kernel, "v cache", v.data(), expected_v.data(), cache.layer_elements()));
  }
  return {};
}

Status prove_attention(const AttentionSpec& spec, const Kernel& kernel, uint64_t seed) {
  // One key, the edges of a block of keys, and a second chunk of 256 positions.
  constexpr int64_t kPositions[] = {0, 15, 16, 300};
  constexpr int64_t kCapacity = 512;
  Random random(seed);
  const std::vector<uint16_t> k = random_halves(random, kCapacity * spec.head_dim);
  const std::vector<uint16_t> v = random_halves(random, kCapacity * spec.head_dim);
  std::vector<float> scratch(static_cast<size_t>(kCapacity));
  std::vector<float> out(static_cast<size_t>(spec.head_dim)), expected(out);
  for (const int64_t position : kPositions) {
    const std::vector<float> q = random_floats(random, spec.head_dim, -4.0f, 4.0f);
    AttentionArgs args{.q = q.data(),
                       .k_cache = k.data(),
                       .v_cache = v.data(),
                       .out = expected.data(),
                       .scratch = scratch.data(),
                       .position = position};
    reference::attention(spec, args);
    args.out = out.data();
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(compare(kernel, fmt::format("out at position {}", position), out.data(),
                                    expected.data(), spec.head_dim));
  }
  return {};
}

// ---- tables

// `rows` rows of finite values at the table's type.
std::vector<uint8_t> random_table(Random& random, FloatType type, int64_t rows, int64_t k) {
  const int64_t element_bytes = float_type_bytes(type);
  std::vector<uint8_t> table(static_cast<size_t>(rows * k * element_bytes));
  for (int64_t i = 0; i < rows * k; ++i) {
    const float value = random.uniform(-2.0f, 2.0f);
    const uint16_t half =
        type == FloatType::kF16 ? math::round_to_f16(value) : math::round_to_bf16(value);
    const void* bits = type == FloatType::kF32 ? static_cast<const void*>(&value) : &half;
    std::memcpy(table.data() + i * element_bytes, bits, static_cast<size_t>(element_bytes));
  }
  return table;
}

Status prove_embed(const EmbedSpec& spec, const Kernel& kernel, uint64_t seed) {
  constexpr int64_t kRows = 3;
  Random random(seed);
  const std::vector<uint8_t> table = random_table(random, spec.type, kRows, spec.k);
  std::vector<float> h(static_cast<size_t>(spec.k)), expected(h);
  for (int64_t token = 0; token < kRows; ++token) {
    reference::embed(spec, {.table = table.data(), .h = expected.data(), .token = token});
    BITNETC_RETURN_IF_ERROR(
        run_kernel(kernel, EmbedArgs{.table = table.data(), .h = h.data(), .token = token}));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "h", h.data(), expected.data(), spec.k));
  }
  return {};
}

Status prove_head(const HeadSpec& spec, const Kernel& kernel, uint64_t seed) {
  const int64_t rows = std::min<int64_t>(spec.n, 7);
  Random random(seed);
  const std::vector<uint8_t> table = random_table(random, spec.type, rows, spec.k);
  const std::vector<float> hidden = random_floats(random, spec.k, -3.0f, 3.0f);
  std::vector<float> logits(static_cast<size_t>(rows)), expected(logits);
  HeadArgs args{.hidden = hidden.data(),
                .table = table.data(),
                .logits = expected.data(),
                .row_begin = rows > 1 ? 1 : 0,
                .row_end = rows};
  reference::head(spec, args);
  args.logits = logits.data();
  BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
  return compare(kernel, "logits", logits.data(), expected.data(), rows);
}

}  // namespace
}  // namespace proof

Status prove(const KernelSpec& spec, const Kernel& kernel, uint64_t seed, TableForm form) {
  using namespace proof;
  struct Prover {
    const Kernel& kernel;
    uint64_t seed;
    TableForm form;
    Status operator()(const MatmulSpec& s) const { return prove_matmul(s, kernel, form, seed); }
    Status operator()(const NormQuantizeSpec& s) const {
      return prove_norm_quantize(s, kernel, seed);
    }
    Status operator()(const QuantizeSpec& s) const { return prove_quantize(s, kernel, seed); }
    Status operator()(const RmsNormSpec& s) const { return prove_rms_norm(s, kernel, seed); }
    Status operator()(const RopeAppendSpec& s) const { return prove_rope_append(s, kernel, seed); }
    Status operator()(const AttentionSpec& s) const { return prove_attention(s, kernel, seed); }
    Status operator()(const EmbedSpec& s) const { return prove_embed(s, kernel, seed); }
    Status operator()(const HeadSpec& s) const { return prove_head(s, kernel, seed); }
    Status operator()(const TablesSpec& s) const { return prove_tables(s, kernel, seed); }
  };
  return std::visit(Prover{kernel, seed, form}, spec);
}

}  // namespace bitnetc
