#include "codegen/kernel_spec.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <vector>

#include "codegen/layout/word_cells.h"
#include "runtime/buffer.h"

namespace bitnetc {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 31;

// Reads the '_'-separated parts of a spec name from left to right; the first part that does not fit
// stops it.
class NameReader {
 public:
  explicit NameReader(std::string_view text) : rest_(text) {}

  // The next part must be exactly `word`.
  void expect(std::string_view word) {
    if (next() != word) fail(word);
  }
  // The next part must be `prefix` followed by a number.
  template <typename Number>
  Number number(std::string_view prefix) {
    const std::string_view part = next();
    Number value{};
    if (part.substr(0, prefix.size()) != prefix) return fail(prefix), value;
    const char* end = part.data() + part.size();
    auto [stop, error] = std::from_chars(part.data() + prefix.size(), end, value);
    if (error != std::errc() || stop != end) fail(prefix);
    return value;
  }
  // As number(), or `value` where `word` stands for it.
  template <typename Number>
  Number number_or(std::string_view prefix, std::string_view word, Number value) {
    const std::string_view part = rest_.substr(0, rest_.find('_'));
    if (part == std::string(prefix) + std::string(word)) return next(), value;
    const auto number_read = number<Number>(prefix);
    if (number_read == value) fail(prefix);  // one name each
    return number_read;
  }
  std::string_view next() {
    const size_t end = rest_.find('_');
    const std::string_view part = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    last_ = part;
    return part;
  }
  void fail(std::string_view expected) {
    if (failed_.empty()) failed_ = fmt::format("'{}' where '{}...' was expected", last_, expected);
  }
  bool at_end() const { return rest_.empty(); }
  // Whether `word` comes next; if so it is read.
  bool take(std::string_view word) {
    if (rest_.substr(0, rest_.find('_')) != word) return false;
    next();
    return true;
  }
  const std::string& failure() const { return failed_; }

 private:
  std::string_view rest_, last_;
  std::string failed_;
};

FloatType read_float_type(NameReader& reader) {
  const auto type = parse_float_type(reader.next());
  if (!type) reader.fail("f32, f16 or bf16");
  return type.value_or(FloatType::kF32);
}

MatmulSpec read_matmul(NameReader& reader) {
  MatmulSpec spec;
  reader.expect("i8");
  if (auto layout = parse_layout(reader.next())) {
    spec.layout = *layout;
  } else {
    reader.fail("a layout such as i2s");
  }
  reader.expect("f32");
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  spec.m = reader.number_or<int>("m", "N", kAnyM);
  const std::string_view word = reader.next();
  for (Epilogue epilogue : kEpilogues) {
    if (word == epilogue_name(epilogue)) {
      spec.epilogue = epilogue;
      spec.row_max = reader.take("rowmax");
      return spec;
    }
  }
  reader.fail("scale, residual, relu2mul, silumul or gelumul");
  return spec;
}

constexpr std::string_view kOperations[] = {"matmul",  "normquant",  "quant",
                                            "rmsnorm", "ropeappend", "attention",
                                            "embed",   "head",       "tables"};

TablesSpec read_tables(NameReader& reader) {
  TablesSpec spec;
  reader.expect("i8");
  if (auto layout = parse_layout(reader.next())) {
    spec.layout = *layout;
  } else {
    reader.fail("a layout such as tl2");
  }
  const std::string_view form = reader.next();
  for (const TableForm each : {TableForm::kWords, TableForm::kBytes})
    if (form == table_form_name(each)) spec.form = each;
  if (form != table_form_name(spec.form)) reader.fail("words or bytes");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

KernelSpec read_spec(std::string_view op, NameReader& reader) {
  if (std::ranges::find(kOperations, op) == std::end(kOperations)) {
    reader.fail(fmt::format("{}", fmt::join(kOperations, ", ")));
    return {};
  }
  if (op == "matmul") return read_matmul(reader);
  if (op == "tables") return read_tables(reader);
  reader.expect("f32");
  if (op == "normquant") {
    reader.expect("i8");
    NormQuantizeSpec spec;
    spec.k = reader.number<int64_t>("k");
    spec.eps = reader.number<float>("eps");
    return spec;
  }
  if (op == "quant") {
    reader.expect("i8");
    return QuantizeSpec{.k = reader.number<int64_t>("k")};
  }
  if (op == "rmsnorm") {
    RmsNormSpec spec;
    spec.k = reader.number<int64_t>("k");
    spec.eps = reader.number<float>("eps");
    return spec;
  }
  if (op == "ropeappend") {
    RopeAppendSpec spec;
    spec.q_heads = reader.number<int64_t>("q");
    spec.kv_heads = reader.number<int64_t>("kv");
    spec.head_dim = reader.number<int64_t>("d");
    return spec;
  }
  if (op == "attention") {
    AttentionSpec spec;
    spec.head_dim = reader.number<int64_t>("d");
    spec.scale = reader.number<float>("scale");
    return spec;
  }
  if (op == "embed") {
    EmbedSpec spec;
    spec.type = read_float_type(reader);
    spec.k = reader.number<int64_t>("k");
    return spec;
  }
  HeadSpec spec;
  spec.type = read_float_type(reader);
  spec.n = reader.number<int64_t>("n");
  spec.k = reader.number<int64_t>("k");
  return spec;
}

Status check_dimension(const KernelSpec& spec, const char* field, int64_t value) {
  if (value > 0 && value < kMaxDimension) return {};
  return make_error(StatusCode::kInvalidArgument, "{}: {} = {}, expected 1..{}", spec_name(spec),
                    field, value, kMaxDimension - 1);
}

}  // namespace

std::string_view epilogue_name(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kScale: return "scale";
    case Epilogue::kResidual: return "residual";
    case Epilogue::kRelu2Mul: return "relu2mul";
    case Epilogue::kSiluMul: return "silumul";
    case Epilogue::kGeluMul: return "gelumul";
  }
  return "?";
}

