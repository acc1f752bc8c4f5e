#include "compiler/check_program.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "codegen/kernel_spec.h"
#include "compiler/passes/bindings.h"
#include "compiler/plan_source.h"
#include "runtime/overloaded.h"
#include "runtime/rounding.h"

namespace bitnetc {
namespace {

// Most bytes the buffers of one row may take together; the largest models need some hundred
// thousand.
constexpr int64_t kMostRowBytes = int64_t{1} << 28;

// More than this makes every key infinite in the fp16 cache.
constexpr double kMostAmplitude = 65504;

// Which columns of a buffer hold something, as disjoint ranges that do not touch.
class Columns {
 public:
  void add(int64_t begin, int64_t end) {
    auto at = ranges_.upper_bound(begin);
    if (at != ranges_.begin() && std::prev(at)->second >= begin) --at;
    while (at != ranges_.end() && at->first <= end) {
      begin = std::min(begin, at->first);
      end = std::max(end, at->second);
      at = ranges_.erase(at);
    }
    ranges_.emplace(begin, end);
  }
  bool contain(int64_t begin, int64_t end) const {
    auto at = ranges_.upper_bound(begin);
    return at != ranges_.begin() && std::prev(at)->second >= end;
  }

 private:
  std::map<int64_t, int64_t> ranges_;  // begin -> end
};

bool reads(Role role) {
  return role == Role::kInput || role == Role::kInOut;
}
bool writes(Role role) {
  return role == Role::kOutput || role == Role::kInOut;
}

class ProgramChecker {
 public:
  explicit ProgramChecker(const CompiledModel& model)
      : file_(model.file()),
        config_(model.description().config),
        program_(model.description().program),
        filled_{std::vector<Columns>(program_.buffers.size()),
                std::vector<Columns>(program_.buffers.size())},
        used_columns_(program_.buffers.size(), 0),
        used_positions_(program_.buffers.size(), 0) {}

  Status run() {
    BITNETC_RETURN_IF_ERROR(check_buffers());
    for (const Step& step : program_.steps) {
      step_ = &step;
      BITNETC_RETURN_IF_ERROR(check_step());
    }
    return check_whole();
  }

 private:
  // Whether the steps for one row take the places of those for several.
  enum PassKind { kWhole, kSkipping };
  static constexpr PassKind kPassKinds[] = {kWhole, kSkipping};
  bool runs_in(PassKind pass) const { return runs_in_pass(step_->rows, pass == kSkipping); }

  template <typename... Args>
  Status corrupt(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string where = step_ != nullptr ? fmt::format("step {}", step_->name) : "program";
    return make_error(StatusCode::kDataCorrupt, "{}: {}: {}", file_.origin(), where,
                      fmt::format(format, std::forward<Args>(args)...));
  }

  Status check_buffers() const {
    int64_t row_bytes = 0;
    for (const BufferInfo& buffer : program_.buffers) {
      if (buffer.per_row == 0 && buffer.per_position == 0)
        return corrupt("buffer {} has no elements", buffer.name);
      row_bytes += buffer.per_row * element_bytes(buffer.type);
      if (row_bytes > kMostRowBytes)
        return corrupt("the buffers of one row take more than {} bytes", kMostRowBytes);
    }
    return {};
  }

  Status check_step() {
    auto spec = parse_spec(step_->kernel);
    if (!spec.ok()) return corrupt("{}", spec.status().message());
    if (std::holds_alternative<TablesSpec>(*spec) || std::holds_alternative<ScreenSpec>(*spec))
      return corrupt("kernel {} is no step of a program by itself", step_->kernel);
    BITNETC_RETURN_IF_ERROR(check_rows(*spec));
    BITNETC_RETURN_IF_ERROR(check_against_config(*spec));
    BITNETC_RETURN_IF_ERROR(check_order(*spec));
    BITNETC_RETURN_IF_ERROR(check_operands(*spec));
    BITNETC_RETURN_IF_ERROR(check_parts(*spec));
    BITNETC_RETURN_IF_ERROR(check_code_width(*spec));
    return check_absmax(*spec);
  }

