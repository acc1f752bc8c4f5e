// The start-up proof: a fresh kernel against codegen/reference on a small problem of its spec, bit
// by bit.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "codegen/fault_guard.h"
#include "codegen/kernel_builder.h"
#include "codegen/layout/word_cells.h"
#include "codegen/reference/reference.h"
#include "runtime/buffer.h"
#include "runtime/kv_cache.h"
#include "runtime/math.h"

namespace bitnetc {
namespace {

// SplitMix64: enough for test values, and a proof is to take no time.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Uniform in [low, high), a multiple of (high - low) / 2^24.
  float uniform(float low, float high) {
    return low + (high - low) * (static_cast<float>(next() >> 40) * 0x1p-24f);
  }

 private:
  uint64_t state_;
};

// Zero-filled memory for a whole matrix of which a proof touches little: pages that are never
// written are never there.
template <typename T>
class SparseArray {
 public:
  explicit SparseArray(int64_t count)
      : data_(static_cast<T*>(std::calloc(static_cast<size_t>(count), sizeof(T)))) {
    if (!data_) throw std::bad_alloc();
  }
  T* data() { return data_.get(); }
  T& operator[](int64_t i) { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
};

// Runs the kernel in this thread; a crash is the kernel's failure, not ours.
template <typename Args>
Status run_kernel(const Kernel& kernel, const Args& args) {
  struct Call {
    const Kernel& kernel;
    const Args& args;
  } call{kernel, args};
  const int signal_number = run_guarded(
      [](void* state) {
        const Call& c = *static_cast<Call*>(state);
        c.kernel(c.args);
      },
      &call);
  if (signal_number == 0) return {};
  return make_error(StatusCode::kDisqualified, "{}: start-up proof: raised {}", kernel.name(),
                    strsignal(signal_number));
}

// Compares bits. `what` names the output: "y of token 3".
template <typename T>
Status compare(const Kernel& kernel, const std::string& what, const T* got, const T* expected,
               int64_t count) {
  if (std::memcmp(got, expected, static_cast<size_t>(count) * sizeof(T)) == 0) return {};
  int64_t i = 0;
  while (std::memcmp(got + i, expected + i, sizeof(T)) == 0) ++i;
  return make_error(StatusCode::kDisqualified,
                    "{}: start-up proof: {}: element {} is {}, the reference says {}",
                    kernel.name(), what, i, got[i], expected[i]);
}

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

// ---- matmul

// The first unit of tiles and a few at the end, where an address is wrong first. A unit is one
// tile, or the gate and up tile that make one output tile.
class MatmulProof {
 public:
  MatmulProof(const MatmulSpec& spec, const Kernel& kernel, TableForm form, uint64_t seed)
      : spec_(spec),
        kernel_(kernel),
        form_(form),
        random_(seed),
        layout_(spec.weight_layout()),
        tokens_(spec.m == kAnyM ? kManyTokens : spec.m),
        unit_tiles_(is_gated(spec.epilogue) ? 2 : 1),
        x_stride_(static_cast<int64_t>(round_up(static_cast<size_t>(spec.k), kQuantPad))),
        x_(tokens_ * x_stride_),
        w_(layout_.total_bytes()),
        y_(tokens_ * spec.output_columns()),
        expected_(tokens_ * spec.output_columns()),
        residual_(tokens_ * spec.output_columns()),
        tile_scale_(layout_.tiles()) {}