std::string_view table_form_name(TableForm form) {
  switch (form) {
    case TableForm::kNone: return "none";
    case TableForm::kWords: return "words";
    case TableForm::kBytes: return "bytes";
  }
  return "?";
}

int64_t TablesSpec::field_bytes() const {
  constexpr int64_t kHalfTable = 32;  // 16 sums of two bytes
  return form == TableForm::kWords && layout != LayoutId::kTl1 ? 2 * kHalfTable : kHalfTable;
}
int64_t TablesSpec::blocks() const {
  return word_format(layout).blocks(k);
}
int64_t TablesSpec::block_bytes() const {
  const WordFormat& format = word_format(layout);
  return format.words * format.fields * field_bytes();
}

int64_t NormQuantizeSpec::padded_k() const {
  return static_cast<int64_t>(round_up(k, kQuantPad));
}

int64_t QuantizeSpec::padded_k() const {
  return static_cast<int64_t>(round_up(k, kQuantPad));
}

int64_t RopeAppendSpec::k_offset() const {
  return static_cast<int64_t>(round_up(q_heads * head_dim, kTileRows));
}
int64_t RopeAppendSpec::v_offset() const {
  return k_offset() + static_cast<int64_t>(round_up(kv_heads * head_dim, kTileRows));
}
int64_t RopeAppendSpec::qkv_columns() const {
  return v_offset() + static_cast<int64_t>(round_up(kv_heads * head_dim, kTileRows));
}

