#include "runtime/steps/sparse_steps.h"

namespace bitnetc {
namespace {

int64_t scale_bytes(int64_t tiles) {
  return tiles * static_cast<int64_t>(sizeof(float));
}

}  // namespace

int64_t SparseStep::weight_bytes() const {
  const int64_t passes = passes_.load(std::memory_order_relaxed);
  const int64_t read = passes > 0 ? bytes_.load(std::memory_order_relaxed) / passes
                                  : neurons_.count * neurons_.row_bytes;
  return read + scale_bytes(neurons_.tiles);
}

std::optional<double> SparseStep::share_read() const {
  if (passes_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  return static_cast<double>(weight_bytes() - scale_bytes(neurons_.tiles)) /
         static_cast<double>(neurons_.count * neurons_.row_bytes);
}

void SparseStep::count(int64_t bytes, int64_t first) const {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (first == 0) passes_.fetch_add(1, std::memory_order_relaxed);
}

void SparseUpStep::run(const Pass& pass, Range units, int worker) const {
  const Operands& o = operands_;
  int32_t neurons_read = 0;
  pass.call(kernel(), SparseUpArgs{.x = pass.at<int8_t>(*this, o.x.q, 0, worker),
                                   .x_scale = pass.at<float>(*this, o.x.scale, 0, worker),
                                   .x_sum = pass.at<int32_t>(*this, o.x.sum, 0, worker),
                                   .gate = pass.at<float>(*this, o.gate, 0),
                                   .w = neurons_.w,
                                   .tile_scale = neurons_.tile_scale,
                                   .y = pass.at<float>(*this, o.y, 0),
                                   .neurons_read = &neurons_read,
                                   .tile_begin = units.begin,
                                   .tile_end = units.end});
  count(neurons_read * neurons_.row_bytes, units.begin);
}

void SparseDownStep::run(const Pass& pass, Range units, int worker) const {
  const Operands& o = operands_;
  int32_t neurons_read = 0;
  pass.call(kernel(),
            SparseDownArgs{
                .x = pass.at<int8_t>(*this, o.x.q, 0, worker),
                .x_scale = pass.at<float>(*this, o.x.scale, 0, worker),
                .x_sum = pass.at<int32_t>(*this, o.x.sum, 0, worker),
                .w = neurons_.w,
                .tile_scale = neurons_.tile_scale,
                .y = pass.at<float>(*this, o.y, 0),
                .residual = o.residual.bound() ? pass.at<float>(*this, o.residual, 0) : nullptr,
                .neurons_read = &neurons_read,
                .chunk_begin = units.begin,
                .chunk_end = units.end});
  count(neurons_read * neurons_.row_bytes * (units.end - units.begin) / units_, units.begin);
}

}  // namespace bitnetc
