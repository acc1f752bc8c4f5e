#include "autotune/cost_model.h"

#include <algorithm>

namespace bitnetc {
namespace {

// ---- measured constants: AMD EPYC Zen 5, one thread, 3840 x 2560, 21 November 2026

// Of the shorter of memory and work. A kernel that decodes into registers reads ahead while it
// multiplies; one that decodes into a panel leaves the memory alone while it multiplies that.
constexpr double kExposedDirect = 0.2, kExposedPanel = 1.0;
// How much longer the weights take than at the read bandwidth: one stream prefetched by less than
// kFarPrefetchBytes, or not at all; a stream a tile without a prefetch; lookups without their
// prefetch in the order of memory.
constexpr double kNearPrefetch = 1.15, kSeveralStreams = 1.5, kStreamsOutOfOrder = 1.75;
// One stream, however far it is prefetched, against several that are: Emerald Rapids, one thread,
// 2560 x 2560, 30 November 2026.
constexpr double kOneStream = 1.09;
constexpr int kFarPrefetchBytes = 4096;
// Tables are read and written from the second-level cache, beside the stream of weights: bytes in
// the time of a vector operation, 80 GB/s.
constexpr double kTableBytesPerOperation = 6;
// Work of compiled code against generated code of the tier.
constexpr double kCompiled = 1.2;

// A panel that takes more than this of L1 leaves too little for activations and sums: products take
// longer.
constexpr int64_t kPanelBytesInL1 = 32 << 10;
constexpr double kPanelOutOfL1 = 1.07;

// A store of a vector takes the time of so many operations: one a cycle.
constexpr double kOperationsPerStore = 4;
// vpdpbusd waits for a sum that is younger than four or five cycles, and two start in a cycle.
constexpr double kBusySums = 8;
// By instruction: vpmaddubsw and vpaddw together do 64.
constexpr double kOperationsOfMultiplyAdd = 32;

using Strategy = MatmulWork::Strategy;

// ---- limits

double known_or(double value, double low) {
  return value > 0 ? value : low;
}

double peak_of(const MachineLimits& limits, Isa tier) {
  for (const auto& [isa, peak] : limits.int8_operations_per_second)
    if (isa == tier && peak > 0) return peak;
  return tier > Isa::kAvx2 ? peak_of(limits, static_cast<Isa>(static_cast<int>(tier) - 1)) : 1e11;
}

// Instructions; AVX2's unit is two of them, and vectors of any width are taken to start as often.
double vector_operations_per_second(const MachineLimits& limits) {
  return peak_of(limits, Isa::kAvx2) / kOperationsOfMultiplyAdd;
}

// ---- terms

double stream_factor(const MatmulWork& work, GeneratorKind kind) {
  if (kind == GeneratorKind::kCompiled) return kSeveralStreams;
  if (work.strategy == Strategy::kLookUp) return work.prefetch_bytes > 0 ? 1 : kStreamsOutOfOrder;
  if (work.strategy == Strategy::kPanel) return work.prefetch_bytes > 0 ? 1 : kSeveralStreams;
  if (work.streams == 1)
    return work.prefetch_bytes >= kFarPrefetchBytes ? kOneStream : kNearPrefetch;
  return work.prefetch_bytes > 0 ? 1 : kSeveralStreams;
}

// Products wait for sums that are too few to take turns, and for loads where they outnumber the
// products.
double wait_factor(const MatmulWork& work) {
  if (work.independent_sums == 0) return 1;
  return std::max({1.0, kBusySums / work.independent_sums, work.loads_per_product});
}

// A panel kernel stores while it decodes.
double decode_operations(const MatmulWork& work) {
  return std::max(work.decode_operations, kOperationsPerStore * work.decode_stores);
}

}  // namespace

double CostPrediction::seconds() const {
  const double work_s = multiply_s + decode_s;
  return std::max(memory_s, work_s) + exposed * std::min(memory_s, work_s) + tables_s;
}

const char* CostPrediction::bound() const {
  if (memory_s >= std::max(multiply_s, decode_s)) return "memory";
  return multiply_s >= decode_s ? "multiply" : "decode";
}

CostPrediction predict(const Candidate& candidate, int64_t tokens, const MachineLimits& limits) {
  const auto counted = candidate.generator->work(candidate.spec, candidate.plan, tokens);
  BITNETC_CHECK(counted, "{} does not count its work", candidate.generator->name());
  const MatmulWork& work = *counted;
  const WeightLayout layout = candidate.spec.weight_layout();
  const GeneratorKind kind = candidate.generator->kind();
  const double rate = vector_operations_per_second(limits);
  const double table_rate = rate * kTableBytesPerOperation;
  const auto passes = static_cast<double>(work.passes);
  const double slowdown = kind == GeneratorKind::kCompiled ? kCompiled : 1;
  const double cache_factor = work.panel_bytes > kPanelBytesInL1 ? kPanelOutOfL1 : 1;
  return {.memory_s = passes * static_cast<double>(layout.total_bytes()) *
                      stream_factor(work, kind) / known_or(limits.read_bytes_per_second, 1e10),
          .multiply_s = slowdown * work.multiply_operations * wait_factor(work) * cache_factor /
                            peak_of(limits, work.tier) +
                        work.sums_bytes / table_rate,
          .decode_s =
              passes * (slowdown * padded_weights(candidate.spec) * decode_operations(work) / rate +
                        work.tables_read / table_rate),
          .tables_s = passes * static_cast<double>(work.tables_written) / table_rate,
          .exposed = work.strategy == Strategy::kPanel ? kExposedPanel : kExposedDirect};
}

}  // namespace bitnetc
