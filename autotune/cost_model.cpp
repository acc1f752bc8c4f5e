#include "autotune/cost_model.h"

#include <algorithm>
#include <string_view>

#include "runtime/kernel_args.h"

namespace bitnetc {
namespace {

// ---- measured constants: AMD EPYC Zen 5, one thread, 3840 x 2560, 21 November 2026

// Of the shorter of memory and work. A kernel that decodes into registers reads ahead while it multiplies; one that
// decodes into a panel leaves the memory alone while it multiplies that.
constexpr double kExposedDirect = 0.2, kExposedPanel = 1.0;
// How much longer the weights take than at the read bandwidth: one stream prefetched by less than kFarPrefetchBytes, or
// not at all; a stream a tile, each prefetched within its tile; the same prefetched beyond all of them, where the next
// step's begin; look-ups without their prefetch in the order of memory.
constexpr double kNearPrefetch = 1.15, kSeveralStreams = 1.5, kNextStreams = 1.15,
                 kStreamsOutOfOrder = 1.75;
constexpr int kFarPrefetchBytes = 4096;
// Tables are read and written from the second-level cache, beside the stream of weights: bytes in the time of a vector
// operation, 80 GB/s.
constexpr double kTableBytesPerOperation = 6;
// Work of compiled code against generated code of the tier.
constexpr double kCompiled = 1.2;

// A panel that takes more than this of L1 leaves too little for activations and sums: products take longer.
constexpr int64_t kPanelBytesInL1 = 32 << 10;
constexpr double kPanelOutOfL1 = 1.07;

// ---- counts

// A store of a vector takes the time of so many operations: one a cycle.
constexpr double kOperationsPerStore = 4;
// vpdpbusd waits for a sum that is younger than four or five cycles, and two start in a cycle.
constexpr double kBusySums = 8;
// By instruction: vpmaddubsw and vpaddw together do 64.
constexpr double kOperationsOfMultiplyAdd = 32;

// Vector operations for a weight, from the comments at the head of the kernels and decoders.
struct DecodeCounts {
  double operations, stores;  // by weight; stores only where a panel is written
};

// Of a block of 16 rows.
constexpr double kCellWeights = 256, kTl2Weights = 576, kB3Weights = 320;

DecodeCounts decode_counts(LayoutId layout, Isa tier, bool into_panel) {
  const bool zmm = tier >= Isa::kAvx512Vnni;
  const double vectors = zmm ? 1 : 2;  // to a group of four columns
  switch (layout) {
    case LayoutId::kI2S: {  // a mask a plane; registers spare the shifts, except on AVX2
      const double shifts = into_panel ? 3 : tier == Isa::kAvx2 ? 1 : 0;
      return {(4 + shifts) * vectors / kCellWeights, 4 * vectors / kCellWeights};
    }
    case LayoutId::kTl1: return {(zmm ? 8 : 18) / kCellWeights, 4 * vectors / kCellWeights};
    case LayoutId::kTl2: return {(zmm ? 19 : 70) / kTl2Weights, 9 * vectors / kTl2Weights};
    case LayoutId::kB3: return {(zmm ? 17 : 50) / kB3Weights, 5 * vectors / kB3Weights};
  }
  return {};
}

// Of words in 16 or 32 lanes (matmul_lut_avx2.cpp, matmul_lut_avx512.cpp).
double look_up_operations(LayoutId layout, TableForm form) {
  const bool words = form == TableForm::kWords;
  switch (layout) {
    case LayoutId::kTl1: return words ? 11.0 / 256 : 26.0 / 128;
    case LayoutId::kTl2: return words ? 8.0 / 288 : 26.0 / 144;
    default: return words ? 15.0 / 320 : 35.0 / 160;
  }
}

// ---- what a candidate is

enum class Strategy { kDirect, kPanel, kLookUp };

struct Subject {
  const Candidate& candidate;
  int64_t tokens;  // of the call of the matmul
  Isa tier;
  TableForm form;
  Strategy strategy;
  bool compiled;

  const MatmulSpec& spec() const { return candidate.spec; }
  const KernelPlan& plan() const { return candidate.plan; }
  int tiles() const { return std::max(plan().tiles_per_step, is_gated(spec().epilogue) ? 2 : 1); }
  double weights() const {
    const WeightLayout layout = spec().weight_layout();
    return static_cast<double>(layout.padded_n()) * static_cast<double>(layout.padded_k());
  }
  // Times that the weights are gone through.
  double passes() const {
    const int64_t most = spec().m == kAnyM ? kMaxTokensPerCall : spec().m;
    return static_cast<double>((tokens + most - 1) / most);
  }
};

// The lowest that accepts the candidate.
Isa tier_of(const Candidate& candidate) {
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni})
    if (candidate.generator->accepts(candidate.request(target_for(isa))).ok()) return isa;
  return Isa::kAmx;
}

Subject describe(const Candidate& candidate, int64_t tokens) {
  const TableForm form = candidate.generator->table_form(candidate.spec);
  const bool compiled = candidate.generator->name().starts_with("static_");
  Strategy strategy = candidate.spec.m == kAnyM ? Strategy::kPanel : Strategy::kDirect;
  if (form != TableForm::kNone) strategy = Strategy::kLookUp;
  return {candidate, tokens, tier_of(candidate), form, strategy, compiled};
}

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

