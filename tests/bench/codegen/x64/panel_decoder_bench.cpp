// Speed of the panel decoders: packed blocks of one row tile to the bytes of a panel.
//
//   L1/...   a few kilobytes of packed blocks, over and over: what the instructions allow
//   L2/...   a quarter megabyte of packed blocks, chunk after chunk to the same panel, as matrix
//            products do
//
// Counters: Gweights/s, and weights per core cycle; a weight is a byte of the panel. What that
// should be follows from the operations that the decoders' headers count. Each decoder is compared
// with unpack() before it is timed. Run on a quiet machine, for example
//   bitnetc_bench --benchmark_filter=panel_decoder --benchmark_repetitions=9
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "runtime/buffer.h"
#include "runtime/cpu_features.h"
#include "runtime/exec_memory.h"
#include "tests/support/decode_program.h"
#include "tests/support/random_values.h"

namespace bitnetc::x64 {
namespace {

constexpr int64_t kL1PackedBytes = 3 << 10;
constexpr int64_t kL2PackedBytes = 256 << 10;
constexpr int64_t kChunkColumns = 720;  // whole blocks of every layout; a panel of 11 KiB

struct Case {
  LayoutId layout;
  int vector_bytes;
  int64_t packed_bytes;

  std::string name() const {
    return fmt::format("panel_decoder/{}/{}/{}_bytes", packed_bytes == kL1PackedBytes ? "L1" : "L2",
                       layout_name(layout), vector_bytes);
  }
};

// A panel of one tile, packed and decoded.
class Tile {
 public:
  explicit Tile(const Case& c) : layout_(layout_of(c)), packed_(bytes(layout_.total_bytes())) {
    trits_.resize(bytes(kTileRows * layout_.k));
    test::RandomValues random(3);
    for (int8_t& trit : trits_) trit = static_cast<int8_t>(random.integer(-1, 1));
    BITNETC_CHECK(pack(layout_, trits_, packed_).ok(), "{}", c.name());
  }

  int64_t weights() const { return kTileRows * layout_.k; }

  // All of it, a chunk at a time.
  void decode(test::DecodeEntry entry) {
    const int64_t chunk = kChunkColumns / layout_.block_columns();
    const int64_t blocks = layout_.k / layout_.block_columns();
    for (int64_t block = 0; block < blocks; block += chunk)
      entry(packed_.data() + block * layout_.block_bytes(), panel_.data(), chunk);
  }

  // Whether the panel is that of the last chunk.
  bool last_chunk_is_right() const {
    for (int64_t k = layout_.k - kChunkColumns; k < layout_.k; ++k) {
      const int64_t column = k % kChunkColumns;
      for (int64_t row = 0; row < kTileRows; ++row) {
        const int code = panel_[bytes(column / 4 * 4 * kTileRows + 4 * row + column % 4)];
        if (code != trits_[bytes(row * layout_.k + k)] + 1) return false;
      }
    }
    return true;
  }

 private:
  static size_t bytes(int64_t count) { return static_cast<size_t>(count); }
  static WeightLayout layout_of(const Case& c) {
    WeightLayout layout{.id = c.layout, .n = kTileRows, .k = kChunkColumns};
    layout.k *= std::max<int64_t>(c.packed_bytes / layout.tile_bytes(), 1);
    return layout;
  }

  const WeightLayout layout_;
  std::vector<int8_t> trits_;
  Buffer<uint8_t> packed_;
  Buffer<uint8_t> panel_ = Buffer<uint8_t>(bytes(kTileRows * kChunkColumns));
};

// Core cycles a second at this moment: a multiplication of two registers takes three on every CPU
// that has AVX2.
double clock_hz() {
  constexpr int kMultiplications = 100000, kCyclesEach = 3;
  double best = 0;
  for (int repetition = 0; repetition < 5; ++repetition) {
    const auto start = std::chrono::steady_clock::now();
    uint64_t x = 3;
    for (int i = 0; i < kMultiplications; ++i) {
      x *= x;
      asm volatile("" : "+r"(x));
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, kMultiplications * kCyclesEach / elapsed.count());
  }
  return best;
}

void run(benchmark::State& state, const Case& c) {
  const auto code = publish_code(test::decode_program(c.layout, c.vector_bytes));
  if (!code.ok()) return state.SkipWithError(code.status().message().c_str());
  const auto entry =
      reinterpret_cast<test::DecodeEntry>(reinterpret_cast<uintptr_t>((*code)->span().rx));
  Tile tile(c);
  tile.decode(entry);
  if (!tile.last_chunk_is_right()) return state.SkipWithError("the panel is wrong");
  for (auto _ : state) tile.decode(entry);
  const double weights =
      static_cast<double>(tile.weights()) * static_cast<double>(state.iterations());
  state.counters["Gweights/s"] = benchmark::Counter(weights * 1e-9, benchmark::Counter::kIsRate);
  state.counters["weights/cycle"] =
      benchmark::Counter(weights / clock_hz(), benchmark::Counter::kIsRate);
}

bool register_all() {
  const CpuFeatures& cpu = cpu_features();
  for (const LayoutId layout : kLayouts) {
    const bool needs_vbmi = layout == LayoutId::kTl2 || layout == LayoutId::kB3;
    const bool zmm = cpu.has(Feature::kAvx512bw) && cpu.has(Feature::kAvx512vl) &&
                     (cpu.has(Feature::kAvx512Vbmi) || !needs_vbmi);
    for (const int vector_bytes : {32, 64}) {
      if (vector_bytes == 32 ? !cpu.has(Feature::kAvx2) : !zmm) continue;
      for (const int64_t packed_bytes : {kL1PackedBytes, kL2PackedBytes}) {
        const Case c{layout, vector_bytes, packed_bytes};
        benchmark::RegisterBenchmark(c.name().c_str(), run, c);
      }
    }
  }
  return true;
}

const bool kRegistered = register_all();

}  // namespace
}  // namespace bitnetc::x64
