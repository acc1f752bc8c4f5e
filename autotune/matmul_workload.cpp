#include "autotune/matmul_workload.h"

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "autotune/machine.h"
#include "codegen/matmul_operands.h"

namespace bitnetc {
namespace {

constexpr int64_t kGroupTiles = 8;  // the most that kernels take at a time

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A wish, for whole large pages only.
void wish_for_pages(const Buffer<uint8_t>& buffer, int advice) {
  constexpr size_t kLargePage = size_t{2} << 20;
  const auto begin = reinterpret_cast<uintptr_t>(buffer.data());
  const uintptr_t first = round_up(begin, kLargePage), end = begin + buffer.bytes();
  if (first < end) madvise(reinterpret_cast<void*>(first), end - first, advice);
}

size_t table_index(TableForm form) {
  return form == TableForm::kBytes ? 1 : 0;
}

void bring_in(const void* data, size_t bytes) {
  const auto* lines = static_cast<const volatile uint8_t*>(data);
  for (size_t at = 0; at < bytes; at += kCacheLineBytes) static_cast<void>(lines[at]);
}

MatmulSpec with_m(MatmulSpec spec, int m) {
  spec.m = m;
  return spec;
}

}  // namespace

std::string_view regime_name(WeightRegime regime) {
  return regime == WeightRegime::kCache ? "cache" : "memory";
}

int64_t streamed_weight_bytes() {
  constexpr int64_t kUnknownCache = int64_t{32} << 20;
  const CacheSizes caches = cache_sizes();
  const int64_t last_level = std::max(caches.l2_bytes, caches.l3_bytes);
  return 4 * (last_level > 0 ? last_level : kUnknownCache);
}

uint8_t* WeightMemory::reserve(int64_t bytes) {
  if (static_cast<int64_t>(bytes_.size()) < bytes) {
    bytes_ = {};
    bytes_ = Buffer<uint8_t>(static_cast<size_t>(bytes));
    wish_for_pages(bytes_, pages_ == Pages::kLarge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  }
  return bytes_.data();
}

MatmulWorkload::MatmulWorkload(const MatmulSpec& shape, int64_t max_tokens, int64_t weight_bytes,
                               std::shared_ptr<WeightMemory> memory,
                               const std::function<bool()>& is_cancelled)
    : shape_(shape),
      layout_(shape.weight_layout()),
      max_tokens_(max_tokens),
      copies_(std::max<int64_t>(1, ceil_div(weight_bytes, layout_.total_bytes()))),
      x_stride_(shape.padded_k()),
      unit_tiles_(shape.tiles_per_unit()),
      memory_(memory ? std::move(memory)
                     : std::make_shared<WeightMemory>(WeightMemory::Pages::kLarge)),
      w_(memory_->reserve(copies_ * layout_.total_bytes())),
      x_(static_cast<size_t>(max_tokens * x_stride_)),
      y_(static_cast<size_t>(max_tokens * shape.output_columns())),
      residual_(shape.epilogue == Epilogue::kResidual ? y_.size() : 0),
      x_scale_(static_cast<size_t>(max_tokens)),
      tile_scale_(static_cast<size_t>(layout_.tiles())),
      x_sum_(static_cast<size_t>(max_tokens)) {
  fill_weights(is_cancelled);
  fill_activations();
}

// A few random tiles, over and over: no kernel's speed depends on values.
void MatmulWorkload::fill_weights(const std::function<bool()>& is_cancelled) {
  constexpr int64_t kPatternTiles = 8, kAskingTiles = 1024;
  Random random(1);
  const int64_t tile_bytes = layout_.tile_bytes(), tiles = copies_ * layout_.tiles();
  for (int64_t tile = 0; tile < tiles; ++tile) {
    if (tile % kAskingTiles == 0 && is_cancelled && is_cancelled()) return;
    uint8_t* const bytes = w_ + tile * tile_bytes;
    if (tile < kPatternTiles) {
      fill_tile(layout_, bytes, random);
    } else {
      std::memcpy(bytes, bytes - kPatternTiles * tile_bytes, static_cast<size_t>(tile_bytes));
    }
  }
  for (float& scale : tile_scale_) scale = random.uniform(0.5f, 2.0f);
}

void MatmulWorkload::fill_activations() {
  Random random(2);
  fill_rows({.x = x_.data(),
             .stride = x_stride_,
             .scale = x_scale_.data(),
             .sum = x_sum_.data(),
             .count = max_tokens_},
            shape_.k, random);
  for (float& value : residual_) value = random.uniform(0.005f, 0.02f);
}

Result<double> MatmulWorkload::build_tables(KernelBuilder& builder, const Target& target,
                                            TableForm form) {
  constexpr int kRepeats = 20;
  const TablesSpec spec{.k = shape_.k, .layout = shape_.layout, .form = form};
  BITNETC_ASSIGN_OR_RETURN(const BuiltKernel built,
                           builder.build({.spec = spec, .target = target}));
  Buffer<uint8_t>& tables = tables_[table_index(form)];
  tables = Buffer<uint8_t>(static_cast<size_t>(spec.table_bytes()));
  double least = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const Clock::time_point start = Clock::now();
    built.kernel(BuildTablesArgs{
        .x = x_.data(), .tables = tables.data(), .block_begin = 0, .block_end = spec.blocks()});
    const double seconds = seconds_since(start);
    least = i == 0 ? seconds : std::min(least, seconds);
  }
  return least;
}

MatmulArgs MatmulWorkload::args(TableForm form, int64_t copy, int64_t row, int64_t tokens,
                                Range tiles) {
  const int64_t columns = shape_.output_columns();
  return {.x = x_.data() + row * x_stride_,
          .tables = form == TableForm::kNone ? nullptr : tables_[table_index(form)].data(),
          .w = w_ + copy * layout_.total_bytes(),
          .y = y_.data() + row * columns,
          .x_scale = x_scale_.data() + row,
          .x_sum = x_sum_.data() + row,
          .tile_scale = tile_scale_.data(),
          .residual = residual_.size() == 0 ? nullptr : residual_.data() + row * columns,
          .x_stride = x_stride_,
          .y_stride = columns,
          .tile_begin = tiles.begin,
          .tile_end = tiles.end,
          .m = tokens};
}

void MatmulWorkload::call(const BuiltKernel& built, int64_t tokens, int64_t copy, Range tiles) {
  if (tiles.begin == tiles.end) return;
  float row_absmax[kMaxTokensPerCall];  // private to the thread
  for (int64_t row = 0; row < tokens; row += kMaxTokensPerCall) {
    MatmulArgs each = args(built.table_form, copy, row,
                           std::min<int64_t>(kMaxTokensPerCall, tokens - row), tiles);
    if (shape_.row_absmax) std::fill_n(row_absmax, each.m, 0.0f);
    each.row_absmax = row_absmax;
    built.kernel(each);
  }
}

Result<const std::array<float, kTileRows>*> MatmulWorkload::expected(KernelBuilder& builder,
                                                                     int64_t m, int64_t unit) {
  if (const auto known = expected_.find({m, unit}); known != expected_.end()) return &known->second;
  BITNETC_ASSIGN_OR_RETURN(const BuiltKernel reference,
                           builder.build_with("reference", {.spec = with_m(shape_, 1),
                                                            .target = target_for(Isa::kScalar)}));
  std::vector<float> row(static_cast<size_t>(shape_.output_columns()));
  float most = 0;
  MatmulArgs one = args(TableForm::kNone, 0, m, 1, {unit * unit_tiles_, (unit + 1) * unit_tiles_});
  one.y = row.data();
  one.row_absmax = &most;
  reference.kernel(one);
  std::array<float, kTileRows>& outputs = expected_[{m, unit}];
  std::copy_n(row.begin() + unit * kTileRows, kTileRows, outputs.begin());
  return &outputs;
}

Status MatmulWorkload::check(KernelBuilder& builder, const BuiltKernel& built, int64_t tokens) {
  const int64_t units = layout_.tiles() / unit_tiles_, columns = shape_.output_columns();
  for (const int64_t unit : {int64_t{0}, units - 1}) {
    // What another kernel left there is not what this one computes.
    for (int64_t m = 0; m < tokens; ++m)
      std::fill_n(y_.data() + m * columns + unit * kTileRows, kTileRows,
                  std::numeric_limits<float>::quiet_NaN());
    call(built, tokens, 0, {unit * unit_tiles_, (unit + 1) * unit_tiles_});
    for (const int64_t m : {int64_t{0}, tokens / 2, tokens - 1}) {
      BITNETC_ASSIGN_OR_RETURN(const auto* const want, expected(builder, m, unit));
      for (int64_t i = 0; i < kTileRows; ++i) {
        const int64_t c = unit * kTileRows + i;
        const float got = y_[static_cast<size_t>(m * columns + c)];
        if (std::memcmp(&got, &(*want)[static_cast<size_t>(i)], sizeof got) != 0)
          return make_error(StatusCode::kDisqualified, "{}: y[{}][{}] is {}, the reference says {}",
                            built.kernel.name(), m, c, got, (*want)[static_cast<size_t>(i)]);
      }
    }
  }
  return {};
}

// In a model the step before has just written them; here others' matrices went through the caches
// since.
void MatmulWorkload::bring_inputs_in(TableForm form, int64_t tokens) const {
  bring_in(x_.data(), static_cast<size_t>(tokens * x_stride_));
  if (form == TableForm::kNone) return;
  const Buffer<uint8_t>& tables = tables_[table_index(form)];
  bring_in(tables.data(), tables.bytes());
}

// Half of the second-level cache, the other half is for x and y; whole tile groups of four.
Range MatmulWorkload::cached_tiles(int member, int threads) const {
  constexpr int64_t kUnknownL2 = int64_t{512} << 10;
  constexpr int64_t kCachedGroupTiles = 4;
  const int64_t l2 = cache_sizes().l2_bytes;
  const int64_t fitting = (l2 > 0 ? l2 : kUnknownL2) / 2 / layout_.tile_bytes();
  int64_t count = std::min(fitting, layout_.tiles() / threads);
  count = count >= kCachedGroupTiles ? count / kCachedGroupTiles * kCachedGroupTiles : unit_tiles_;
  return {std::min(member * count, layout_.tiles()),
          std::min((member + 1) * count, layout_.tiles())};
}

Range MatmulWorkload::shared_tiles(int member, int threads) const {
  const Range units = share(layout_.tiles() / unit_tiles_, member, threads);
  return {units.begin * unit_tiles_, units.end * unit_tiles_};
}

CallWork MatmulWorkload::work(WeightRegime regime, int threads) const {
  int64_t tiles = 0;
  for (int member = 0; member < threads; ++member) {
    const Range range = regime == WeightRegime::kCache ? cached_tiles(member, threads)
                                                       : shared_tiles(member, threads);
    tiles += range.end - range.begin;
  }
  return {.weights = tiles * kTileRows * shape_.k, .weight_bytes = tiles * layout_.tile_bytes()};
}

double MatmulWorkload::time_together(ThreadPool& pool,
                                     const std::function<void(int member)>& prepare,
                                     const std::function<void(int member)>& work) {
  std::vector<Clock::time_point> starts(static_cast<size_t>(pool.size())), ends(starts.size());
  pool.run([&](int member) {
    prepare(member);
    pool.barrier();
    starts[static_cast<size_t>(member)] = Clock::now();
    work(member);
    ends[static_cast<size_t>(member)] = Clock::now();
  });
  // Who wakes up late from the barrier must not hide what the others did before.
  const auto first = *std::min_element(starts.begin(), starts.end());
  const auto last = *std::max_element(ends.begin(), ends.end());
  return std::chrono::duration<double>(last - first).count();
}

double MatmulWorkload::run(const BuiltKernel& built, int64_t tokens, WeightRegime regime,
                           ThreadPool& pool, int64_t calls) {
  const int64_t first_copy = next_copy_;
  if (regime == WeightRegime::kMemory) next_copy_ = (next_copy_ + calls) % copies_;
  const auto tiles = [&](int member) {
    return regime == WeightRegime::kCache ? cached_tiles(member, pool.size())
                                          : shared_tiles(member, pool.size());
  };
  return time_together(
      pool,
      [&](int member) {
        if (regime == WeightRegime::kCache)
          call(built, tokens, 0, tiles(member));  // brings them in
        bring_inputs_in(built.table_form, tokens);
      },
      [&](int member) {
        const Range mine = tiles(member);
        for (int64_t i = 0; i < calls; ++i) {
          if (regime == WeightRegime::kCache) {
            call(built, tokens, 0, mine);
          } else {
            call(built, tokens, (first_copy + i) % copies_, mine);
            pool.barrier();
          }
        }
      });
}

int64_t MatmulWorkload::pieces(int64_t tokens, int threads, int64_t most_macs) const {
  const int64_t macs = tokens * layout_.padded_n() * shape_.k;
  const int64_t groups = std::max<int64_t>(1, layout_.tiles() / threads / kGroupTiles);
  return std::clamp<int64_t>(macs / most_macs, 1, groups);
}

// Whole tile groups, but for what is left over at the end.
Range MatmulWorkload::piece_tiles(Range shared, int64_t piece, int64_t pieces) const {
  const int64_t tiles = shared.end - shared.begin;
  const int64_t groups = ceil_div(tiles, kGroupTiles);
  return {shared.begin + std::min(tiles, groups * piece / pieces * kGroupTiles),
          shared.begin + std::min(tiles, groups * (piece + 1) / pieces * kGroupTiles)};
}

double MatmulWorkload::run_pieces(const BuiltKernel& built, int64_t tokens, ThreadPool& pool,
                                  int64_t pieces, int64_t runs) {
  const int64_t first = next_piece_;
  next_piece_ = (next_piece_ + runs) % (copies_ * pieces);
  const auto tiles = [&](int member, int64_t run) {
    return piece_tiles(shared_tiles(member, pool.size()), (first + run) % pieces, pieces);
  };
  int64_t tiles_done = 0;
  for (int64_t i = 0; i < runs; ++i)
    for (int member = 0; member < pool.size(); ++member)
      tiles_done += tiles(member, i).end - tiles(member, i).begin;
  const double seconds = time_together(
      pool, [&](int) { bring_inputs_in(built.table_form, tokens); },
      [&](int member) {
        for (int64_t i = 0; i < runs; ++i) {
          call(built, tokens, (first + i) / pieces % copies_, tiles(member, i));
          pool.barrier();
        }
      });
  return seconds * static_cast<double>(layout_.tiles()) / static_cast<double>(tiles_done);
}

}  // namespace bitnetc
