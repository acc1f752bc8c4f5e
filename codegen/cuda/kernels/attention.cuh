// Attention of some rows and the query heads of one kv head (docs/numerics.md, section 11), a block
// a call. What a part leaves for the next lies in the call's scratch (runtime/attention_scratch.h).
//
// A query is a query head of a row: query = row * C::heads + head.
#pragma once

#include "codegen/cuda/kernels/kv.cuh"

namespace bitnetc::cuda {

inline constexpr int64_t kChunk = 256;         // positions, kAttentionChunk
inline constexpr int64_t kPagePositions = 64;  // KvLayout::kPagePositions

// Positions [begin, end) that a row sees, and those of a chunk among them.
struct Seen {
  int64_t begin, end;

  __device__ __forceinline__ int64_t first_chunk() const { return begin / kChunk; }
  __device__ __forceinline__ int64_t end_chunk() const { return (end - 1) / kChunk + 1; }
  __device__ __forceinline__ Seen in_chunk(int64_t chunk) const {
    const int64_t from = chunk * kChunk, to = from + kChunk;
    return {begin > from ? begin : from, end < to ? end : to};
  }
};

template <class C>
class Attention {
 public:
  static __device__ __forceinline__ void run(const AttentionArgs& args) {
    const Attention call(args);
    const int64_t begin = call.first_chunk(), end = call.end_chunk();
    if (args.parts & AttentionArgs::kScores)
#pragma unroll 1
      for (int64_t chunk = begin; chunk < end; ++chunk) call.find_scores(chunk);
    if (args.parts & AttentionArgs::kValues)
#pragma unroll 1
      for (int64_t chunk = begin; chunk < end; ++chunk) call.sum_values(chunk);
    if (args.parts & AttentionArgs::kOutput) call.add_chunks();
  }

 private:
  static constexpr uint32_t kTogether = 4;  // queries that share what a thread loads of the keys

  __device__ __forceinline__ explicit Attention(const AttentionArgs& args)
      : args_(args),
        q_(in_device_memory(args.q)),
        out_(in_device_memory(args.out)),
        scratch_(in_device_memory(args.scores)),
        pages_(in_device_memory(args.pages)),
        queries_(static_cast<uint32_t>(args.rows) * C::heads) {}

  __device__ __forceinline__ Seen seen(uint32_t query) const {
    const int64_t end = args_.position + query / C::heads + 1;
    return {C::window > 0 && end > C::window ? end - C::window : 0, end};
  }
  // Of the chunks of this call, those that any row sees.
  __device__ __forceinline__ int64_t first_chunk() const {
    const int64_t first = seen(0).first_chunk();
    return args_.chunk_begin > first ? args_.chunk_begin : first;
  }
  __device__ __forceinline__ int64_t end_chunk() const {
    const int64_t end = seen(queries_ - 1).end_chunk();
    return args_.chunk_end < end ? args_.chunk_end : end;
  }
  __device__ __forceinline__ bool sees(uint32_t query, int64_t chunk) const {
    const Seen all = seen(query);
    return chunk >= all.first_chunk() && chunk < all.end_chunk();
  }
  __device__ __forceinline__ float* record(int64_t chunk, uint32_t query) const {
    return scratch_ + chunk * C::chunk_elements + query / C::heads * C::record_elements;
  }
  __device__ __forceinline__ float* scores(int64_t chunk, uint32_t query) const {
    return record(chunk, query) + query % C::heads * kChunk;
  }
  __device__ __forceinline__ float* values(int64_t chunk, uint32_t query) const {
    return record(chunk, query) + C::heads * kChunk + query % C::heads * C::head_dim;
  }
  __device__ __forceinline__ float& largest(int64_t chunk, uint32_t query) const {
    return record(chunk, query)[C::heads * (kChunk + C::head_dim) + query % C::heads];
  }
  __device__ __forceinline__ float& sum(int64_t chunk, uint32_t query) const {
    return record(chunk, query)[C::heads * (kChunk + C::head_dim + 1) + query % C::heads];
  }
  __device__ __forceinline__ HeadCells<C> cells(int64_t position, int64_t offset) const {
    return {const_cast<uint16_t*>(in_device_memory(pages_[position / kPagePositions])) + offset};
  }

  // A thread a position.
  __device__ __forceinline__ void find_scores(int64_t chunk) const {
    const Seen all = {seen(0).begin, seen(queries_ - 1).end};
    const Seen here = all.in_chunk(chunk);
#pragma unroll 1
    for (int64_t p = here.begin + thread_index(); p < here.end; p += C::threads) {
      const HeadCells<C> keys = cells(p, args_.k_offset);
      const int64_t in_page = p % kPagePositions;
      const int64_t first = in_page / kKeyBlock * C::head_dim * kKeyBlock + in_page % kKeyBlock;
      const float key_scale = keys.scale(in_page);
#pragma unroll 1
      for (uint32_t query = 0; query < queries_; query += kTogether)
        find_scores(chunk, query, p, first, keys, key_scale);
    }
    barrier();
#pragma unroll 1
    for (uint32_t query = thread_index() / kWarp; query < queries_; query += C::threads / kWarp)
      find_largest(chunk, query);
    barrier();
  }