  // Every kernel carries several tiles at once or one alone; both ways must agree on the tiles at
  // the end, and the reference, which is slow, confirms the first unit and the last.
  Status run() {
    const int64_t units = layout_.tiles() / unit_tiles_;
    const int64_t tail_units = std::min<int64_t>(units, kTailUnits);
    fill_activations();
    fill_units(0, 1);
    fill_units(units - tail_units, units);
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel_, args(y_, units - tail_units, units)));
    for (int64_t unit = units - tail_units; unit < units; ++unit) {
      BITNETC_RETURN_IF_ERROR(run_kernel(kernel_, args(expected_, unit, unit + 1)));
      for (int64_t m = 0; m < tokens_; ++m)
        BITNETC_RETURN_IF_ERROR(compare_unit("several tiles against one", m, unit));
    }
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel_, args(y_, 0, 1)));
    for (const int64_t unit : {int64_t{0}, units - 1}) {
      for (int64_t m = 0; m < tokens_; ++m) {
        if (!is_sampled(m)) continue;
        run_reference(m, unit);
        BITNETC_RETURN_IF_ERROR(compare_unit("against the reference", m, unit));
      }
    }
    return {};
  }

 private:
  static constexpr int64_t kTailUnits = 5;  // a step of four tiles and one left over
  static constexpr int kManyTokens = 37;    // two AMX tiles of 16 and a rest

  // Of many tokens, those at the ends of what kernels take at a time.
  bool is_sampled(int64_t m) const {
    return tokens_ <= kMaxSmallM || m == 0 || m == 5 || m == 15 || m == 31 || m == tokens_ - 1;
  }

  MatmulArgs args(SparseArray<float>& y, int64_t unit_begin, int64_t unit_end) {
    return {.x = x_.data(),
            .tables = tables_.data(),
            .w = w_.data(),
            .y = y.data(),
            .x_step = x_step_,
            .x_sum = x_sum_,
            .tile_scale = tile_scale_.data(),
            .residual = spec_.epilogue == Epilogue::kResidual ? residual_.data() : nullptr,
            .x_stride = x_stride_,
            .y_stride = spec_.output_columns(),
            .tile_begin = unit_begin * unit_tiles_,
            .tile_end = unit_end * unit_tiles_,
            .m = tokens_};
  }

  void run_reference(int64_t m, int64_t unit) {
    MatmulSpec one = spec_;
    one.m = 1;
    MatmulArgs token = args(expected_, unit, unit + 1);
    token.x += m * x_stride_;
    token.x_step += m;
    token.x_sum += m;
    token.y += m * spec_.output_columns();
    if (token.residual != nullptr) token.residual += m * spec_.output_columns();
    reference::matmul(one, token);
  }

  // Long runs of the extremes, where int16 sums would overflow first, then random values.
  int8_t activation(int64_t k) {
    if (k < spec_.k / 4) return -128;
    if (k < spec_.k / 2) return 127;
    return static_cast<int8_t>(random_.next());
  }

  void fill_activations() {
    for (int64_t m = 0; m < tokens_; ++m) {
      x_sum_[m] = 0;
      x_step_[m] = random_.uniform(0.005f, 0.02f);
      for (int64_t k = 0; k < spec_.k; ++k) {
        const int8_t value = activation(k);
        x_[m * x_stride_ + k] = value;
        x_sum_[m] += value;
      }
    }
    if (form_ == TableForm::kNone) return;
    const TablesSpec tables{.k = spec_.k, .layout = spec_.layout, .form = form_};
    tables_ = Buffer<uint8_t>(static_cast<size_t>(tables.table_bytes()));
    reference::build_tables(
        tables,
        {.x = x_.data(), .tables = tables_.data(), .block_begin = 0, .block_end = tables.blocks()});
  }

  void fill_units(int64_t begin, int64_t end) {
    for (int64_t tile = begin * unit_tiles_; tile < end * unit_tiles_; ++tile) {
      uint8_t* bytes = w_.data() + tile * layout_.tile_bytes();
      if (spec_.layout == LayoutId::kI2S) {
        fill_codes(bytes);
      } else {
        fill_words(bytes);
      }
      tile_scale_[tile] = random_.uniform(0.5f, 2.0f);
    }
    for (int64_t m = 0; m < tokens_; ++m) {
      float* const row = residual_.data() + m * spec_.output_columns();
      for (int64_t i = begin * kTileRows; i < end * kTileRows; ++i) row[i] = random_.uniform(-9, 9);
    }
  }

  // Random codes 0..2, but a first row of +1 and a second row of -1, for the extreme sums.
  void fill_codes(uint8_t* tile) {
    for (int64_t i = 0; i < layout_.tile_bytes(); i += 8) {
      uint64_t codes = random_.next();
      codes &= ~(codes << 1 & 0xaaaaaaaaaaaaaaaa);  // 3 becomes 1
      std::memcpy(tile + i, &codes, sizeof codes);
      if (i % 64 != 0) continue;
      std::memset(tile + i, 0b10101010, 4);
      std::memset(tile + i + 4, 0b00000000, 4);
    }
  }

  // The same in a layout of words: a first row of +1, a second of -1, and random ones below.
  void fill_words(uint8_t* tile) {
    constexpr int64_t kPalette = 64;
    const WordFormat& format = word_format(spec_.layout);
    uint16_t palette[kPalette];
    for (uint16_t& word : palette) word = random_word(format, random_.next());
    for (int64_t cell = 0; cell < layout_.tile_bytes() / kCellBytes; ++cell) {
      uint16_t words[kTileRows] = {extreme_word(format, 1), extreme_word(format, -1)};
      uint64_t choice = random_.next(), more = random_.next();
      for (int r = 2; r < kTileRows; ++r, choice = choice >> 6 | more << 58, more >>= 6)
        words[r] = palette[choice % kPalette];
      std::memcpy(tile + cell * kCellBytes, words, sizeof words);
    }
  }

  static int largest(const WordFormat& format, int field) {
    constexpr int kLargest[] = {0, 1, 4, 13};
    return kLargest[format.trits[field]];
  }
  static uint16_t extreme_word(const WordFormat& format, int trit) {
    int fields[4] = {};
    for (int f = 0; f < format.fields; ++f) fields[f] = trit * largest(format, f);
    return format.encode(fields);
  }
  static uint16_t random_word(const WordFormat& format, uint64_t bits) {
    int fields[4] = {};
    for (int f = 0; f < format.fields; ++f) {
      const int most = largest(format, f);
      fields[f] = static_cast<int>((bits >> (16 * f) & 0xffff) % (2 * most + 1)) - most;
    }
    return format.encode(fields);
  }

  Status compare_unit(const char* what, int64_t m, int64_t unit) {
    const int64_t at = m * spec_.output_columns() + unit * kTileRows;
    return compare(kernel_,
                   fmt::format("{}, token {} of columns from {}", what, m, unit * kTileRows),
                   y_.data() + at, expected_.data() + at, kTileRows);
  }

  const MatmulSpec& spec_;
  const Kernel& kernel_;
  const TableForm form_;
  Random random_;
  const WeightLayout layout_;
  const int64_t tokens_, unit_tiles_, x_stride_;
  SparseArray<int8_t> x_;
  SparseArray<uint8_t> w_;
  SparseArray<float> y_, expected_, residual_, tile_scale_;
  Buffer<uint8_t> tables_;
  float x_step_[kManyTokens];
  int32_t x_sum_[kManyTokens];
};