  // Steps that skip neurons know one row only; others than the ones whose place they take run in
  // every pass.
  Status check_rows(const KernelSpec& spec) const {
    const bool is_sparse =
        std::holds_alternative<SparseUpSpec>(spec) || std::holds_alternative<SparseDownSpec>(spec);
    const bool may_be_replaced =
        std::holds_alternative<MatmulSpec>(spec) || std::holds_alternative<GluSpec>(spec);
    if (is_sparse == (step_->rows == StepRows::kOne) &&
        (step_->rows != StepRows::kSeveral || may_be_replaced))
      return {};
    return corrupt("is {} for {}, expected {}", step_->operation(),
                   step_->rows == StepRows::kAny   ? "any rows"
                   : step_->rows == StepRows::kOne ? "one row"
                                                   : "several rows",
                   is_sparse ? "one row" : "any rows");
  }

  // ---- operands

  Status check_operands(const KernelSpec& spec) {
    std::set<std::string_view> bound;
    for (const StepOperand& operand : step_->operands)
      if (!bound.insert(operand.name).second)
        return corrupt("operand {} is bound twice", operand.name);
    const std::vector<Operand> declared = step_operands(spec, config_);
    for (const Operand& operand : declared) {
      const StepOperand* given = step_->operand(operand.name);
      if (given == nullptr) return corrupt("operand {} is missing", operand.name);
      bound.erase(operand.name);
      BITNETC_RETURN_IF_ERROR(operand.role == Role::kWeight ? check_section(operand, *given)
                                                            : check_slice(operand, *given));
    }
    if (!bound.empty())
      return corrupt("operand {} has no meaning for {}", *bound.begin(), step_->kernel);
    BITNETC_RETURN_IF_ERROR(check_aliases(declared));
    // Reads first: what a step writes does not count for what it reads.
    for (const Operand& operand : declared)
      if (reads(operand.role)) BITNETC_RETURN_IF_ERROR(check_filled(operand));
    for (const Operand& operand : declared)
      if (writes(operand.role)) fill(step_->operand(operand.name)->slice);
    return {};
  }

  Status check_section(const Operand& operand, const StepOperand& given) const {
    if (given.section.empty())
      return corrupt("operand {} is a buffer, expected a section", operand.name);
    const auto bytes = file_.section(given.section);
    if (!bytes.ok()) return corrupt("{}", bytes.status().message());
    const int64_t expected = operand.fixed * element_bytes(operand.type);
    if (static_cast<int64_t>(bytes->size()) != expected)
      return corrupt("section {} has {} bytes, operand {} of {} needs {}", given.section,
                     bytes->size(), operand.name, step_->kernel, expected);
    return {};
  }

  Status check_slice(const Operand& operand, const StepOperand& given) {
    if (!given.section.empty())
      return corrupt("operand {} is section {}, expected a buffer", operand.name, given.section);
    const Slice& slice = given.slice;
    const auto index = static_cast<size_t>(slice.buffer);
    const BufferInfo& buffer = program_.buffers[index];
    if (buffer.type != operand.type)
      return corrupt("operand {} is {}, but buffer {} holds {}", operand.name,
                     element_type_name(operand.type), buffer.name, element_type_name(buffer.type));
    if (buffer.per_worker != operand.per_worker)
      return corrupt("operand {}: buffer {} {} one copy per worker", operand.name, buffer.name,
                     buffer.per_worker ? "has" : "lacks");
    const int64_t columns = operand.per_position > 0 ? operand.per_position : operand.per_row;
    if (slice.columns != columns)
      return corrupt("operand {} has {} columns, {} needs {}", operand.name, slice.columns,
                     step_->kernel, columns);
    if (operand.per_position > 0) {
      if (slice.column != 0 || buffer.per_position != columns)
        return corrupt("operand {}: buffer {} has {} elements per position, expected {}",
                       operand.name, buffer.name, buffer.per_position, columns);
      used_positions_[index] = columns;
      return {};
    }
    if (slice.column + slice.columns > buffer.per_row)
      return corrupt("operand {}: columns {} to {} of buffer {}, which has {}", operand.name,
                     slice.column, slice.column + slice.columns, buffer.name, buffer.per_row);
    if (buffer.scored && !step_->scored)
      return corrupt("operand {}: buffer {} has scored rows only", operand.name, buffer.name);
    if (writes(operand.role) && step_->scored && !buffer.scored)
      return corrupt("operand {}: buffer {} has all rows, the step writes only scored ones",
                     operand.name, buffer.name);
    used_columns_[index] = std::max(used_columns_[index], slice.column + slice.columns);
    return {};
  }