std::string spec_name(const KernelSpec& spec) {
  struct Printer {
    std::string operator()(const MatmulSpec& s) const {
      const std::string m = s.m == kAnyM ? "N" : fmt::to_string(s.m);
      return fmt::format("matmul_i8_{}_f32_n{}_k{}_m{}_{}{}", layout_name(s.layout), s.n, s.k, m,
                         epilogue_name(s.epilogue), s.row_max ? "_rowmax" : "");
    }
    std::string operator()(const NormQuantizeSpec& s) const {
      return fmt::format("normquant_f32_i8_k{}_eps{}", s.k, s.eps);
    }
    std::string operator()(const QuantizeSpec& s) const {
      return fmt::format("quant_f32_i8_k{}", s.k);
    }
    std::string operator()(const RmsNormSpec& s) const {
      return fmt::format("rmsnorm_f32_k{}_eps{}", s.k, s.eps);
    }
    std::string operator()(const RopeAppendSpec& s) const {
      return fmt::format("ropeappend_f32_q{}_kv{}_d{}", s.q_heads, s.kv_heads, s.head_dim);
    }
    std::string operator()(const AttentionSpec& s) const {
      return fmt::format("attention_f32_d{}_scale{}", s.head_dim, s.scale);
    }
    std::string operator()(const EmbedSpec& s) const {
      return fmt::format("embed_f32_{}_k{}", float_type_name(s.type), s.k);
    }
    std::string operator()(const HeadSpec& s) const {
      return fmt::format("head_f32_{}_n{}_k{}", float_type_name(s.type), s.n, s.k);
    }
    std::string operator()(const TablesSpec& s) const {
      return fmt::format("tables_i8_{}_{}_k{}", layout_name(s.layout), table_form_name(s.form),
                         s.k);
    }
  };
  return std::visit(Printer{}, spec);
}

Result<KernelSpec> parse_spec(std::string_view name) {
  NameReader reader(name);
  const std::string_view op = reader.next();
  KernelSpec spec = read_spec(op, reader);
  if (reader.failure().empty() && !reader.at_end()) {
    reader.next();
    reader.fail("the end of the name");
  }
  if (!reader.failure().empty()) {
    return make_error(StatusCode::kInvalidArgument, "kernel spec '{}': {} (a spec looks like {})",
                      name, reader.failure(), spec_name(MatmulSpec{.n = 2560, .k = 6912}));
  }
  BITNETC_RETURN_IF_ERROR(validate(spec));
  return spec;
}

Status validate(const KernelSpec& spec) {
  struct Checker {
    const KernelSpec& whole;
    Status operator()(const MatmulSpec& s) const {
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "n", s.n));
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "k", s.k));
      const int64_t multiple = is_gated(s.epilogue) ? 2 * kTileRows : kTileRows;
      if (s.n % multiple != 0) {
        return make_error(StatusCode::kInvalidArgument, "{}: n = {} is not a multiple of {}",
                          spec_name(whole), s.n, multiple);
      }
      if (s.m != kAnyM && (s.m < 1 || s.m > kMaxSmallM)) {
        return make_error(StatusCode::kInvalidArgument, "{}: m = {}, expected 1..{} or N",
                          spec_name(whole), s.m, kMaxSmallM);
      }
      return {};
    }
    Status operator()(const NormQuantizeSpec& s) const { return check_dimension(whole, "k", s.k); }
    Status operator()(const QuantizeSpec& s) const { return check_dimension(whole, "k", s.k); }
    Status operator()(const RmsNormSpec& s) const { return check_dimension(whole, "k", s.k); }
    Status operator()(const RopeAppendSpec& s) const {
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "q", s.q_heads));
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "kv", s.kv_heads));
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "d", s.head_dim));
      if (s.head_dim % 2 != 0) {
        return make_error(StatusCode::kInvalidArgument, "{}: d = {} is odd; RoPE rotates halves",
                          spec_name(whole), s.head_dim);
      }
      return {};
    }
    Status operator()(const AttentionSpec& s) const {
      return check_dimension(whole, "d", s.head_dim);
    }
    Status operator()(const EmbedSpec& s) const { return check_dimension(whole, "k", s.k); }
    Status operator()(const HeadSpec& s) const {
      BITNETC_RETURN_IF_ERROR(check_dimension(whole, "n", s.n));
      return check_dimension(whole, "k", s.k);
    }
    Status operator()(const TablesSpec& s) const {
      if (s.layout == LayoutId::kI2S) {
        return make_error(StatusCode::kInvalidArgument, "{}: layout i2s has no tables",
                          spec_name(whole));
      }
      if (s.form == TableForm::kNone) {
        return make_error(StatusCode::kInvalidArgument, "{}: form none, expected words or bytes",
                          spec_name(whole));
      }
      return check_dimension(whole, "k", s.k);
    }
  };
  return std::visit(Checker{spec}, spec);
}

}  // namespace bitnetc
