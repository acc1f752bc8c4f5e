#include "runtime/steps/attention_steps.h"

namespace bitnetc {

void RopeAppendStep::run(const Pass& pass, Range units, int /*worker*/) const {
  const Pass::RopeTable& rope = pass.ropes[static_cast<size_t>(operands_.rope)];
  for (int64_t i = units.begin; i < units.end; ++i) {
    const Pass::Row& row = pass.rows[static_cast<size_t>(i)];
    uint16_t* const page = row.pages[row.position / KvLayout::kPagePositions];
    kernel()(RopeAppendArgs{.qkv = pass.at<float>(*this, operands_.qkv, i),
                            .cos = rope.cos + row.position * rope.half,
                            .sin = rope.sin + row.position * rope.half,
                            .k_cache = page + pass.kv.k_offset(operands_.layer, 0),
                            .v_cache = page + pass.kv.v_offset(operands_.layer, 0),
                            .position = row.position % KvLayout::kPagePositions,
                            .head_stride = pass.kv.head_elements()});
  }
}

int64_t AttentionStep::units(const Pass& pass) const {
  return pass.rows_of(*this) * pass.kv.kv_heads;
}

void AttentionStep::run(const Pass& pass, Range units, int worker) const {
  for (int64_t unit = units.begin; unit < units.end; ++unit) {
    const int64_t i = unit / pass.kv.kv_heads, kv_head = unit % pass.kv.kv_heads;
    const Pass::Row& row = pass.rows[static_cast<size_t>(i)];
    const int64_t column = kv_head * operands_.q_per_kv * pass.kv.head_dim;
    kernel()(AttentionArgs{.q = pass.at<float>(*this, operands_.q, i) + column,
                           .out = pass.at<float>(*this, operands_.out, i) + column,
                           .pages = row.pages,
                           .k_offset = pass.kv.k_offset(operands_.layer, kv_head),
                           .v_offset = pass.kv.v_offset(operands_.layer, kv_head),
                           .scores = pass.at<float>(*this, operands_.scores, 0, worker),
                           .position = row.position,
                           .rows = 1,
                           .q_stride = pass.stride(operands_.q),
                           .out_stride = pass.stride(operands_.out)});
  }
}

}  // namespace bitnetc