  // Two operands may share memory only if neither is written, or a matmul writes over its residual.
  Status check_aliases(const std::vector<Operand>& declared) const {
    for (size_t i = 0; i < declared.size(); ++i) {
      for (size_t j = i + 1; j < declared.size(); ++j) {
        if (declared[i].role == Role::kWeight || declared[j].role == Role::kWeight) continue;
        const Slice &a = step_->operand(declared[i].name)->slice,
                    &b = step_->operand(declared[j].name)->slice;
        const bool overlap = a.buffer == b.buffer && a.column < b.column + b.columns &&
                             b.column < a.column + a.columns;
        const bool only_read = declared[i].role == Role::kInput && declared[j].role == Role::kInput;
        const bool in_place =
            a == b && std::min(declared[i].name, declared[j].name) == std::string_view("residual");
        if (overlap && !only_read && !in_place)
          return corrupt("operands {} and {} overlap in buffer {}", declared[i].name,
                         declared[j].name, program_.buffers[static_cast<size_t>(a.buffer)].name);
      }
    }
    return {};
  }

  Status check_filled(const Operand& operand) const {
    const Slice& slice = step_->operand(operand.name)->slice;
    const auto buffer = static_cast<size_t>(slice.buffer);
    for (const PassKind pass : kPassKinds) {
      if (!runs_in(pass) ||
          filled_[pass][buffer].contain(slice.column, slice.column + slice.columns))
        continue;
      return corrupt(
          "operand {} reads columns {} to {} of buffer {} before a step has written them{}",
          operand.name, slice.column, slice.column + slice.columns, program_.buffers[buffer].name,
          pass == kSkipping ? " in passes of one row" : "");
    }
    return {};
  }
  // Up to a whole row tile: what stands in pad columns reaches no other column.
  void fill(const Slice& slice) {
    for (const PassKind pass : kPassKinds) {
      if (!runs_in(pass)) continue;
      filled_[pass][static_cast<size_t>(slice.buffer)].add(
          slice.column, slice.column + round_up(slice.columns, kTileRows));
    }
  }

  // ---- numbers that a spec shares with the config

  Status check_against_config(const KernelSpec& spec) const {
    return std::visit(
        Overloaded{
            [&](const MatmulSpec& s) -> Status {
              return s.m == 1 ? Status() : corrupt("kernel {}: expected m1", step_->kernel);
            },
            [&](const NormQuantizeSpec& s) { return check_eps(s.eps); },
            [&](const RmsNormSpec& s) { return check_eps(s.eps); },
            [&](const HeadNormSpec& s) -> Status {
              if (s.head_dim != config_.head_dim ||
                  (s.heads != config_.q_heads && s.heads != config_.kv_heads))
                return corrupt("kernel {}, but the config has {} query heads, {} kv heads of {}",
                               step_->kernel, config_.q_heads, config_.kv_heads, config_.head_dim);
              return check_eps(s.eps);
            },
            [&](const RopeAppendSpec& s) -> Status {
              if (s.q_heads != config_.q_heads || s.kv_heads != config_.kv_heads ||
                  s.head_dim != config_.head_dim)
                return corrupt("kernel {}, but the config has {} query heads, {} kv heads of {}",
                               step_->kernel, config_.q_heads, config_.kv_heads, config_.head_dim);
              return check_kv_type(s.kv_type);
            },
            [&](const AttentionSpec& s) { return check_attention(s); },
            [&](const EmbedSpec& s) -> Status {
              return s.k == config_.hidden_size
                         ? Status()
                         : corrupt("kernel {}, but the config's hidden_size is {}", step_->kernel,
                                   config_.hidden_size);
            },
            [&](const HeadSpec& s) -> Status {
              return s.n == config_.vocab_size
                         ? Status()
                         : corrupt("kernel {}, but the config's vocab_size is {}", step_->kernel,
                                   config_.vocab_size);
            },
            [](const auto&) { return Status(); },
        },
        spec);
  }

  Status check_eps(float eps) const {
    if (eps == config_.norm_eps) return {};
    return corrupt("kernel {}, but the config's norm_eps is {}", step_->kernel, config_.norm_eps);
  }

  Status check_attention(const AttentionSpec& spec) const {
    if (spec.head_dim != config_.head_dim || spec.q_per_kv * config_.kv_heads != config_.q_heads)
      return corrupt("kernel {}, but the config has {} query heads, {} kv heads of {}",
                     step_->kernel, config_.q_heads, config_.kv_heads, config_.head_dim);
    if (spec.scale != config_.attention_scale())
      return corrupt("kernel {}, but the config's attention scale is {}", step_->kernel,
                     config_.attention_scale());
    return check_kv_type(spec.kv_type);
  }

