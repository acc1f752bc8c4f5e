#include <algorithm>
#include <cmath>
#include <functional>

#include "codegen/reference/quantize_row.h"
#include "codegen/reference/reference.h"
#include "runtime/attention_scratch.h"
#include "runtime/math.h"

namespace bitnetc::reference {

namespace {

void rotate(float* head, int64_t head_dim, const float* cos, const float* sin) {
  const int64_t half = head_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const float first = head[i], second = head[i + half];
    head[i] = std::fma(first, cos[i], -(second * sin[i]));
    head[i + half] = std::fma(second, cos[i], first * sin[i]);
  }
}

// Stores the key or value x[d] of one kv head; `index` of d is that of its cell.
template <typename Index>
void store(const KvLayout& layout, const float* x, int64_t position, Index index, uint16_t* words) {
  const auto put = [&]<typename Cell>(Cell* cells, auto cell_of) {
    for (int64_t d = 0; d < layout.head_dim; ++d) cells[index(d)] = cell_of(x[d]);
  };
  switch (layout.type) {
    case KvType::kF16: put(words, math::round_to_f16); break;
    case KvType::kF32: put(reinterpret_cast<float*>(words), std::identity()); break;
    case KvType::kI8: {
      const float absmax = absmax_of_row(layout.head_dim, x), factor = code_factor(absmax);
      reinterpret_cast<float*>(words + layout.scales_offset())[position] = code_scale(absmax);
      put(reinterpret_cast<int8_t*>(words), [&](float value) { return to_code(value * factor); });
      break;
    }
  }
}

// The keys or the values of one kv head in a page.
struct HeadCache {
  const KvLayout& layout;
  const uint16_t* words;

  // Widened exactly; of i8 the code.
  float load(int64_t index) const {
    switch (layout.type) {
      case KvType::kF16: return math::widen_f16(words[index]);
      case KvType::kF32: return reinterpret_cast<const float*>(words)[index];
      case KvType::kI8: return reinterpret_cast<const int8_t*>(words)[index];
    }
    return 0;
  }
  // What the cells of a position are multiples of.
  float scale(int64_t position) const {
    if (layout.type != KvType::kI8) return 1;
    return reinterpret_cast<const float*>(words + layout.scales_offset())[position];
  }
};

}  // namespace

void rope_append(const RopeAppendSpec& spec, const RopeAppendArgs& args) {
  const KvLayout layout = spec.layout();
  for (int64_t h = args.q_begin; h < args.q_end; ++h)
    rotate(args.qkv + h * spec.head_dim, spec.head_dim, args.cos, args.sin);
  for (int64_t h = args.kv_begin; h < args.kv_end; ++h) {
    float* k = args.qkv + spec.k_offset() + h * spec.head_dim;
    const float* v = args.qkv + spec.v_offset() + h * spec.head_dim;
    rotate(k, spec.head_dim, args.cos, args.sin);
    store(
        layout, k, args.position, [&](int64_t d) { return layout.k_index(args.position, d); },
        args.k_cache + h * args.head_stride);
    store(
        layout, v, args.position, [&](int64_t d) { return layout.v_index(args.position, d); },
        args.v_cache + h * args.head_stride);
  }
}

namespace {

// One query head of one row.
class Query {
 public:
  Query(const AttentionSpec& spec, const AttentionArgs& args, int64_t row, int64_t head)
      : spec_(spec),
        args_(args),
        scratch_{.head_dim = spec.head_dim, .heads = spec.q_per_kv},
        row_(row),
        head_(head),
        seen_(seen_from(args.position + row, spec.window)) {}

  void run() const {
    const int64_t begin = std::max(args_.chunk_begin, seen_.first_chunk());
    const int64_t end = std::min(args_.chunk_end, seen_.end_chunk());
    if ((args_.parts & AttentionArgs::kScores) != 0)
      for (int64_t chunk = begin; chunk < end; ++chunk) find_scores(chunk);
    if ((args_.parts & AttentionArgs::kValues) != 0)
      for (int64_t chunk = begin; chunk < end; ++chunk) sum_values(chunk);
    if ((args_.parts & AttentionArgs::kOutput) != 0) add_chunks();
  }

 private:
  float* record(int64_t chunk) const { return args_.scores + scratch_.record(chunk, row_); }
  HeadCache at_page(int64_t p, int64_t offset) const {
    return {layout_, args_.pages[p / KvLayout::kPagePositions] + offset};
  }

  void find_scores(int64_t chunk) const {
    const float* q = args_.q + row_ * args_.q_stride + head_ * spec_.head_dim;
    float* scores = record(chunk) + scratch_.scores(head_);
    const SeenPositions seen = seen_.in_chunk(chunk);
    for (int64_t p = seen.begin; p < seen.end; ++p) {
      const HeadCache keys = at_page(p, args_.k_offset);
      const int64_t in_page = p % KvLayout::kPagePositions;
      float dot = 0;
      for (int64_t d = 0; d < spec_.head_dim; ++d)
        dot = std::fma(q[d], keys.load(layout_.k_index(in_page, d)), dot);
      scores[p % kAttentionChunk] = (dot * keys.scale(in_page)) * spec_.scale;
    }
    record(chunk)[scratch_.largest(head_)] =
        *std::max_element(scores + seen.begin % kAttentionChunk,
                          scores + seen.begin % kAttentionChunk + seen.end - seen.begin);
  }

  void sum_values(int64_t chunk) const {
    float max = record(seen_.first_chunk())[scratch_.largest(head_)];
    for (int64_t each = seen_.first_chunk(); each < seen_.end_chunk(); ++each)
      max = std::max(max, record(each)[scratch_.largest(head_)]);

    const float* scores = record(chunk) + scratch_.scores(head_);
    float* values = record(chunk) + scratch_.values(head_);
    float& sum = record(chunk)[scratch_.sum(head_)] = 0;
    std::fill_n(values, spec_.head_dim, 0.0f);
    const SeenPositions seen = seen_.in_chunk(chunk);
    for (int64_t p = seen.begin; p < seen.end; ++p) {
      const float e = math::softmax_weight(scores[p % kAttentionChunk] - max);
      sum += e;
      const HeadCache cache = at_page(p, args_.v_offset);
      const int64_t in_page = p % KvLayout::kPagePositions;
      const float weight = e * cache.scale(in_page);
      for (int64_t d = 0; d < spec_.head_dim; ++d)
        values[d] = std::fma(weight, cache.load(layout_.v_index(in_page, d)), values[d]);
    }
  }

  void add_chunks() const {
    float* out = args_.out + row_ * args_.out_stride + head_ * spec_.head_dim;
    float sum = 0;
    std::fill_n(out, spec_.head_dim, 0.0f);
    for (int64_t chunk = seen_.first_chunk(); chunk < seen_.end_chunk(); ++chunk) {
      sum += record(chunk)[scratch_.sum(head_)];
      const float* values = record(chunk) + scratch_.values(head_);
      for (int64_t d = 0; d < spec_.head_dim; ++d) out[d] += values[d];
    }
    for (int64_t d = 0; d < spec_.head_dim; ++d) out[d] /= sum;
  }

  const AttentionSpec& spec_;
  const AttentionArgs& args_;
  const AttentionScratch scratch_;
  const KvLayout layout_ = spec_.layout();
  const int64_t row_, head_;
  const SeenPositions seen_;
};

}  // namespace

void attention(const AttentionSpec& spec, const AttentionArgs& args) {
  for (int64_t row = 0; row < args.rows; ++row)
    for (int64_t head = 0; head < spec.q_per_kv; ++head) Query(spec, args, row, head).run();
}

}  // namespace bitnetc::reference
