#include "runtime/steps/attention_steps.h"

#include <atomic>

namespace bitnetc {

void RopeAppendStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for (int64_t row = units.begin; row < units.end; ++row)
    run_heads(pass, row, {0, operands_.q_heads}, {0, pass.kv.kv_heads});
}

void RopeAppendStep::run_heads(const Pass& pass, int64_t row, Range q_heads, Range kv_heads) const {
  const Pass::RopeTable& rope = pass.ropes[static_cast<size_t>(operands_.rope)];
  const Pass::Row& at = pass.rows[static_cast<size_t>(row)];
  const int64_t position = at.position;
  uint16_t* const page = at.pages[position / KvLayout::kPagePositions];
  pass.call(kernel(), RopeAppendArgs{.qkv = pass.at<float>(*this, operands_.qkv, row),
                                     .cos = rope.cos + position * rope.half,
                                     .sin = rope.sin + position * rope.half,
                                     .k_cache = page + pass.kv.k_offset(operands_.layer, 0),
                                     .v_cache = page + pass.kv.v_offset(operands_.layer, 0),
                                     .position = position % KvLayout::kPagePositions,
                                     .head_stride = pass.kv.head_words(),
                                     .q_begin = q_heads.begin,
                                     .q_end = q_heads.end,
                                     .kv_begin = kv_heads.begin,
                                     .kv_end = kv_heads.end});
}

// ---- what is shared

bool AttentionWork::is_shared(const Pass& pass) const {
  return pass.workers > 1 && pass.rows_of(*this) * pass.kv.kv_heads < pass.enough_units() &&
         most_chunks(pass) > 1;
}

int64_t AttentionWork::most_chunks(const Pass& pass) const {
  int64_t most = 0;
  for (int64_t row = 0; row < pass.rows_of(*this); ++row) {
    const SeenPositions each = seen(pass, row);
    most = std::max(most, each.end_chunk() - each.first_chunk());
  }
  return most;
}

template <typename Body>
void AttentionWork::for_each_pair(const Pass& pass, Range units, Body body) const {
  const int64_t most = most_chunks(pass);
  for (int64_t unit = units.begin; unit < units.end;) {
    const int64_t pair = unit / most, pair_end = (pair + 1) * most;
    const int64_t next = std::min(units.end, pair_end);
    const SeenPositions positions = seen(pass, pair / pass.kv.kv_heads);
    const int64_t begin = positions.first_chunk() + unit % most;
    const SharedChunks chunks{.pair = pair,
                              .seen = positions,
                              .begin = begin,
                              .end = std::min(begin + next - unit, positions.end_chunk())};
    if (chunks.begin < chunks.end) body(chunks);
    unit = next;
  }
}

AttentionArgs AttentionWork::args(const Pass& pass, int64_t row, int64_t rows, int64_t kv_head,
                                  float* scores) const {
  const Pass::Row& first = pass.rows[static_cast<size_t>(row)];
  const int64_t column = kv_head * operands_.q_per_kv * pass.kv.head_dim;
  return {.q = pass.at<float>(*this, operands_.q, row) + column,
          .out = pass.at<float>(*this, operands_.out, row) + column,
          .pages = first.kernel_pages,
          .k_offset = pass.kv.k_offset(operands_.layer, kv_head),
          .v_offset = pass.kv.v_offset(operands_.layer, kv_head),
          .scores = scores,
          .position = first.position,
          .rows = rows,
          .q_stride = pass.stride(operands_.q),
          .out_stride = pass.stride(operands_.out)};
}

AttentionArgs AttentionWork::args(const Pass& pass, const SharedChunks& chunks,
                                  AttentionArgs::Part part) const {
  AttentionArgs args =
      this->args(pass, chunks.pair / pass.kv.kv_heads, 1, chunks.pair % pass.kv.kv_heads,
                 shared_scratch(pass, chunks.pair));
  args.chunk_begin = chunks.begin;
  args.chunk_end = chunks.end;
  args.parts = part;
  return args;
}

// Each worker's scratch has records for kMostAttentionRows rows; here each of them is a pair's,
// whoever works on it. There are fewer pairs than that: is_shared().
float* AttentionWork::shared_scratch(const Pass& pass, int64_t pair) const {
  static_assert(Pass::kUnitsPerWorker <= kMostAttentionRows);
  const auto worker = static_cast<int>(pair / kMostAttentionRows);
  return pass.at<float>(*this, operands_.scores, 0, worker) +
         scratch(pass).record(0, pair % kMostAttentionRows);
}

int32_t& AttentionWork::done(const Pass& pass, const SharedChunks& chunks) const {
  const AttentionScratch records = scratch(pass);
  float* const record =
      shared_scratch(pass, chunks.pair) + records.record(chunks.seen.first_chunk(), 0);
  return *reinterpret_cast<int32_t*>(record + records.done());
}

// ---- the steps

int64_t AttentionScoresStep::units(const Pass& pass) const {
  return is_shared(pass) ? shared_units(pass) : 0;
}

void AttentionScoresStep::run(const Pass& pass, Range units, int /*worker*/) const {
  for_each_pair(pass, units, [&](const SharedChunks& chunks) {
    if (chunks.begin == chunks.seen.first_chunk()) done(pass, chunks) = 0;
    pass.call(kernel(), args(pass, chunks, AttentionArgs::kScores));
  });
}

int64_t AttentionStep::units(const Pass& pass) const {
  if (is_early(pass)) return 0;
  return is_shared(pass) ? shared_units(pass) : std::ssize(pass.runs) * pass.kv.kv_heads;
}

void AttentionStep::run(const Pass& pass, Range units, int worker) const {
  if (is_shared(pass)) {
    for_each_pair(pass, units, [&](const SharedChunks& chunks) {
      pass.call(kernel(), args(pass, chunks, AttentionArgs::kValues));
      const auto finished = static_cast<int32_t>(chunks.end - chunks.begin);
      const int32_t before =
          std::atomic_ref(done(pass, chunks)).fetch_add(finished, std::memory_order_acq_rel);
      if (before + finished == chunks.seen.end_chunk() - chunks.seen.first_chunk())
        pass.call(kernel(), args(pass, chunks, AttentionArgs::kOutput));
    });
    return;
  }
  float* const scores = pass.at<float>(*this, operands_.scores, 0, worker);
  for (int64_t unit = units.begin; unit < units.end; ++unit) {
    const Pass::Run& run = pass.runs[static_cast<size_t>(unit / pass.kv.kv_heads)];
    pass.call(kernel(), args(pass, run.row, run.rows, unit % pass.kv.kv_heads, scores));
  }
}

void AttentionStep::run_head(const Pass& pass, int64_t kv_head, int worker) const {
  pass.call(kernel(),
            args(pass, 0, 1, kv_head, pass.at<float>(*this, operands_.scores, 0, worker)));
}

}  // namespace bitnetc