  // The type is chosen when a model is linked.
  Status check_kv_type(KvType type) const {
    if (type == KvType::kF16) return {};
    return corrupt("kernel {}: expected one whose name does not end with {}", step_->kernel,
                   kv_type_name(type));
  }

  // ---- which steps there are, in which order

  Status check_order(const KernelSpec& spec) {
    const bool is_rope = std::holds_alternative<RopeAppendSpec>(spec);
    const bool is_attention = std::holds_alternative<AttentionSpec>(spec);
    if (outputs_ > 0)
      return corrupt("stands behind the output of the model, expected that to be the last step");
    if (std::holds_alternative<EmbedSpec>(spec) && embeds_++ > 0)
      return corrupt("is a second embed");
    if (std::holds_alternative<HeadSpec>(spec)) {
      if (config_.output != ModelOutput::kLogits)
        return corrupt("is a head, but the config's output is hidden");
      ++outputs_;
      if (!step_->scored) return corrupt("is a head of all rows, expected scored ones");
      BITNETC_RETURN_IF_ERROR(check_screen(std::get<HeadSpec>(spec)));
    }
    if (const auto* norm = std::get_if<RmsNormSpec>(&spec);
        norm != nullptr && step_->scored && config_.output == ModelOutput::kHidden) {
      ++outputs_;
      if (norm->k != config_.hidden_size)
        return corrupt("kernel {}, but the config's hidden_size is {}", step_->kernel,
                       config_.hidden_size);
    }
    if (step_->scored && !std::holds_alternative<HeadSpec>(spec) &&
        !std::holds_alternative<RmsNormSpec>(spec))
      return corrupt("is {} of scored rows only, expected rmsnorm or head", step_->operation());
    if ((is_rope || is_attention) && (step_->layer < 0 || step_->layer >= config_.layers))
      return corrupt("layer = {}, expected 0..{}", step_->layer, config_.layers - 1);
    const double amplitude = step_->rope_amplitude;
    if (!(amplitude > 0 && amplitude <= kMostAmplitude) || (amplitude != 1 && !is_rope))
      return corrupt("rope_amplitude = {}, expected {}", amplitude,
                     is_rope ? "a positive number of at most 65504" : "none");
    if (is_rope && !appended_.insert(step_->layer).second)
      return corrupt("appends to the cache of layer {} a second time", step_->layer);
    if (is_attention) {
      if (!appended_.contains(step_->layer))
        return corrupt("reads the cache of layer {} before a step has appended to it",
                       step_->layer);
      attended_.insert(step_->layer);
    }
    return {};
  }

  Status check_parts(const KernelSpec& spec) const {
    const auto* matmul = std::get_if<MatmulSpec>(&spec);
    int64_t rows = 0;
    for (const StepPart& part : step_->parts) rows += round_up(part.rows, kTileRows);
    if (rows != (matmul != nullptr ? matmul->n : 0))
      return corrupt("its parts have {} rows in whole tiles, {} needs {}", rows, step_->kernel,
                     matmul != nullptr ? matmul->n : 0);
    for (const auto& [m, plan] : step_->plans) {
      if (m < kAnyM || m > kMaxSmallM)
        return corrupt("has a plan for m = {}, expected 0..{}", m, kMaxSmallM);
      if (const auto choice = parse_choice(plan); !choice.ok())
        return corrupt("{}", choice.status().message());
    }
    return {};
  }

  // Codes are followed by zeros up to a multiple of kQuantPad, which kernels rely on: a matmul must
  // read as many columns as were quantised, not the leftovers of a wider row.
  Status check_code_width(const KernelSpec& spec) {
    if (const auto* norm = std::get_if<NormQuantizeSpec>(&spec))
      code_width_[step_->operand("q")->slice.buffer] = norm->k;
    if (const auto* quantize = std::get_if<QuantizeSpec>(&spec))
      code_width_[step_->operand("q")->slice.buffer] = quantize->k;
    const std::optional<int64_t> read =
        std::visit(Overloaded{[](const MatmulSpec& s) { return std::optional(s.k); },
                              [](const SparseUpSpec& s) { return std::optional(s.k); },
                              [](const SparseDownSpec& s) { return std::optional(s.k); },
                              [](const auto&) { return std::optional<int64_t>(); }},
                   spec);
    if (!read) return {};
    const int64_t width = code_width_[step_->operand("x")->slice.buffer];
    if (width == *read) return {};
    return corrupt("operand x was quantised with {} columns, {} reads {}", width, step_->kernel,
                   *read);
  }