Status prove_matmul(const MatmulSpec& spec, const Kernel& kernel, TableForm form, uint64_t seed) {
  return MatmulProof(spec, kernel, form, seed).run();
}

// ---- tables

// All blocks, then the last one alone.
Status prove_tables(const TablesSpec& spec, const Kernel& kernel, uint64_t seed) {
  Random random(seed);
  Buffer<int8_t> x(round_up(static_cast<size_t>(spec.k), kQuantPad));
  for (int64_t k = 0; k < spec.k; ++k)
    x[static_cast<size_t>(k)] = k < spec.k / 4 ? int8_t{-128} : static_cast<int8_t>(random.next());
  const auto bytes = static_cast<size_t>(spec.table_bytes());
  Buffer<uint8_t> got(bytes), expected(bytes);
  reference::build_tables(
      spec,
      {.x = x.data(), .tables = expected.data(), .block_begin = 0, .block_end = spec.blocks()});
  for (const int64_t begin : {int64_t{0}, spec.blocks() - 1}) {
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, BuildTablesArgs{.x = x.data(),
                                                               .tables = got.data(),
                                                               .block_begin = begin,
                                                               .block_end = spec.blocks()}));
    const auto at = static_cast<size_t>(begin * spec.block_bytes());
    BITNETC_RETURN_IF_ERROR(compare(kernel, "table bytes", got.data() + at, expected.data() + at,
                                    static_cast<int64_t>(bytes - at)));
    std::fill(got.begin(), got.end(), uint8_t{0});
  }
  return {};
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
    float step = 0, expected_step = 0;
    int32_t sum = 0, expected_sum = 0;
    NormQuantizeArgs args{.x = row.data(),
                          .weight = weight.data(),
                          .q = expected_q.data(),
                          .step = &expected_step,
                          .sum = &expected_sum,
                          .normed = expected_normed.data()};
    reference::norm_quantize(spec, args);
    args.q = q.data(), args.step = &step, args.sum = &sum, args.normed = normed.data();
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(
        compare(kernel, "normed", normed.data(), expected_normed.data(), spec.k));
    args.normed = nullptr;
    BITNETC_RETURN_IF_ERROR(run_kernel(kernel, args));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "q", q.data(), expected_q.data(), spec.padded_k()));
    BITNETC_RETURN_IF_ERROR(compare(kernel, "step", &step, &expected_step, 1));
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

Status prove(const KernelSpec& spec, const Kernel& kernel, uint64_t seed, TableForm form) {
  struct Prover {
    const Kernel& kernel;
    uint64_t seed;
    TableForm form;
    Status operator()(const MatmulSpec& s) const { return prove_matmul(s, kernel, form, seed); }
    Status operator()(const NormQuantizeSpec& s) const {
      return prove_norm_quantize(s, kernel, seed);
    }
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