double stream_factor(const Subject& subject) {
  const int ahead = subject.plan().prefetch_bytes;
  if (subject.compiled) return kSeveralStreams;
  if (subject.strategy == Strategy::kLookUp) return ahead > 0 ? 1 : kStreamsOutOfOrder;
  if (subject.strategy == Strategy::kPanel) return ahead > 0 ? 1 : kSeveralStreams;
  if (subject.plan().tiles_per_step == 1) return ahead >= kFarPrefetchBytes ? 1 : kNearPrefetch;
  const int64_t other_tiles = subject.plan().tiles_per_step - 1;
  return ahead > other_tiles * subject.spec().weight_layout().tile_bytes() ? kNextStreams
                                                                           : kSeveralStreams;
}

// Columns of a panel at most: what the plan asks, or the generator's own choice.
int64_t panel_columns(const Subject& subject) {
  const KernelPlan& plan = subject.plan();
  const int own = subject.candidate.generator->effective_plan(subject.spec(), plan).block_k;
  return std::clamp<int64_t>(plan.block_k > 0 ? plan.block_k : own, 1, subject.spec().k);
}

// Products wait for sums that are too few to take turns, and for loads where they outnumber the products. AVX2 is spared:
// its additions take one cycle, and two instructions a product leave time to load.
double wait_factor(const Subject& subject) {
  constexpr int kMostBatch = 12, kMostVectors = 4;
  if (subject.tier == Isa::kAvx2 || subject.tier == Isa::kAmx || subject.compiled) return 1;
  const bool zmm = subject.tier == Isa::kAvx512Vnni;
  const int parts = zmm ? 1 : 2;  // vectors of a tile
  if (subject.strategy == Strategy::kDirect) {
    if (subject.spec().layout == LayoutId::kI2S) return 1;  // a sum for each of several planes
    const int sums = subject.plan().tiles_per_step * subject.spec().m;
    // 512-bit registers that are left over hold further chains of the same sums.
    constexpr int kZmmSums = 16, kMostChains = 4;
    const int chains = zmm ? std::clamp(kZmmSums / sums, 1, kMostChains) : 1;
    return std::max(1.0, kBusySums / (sums * parts * chains));
  }
  const int vectors = std::min(subject.tiles() * parts, kMostVectors);
  const int most = std::min(kMostBatch, (zmm ? 24 : 12) / vectors);  // of the registers
  const int limit = subject.plan().tokens > 0 ? std::min(subject.plan().tokens, most) : most;
  const auto batch = static_cast<double>(std::min<int64_t>(limit, subject.tokens));
  return std::max({1.0, kBusySums / (vectors * batch), (vectors + batch) / (vectors * batch)});
}

double cache_factor(const Subject& subject) {
  if (subject.strategy != Strategy::kPanel || subject.compiled) return 1;
  return subject.tiles() * kTileRows * panel_columns(subject) > kPanelBytesInL1 ? kPanelOutOfL1 : 1;
}

// Sums of a panel kernel wait in memory between chunks: 4 bytes an output, read and written.
double sums_bytes(const Subject& subject) {
  if (subject.strategy != Strategy::kPanel || subject.compiled) return 0;
  const int64_t columns = panel_columns(subject);
  const auto chunks = static_cast<double>((subject.spec().k + columns - 1) / columns);
  return 2 * 4.0 * static_cast<double>(subject.spec().n) * static_cast<double>(subject.tokens) *
         chunks;
}

// Bytes of tables that the steps of a matrix read.
double looked_up_bytes(const Subject& subject) {
  const TablesSpec tables{
      .k = subject.spec().k, .layout = subject.spec().layout, .form = subject.form};
  const double steps =
      static_cast<double>(subject.spec().weight_layout().tiles()) / subject.tiles();
  return static_cast<double>(tables.table_bytes()) * std::max(steps, 1.0);
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
  const Subject subject = describe(candidate, tokens);
  const double rate = vector_operations_per_second(limits);
  const double table_rate = rate * kTableBytesPerOperation;
  const double passes = subject.passes(), slowdown = subject.compiled ? kCompiled : 1;
  const auto bytes = static_cast<double>(candidate.spec.weight_layout().total_bytes());
  CostPrediction cost{.memory_s = passes * bytes * stream_factor(subject) /
                                  known_or(limits.read_bytes_per_second, 1e10)};
  if (subject.strategy == Strategy::kLookUp) {
    const TablesSpec tables{
        .k = candidate.spec.k, .layout = candidate.spec.layout, .form = subject.form};
    const double operations =
        subject.weights() * look_up_operations(candidate.spec.layout, subject.form);
    cost.decode_s = passes * (operations / rate + looked_up_bytes(subject) / table_rate);
    cost.tables_s = passes * static_cast<double>(tables.table_bytes()) / table_rate;
    cost.exposed = kExposedDirect;
    return cost;
  }
  const bool into_panel = subject.strategy == Strategy::kPanel;
  const DecodeCounts counts = decode_counts(candidate.spec.layout, subject.tier, into_panel);
  const double operations = into_panel
                                ? std::max(counts.operations, kOperationsPerStore * counts.stores)
                                : counts.operations;
  cost.decode_s = slowdown * passes * subject.weights() * operations / rate;
  cost.multiply_s = slowdown * 2 * static_cast<double>(tokens) * subject.weights() *
                        wait_factor(subject) * cache_factor(subject) /
                        peak_of(limits, subject.tier) +
                    sums_bytes(subject) / table_rate;
  cost.exposed = into_panel ? kExposedPanel : kExposedDirect;
  return cost;
}

}  // namespace bitnetc