  __device__ __forceinline__ void find_scores(int64_t chunk, uint32_t query, int64_t p,
                                              int64_t first, HeadCells<C> keys,
                                              float key_scale) const {
    float dot[kTogether] = {};
    const float* rows[kTogether];
#pragma unroll
    for (uint32_t i = 0; i < kTogether; ++i) {
      const uint32_t each = query + i < queries_ ? query + i : query;
      rows[i] = q_ + each / C::heads * args_.q_stride + each % C::heads * C::head_dim;
    }
#pragma unroll 2
    for (uint32_t d = 0; d < C::head_dim; ++d) {
      const float key = keys.load(first + d * kKeyBlock);
#pragma unroll
      for (uint32_t i = 0; i < kTogether; ++i) dot[i] = fma(rows[i][d], key, dot[i]);
    }
#pragma unroll
    for (uint32_t i = 0; i < kTogether; ++i) {
      if (query + i >= queries_) break;
      const Seen own = seen(query + i);
      if (p >= own.begin && p < own.end)
        scores(chunk, query + i)[p % kChunk] = mul(mul(dot[i], key_scale), C::scale);
    }
  }

  // A warp a query.
  __device__ __forceinline__ void find_largest(int64_t chunk, uint32_t query) const {
    if (!sees(query, chunk)) return;
    const Seen own = seen(query).in_chunk(chunk);
    const float* const from = scores(chunk, query);
    float most = from[own.begin % kChunk];
#pragma unroll 1
    for (int64_t p = own.begin + thread_index() % kWarp; p < own.end; p += kWarp)
      most = max(most, from[p % kChunk]);
#pragma unroll
    for (uint32_t mask = kWarp / 2; mask > 0; mask /= 2)
      most = max(most, from_lane_xor(most, mask));
    if (thread_index() % kWarp == 0) largest(chunk, query) = most;
  }

  // First the weights, a thread a position of a query; then a thread an element of its sums.
  __device__ __forceinline__ void sum_values(int64_t chunk) const {
#pragma unroll 1
    for (uint32_t at = thread_index(); at < queries_ * kChunk; at += C::threads) {
      const uint32_t query = at / kChunk;
      const int64_t p = chunk * kChunk + at % kChunk;
      const Seen all = seen(query);
      if (p < all.begin || p >= all.end) continue;
      float most = largest(all.first_chunk(), query);
#pragma unroll 1
      for (int64_t each = all.first_chunk() + 1; each < all.end_chunk(); ++each)
        most = max(most, largest(each, query));
      float& score = scores(chunk, query)[at % kChunk];
      score = softmax_weight(sub(score, most));
    }
    barrier();
#pragma unroll 1
    for (uint32_t at = thread_index(); at < queries_ * C::head_dim; at += C::threads) {
      const uint32_t query = at / C::head_dim, d = at % C::head_dim;
      if (!sees(query, chunk)) continue;
      const Seen own = seen(query).in_chunk(chunk);
      const float* const weights = scores(chunk, query);
      float value = 0.0f, total = 0.0f;
#pragma unroll 2
      for (int64_t p = own.begin; p < own.end; ++p) {
        const HeadCells<C> cache = cells(p, args_.v_offset);
        const int64_t in_page = p % kPagePositions;
        const float weight = weights[p % kChunk];
        total = add(total, weight);
        value =
            fma(mul(weight, cache.scale(in_page)), cache.load(in_page * C::head_dim + d), value);
      }
      values(chunk, query)[d] = value;
      if (d == 0) sum(chunk, query) = total;
    }
    barrier();
  }

  __device__ __forceinline__ void add_chunks() const {
#pragma unroll 1
    for (uint32_t at = thread_index(); at < queries_ * C::head_dim; at += C::threads) {
      const uint32_t query = at / C::head_dim, d = at % C::head_dim;
      const Seen all = seen(query);
      float value = 0.0f, total = 0.0f;
#pragma unroll 1
      for (int64_t chunk = all.first_chunk(); chunk < all.end_chunk(); ++chunk) {
        total = add(total, sum(chunk, query));
        value = add(value, values(chunk, query)[d]);
      }
      out_[query / C::heads * args_.out_stride + query % C::heads * C::head_dim + d] =
          div(value, total);
    }
  }

  const AttentionArgs& args_;
  const float* const q_;
  float* const out_;
  float* const scratch_;
  const uint16_t* const* const pages_;
  const uint32_t queries_;
};

// C: head_dim, heads (query heads), window (0: none), scale, kv_type, scales_offset,
// record_elements and chunk_elements (of AttentionScratch), threads.
template <class C>
__device__ __forceinline__ void attention(const AttentionArgs& args) {
  Attention<C>::run(args);
}

}  // namespace bitnetc::cuda