  // A quantisation that does not find the absmax itself takes the one that the matmul just before
  // it left of the same columns.
  Status check_absmax(const KernelSpec& spec) {
    const auto* quantize = std::get_if<QuantizeSpec>(&spec);
    if (quantize != nullptr && !quantize->find_absmax) {
      const Slice &x = step_->operand("x")->slice, &absmax = step_->operand("absmax")->slice;
      const bool matches = absmax_of_ && absmax_of_->buffer == x.buffer &&
                           absmax_of_->column == x.column && absmax_of_->columns >= x.columns &&
                           absmax_in_ == absmax;
      if (!matches) return corrupt("the step before does not leave the row absmax of its input");
    }
    absmax_of_.reset();
    const auto* matmul = std::get_if<MatmulSpec>(&spec);
    if (matmul != nullptr && matmul->row_absmax) {
      absmax_of_ = step_->operand("y")->slice;
      absmax_in_ = step_->operand("row_absmax")->slice;
    }
    return {};
  }

  Status check_screen(const HeadSpec& head) const {
    if (program_.screen.empty()) return {};
    const ScreenSpec coarse{.n = head.n, .k = head.k};
    ScreenSpec fine = coarse;
    fine.part = ScreenPart::kFine;
    if (const Status valid = validate(KernelSpec(coarse)); !valid.ok())
      return corrupt("has a screen: {}", valid.message());
    const int64_t rows_bytes = head.n * element_bytes(ElementType::kF32);
    const int64_t expected[] = {head.n * coarse.row_bytes(), head.n * fine.row_bytes(), rows_bytes,
                                rows_bytes, rows_bytes};
    for (size_t i = 0; i < std::size(kScreenParts); ++i) {
      const std::string name = program_.screen + std::string(kScreenParts[i]);
      const auto bytes = file_.section(name);
      if (!bytes.ok()) return corrupt("{}", bytes.status().message());
      if (std::ssize(*bytes) != expected[i])
        return corrupt("section {} has {} bytes, a screen of {} needs {}", name, bytes->size(),
                       step_->kernel, expected[i]);
    }
    return {};
  }

  Status check_whole() {
    step_ = nullptr;
    if (!program_.screen.empty() && config_.output != ModelOutput::kLogits)
      return corrupt("has a screen {}, but no head", program_.screen);
    if (embeds_ != 1) return corrupt("has {} embed steps, expected 1", embeds_);
    if (outputs_ != 1)
      return corrupt("has no {}", config_.output == ModelOutput::kLogits ? "head" : "last norm");
    if (static_cast<int64_t>(attended_.size()) != config_.layers)
      return corrupt("has attention in {} layers, the config has {}", attended_.size(),
                     config_.layers);
    for (size_t i = 0; i < program_.buffers.size(); ++i) {
      const BufferInfo& buffer = program_.buffers[i];
      // Scales and sums lie row by row without a gap; wider rows may end with a whole tile.
      const int64_t used = used_columns_[i];
      const bool fits =
          buffer.per_row == used || (used > 1 && buffer.per_row == round_up(used, kTileRows));
      if (!fits || used_positions_[i] != buffer.per_position)
        return corrupt(
            "buffer {} has {} columns and {} elements per position, its steps use {} "
            "and {}",
            buffer.name, buffer.per_row, buffer.per_position, used_columns_[i], used_positions_[i]);
    }
    return {};
  }

  const BncReader& file_;
  const ModelConfig& config_;
  const Program& program_;
  const Step* step_ = nullptr;
  std::vector<Columns> filled_[2];     // by PassKind and buffer
  std::vector<int64_t> used_columns_;  // by buffer: the end of what any operand uses
  std::vector<int64_t> used_positions_;
  std::map<int, int64_t> code_width_;  // by buffer of codes: columns before the pad
  std::set<int> appended_, attended_;  // layers
  int embeds_ = 0, outputs_ = 0;       // an output: the head, or the last norm
  std::optional<Slice> absmax_of_;     // the columns whose row absmax the last step left
  Slice absmax_in_;
};

}  // namespace

Status check_program(const CompiledModel& model) {
  return ProgramChecker(model).run();
}

Result<std::shared_ptr<const CompiledModel>> open_checked(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(auto model, CompiledModel::open(path));
  BITNETC_RETURN_IF_ERROR(check_program(*model));
  BITNETC_RETURN_IF_ERROR(check_values(*model));
  return model;
}

}  // namespace bitnetc
