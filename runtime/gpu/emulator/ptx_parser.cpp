#include "runtime/gpu/emulator/ptx_parser.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "runtime/printable.h"
#include "runtime/rounding.h"

namespace bitnetc::emulator {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

// Pieces between `separator`, none of them inside brackets of any kind; trimmed.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  int depth = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : separator;
    if (c == '{' || c == '[' || c == '(') ++depth;
    if (c == '}' || c == ']' || c == ')') --depth;
    if (i < text.size() && (c != separator || depth > 0)) continue;
    pieces.push_back(trim(text.substr(begin, i - begin)));
    begin = i + 1;
  }
  if (pieces.size() == 1 && pieces[0].empty()) pieces.clear();
  return pieces;
}

std::optional<uint64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  if (text.ends_with('U')) text.remove_suffix(1);
  uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return negative ? uint64_t{0} - value : value;
}

// "0f3F800000" and "0d3FF0000000000000": the bits.
std::optional<uint64_t> parse_float_bits(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') return std::nullopt;
  const char kind = static_cast<char>(text[1] | 0x20);
  const size_t digits = kind == 'f' ? 8 : 16;
  if ((kind != 'f' && kind != 'd') || text.size() != digits + 2) return std::nullopt;
  return parse_integer("0x" + std::string(text.substr(2)));
}

// Comments become spaces, so that lines stay where they are.
std::string without_comments(std::string_view text) {
  std::string clean(text);
  for (size_t i = 0; i + 1 < clean.size(); ++i) {
    const bool line = clean[i] == '/' && clean[i + 1] == '/';
    const bool block = clean[i] == '/' && clean[i + 1] == '*';
    if (!line && !block) continue;
    const size_t found = line ? clean.find('\n', i) : clean.find("*/", i + 2);
    const size_t end = std::min(found, clean.size());
    for (size_t k = i; k < std::min(end + (block ? 2 : 0), clean.size()); ++k)
      if (clean[k] != '\n') clean[k] = ' ';
  }
  return clean;
}

struct Variable {
  Space space;
  int64_t offset;
};

// Directives that end with their line.
constexpr std::string_view kLineDirectives[] = {
    ".version", ".target", ".address_size", ".maxntid",  ".minnctapersm", ".maxnreg",
    ".file",    ".loc",    ".reqntid",      ".noreturn", ".maxnctapersm"};

// Instructions without a destination.
constexpr std::string_view kNoDestination[] = {
    "st",  "red",  "bra",  "bar",      "barrier", "membar",         "fence",
    "ret", "exit", "trap", "prefetch", "cp",      "griddepcontrol", "nanosleep"};

class Parser {
 public:
  Parser(std::string_view text, std::string_view entry)
      : text_(without_comments(text)), wanted_(entry) {}

  Result<PtxFunction> run() {
    while (skip_spaces(), at_ < text_.size()) BITNETC_RETURN_IF_ERROR(item());
    if (!is_found_)
      return make_error(StatusCode::kNotFound, "no entry function {} in {} bytes of PTX",
                        printable(wanted_, 80), text_.size());
    if (depth_ != 0) return error("the end of the text", "inside a function");
    for (const auto& [index, label] : branches_) {
      const auto to = labels_.find(label);
      if (to == labels_.end()) {
        line_ = function_.code[index].line;
        return error(label, "not a label of the function");
      }
      function_.code[index].target = to->second;
    }
    Instruction end{.flow = Flow::kExit, .line = line_, .name = name_index("ret")};
    function_.code.push_back(end);
    function_.registers = static_cast<int32_t>(registers_.size()) + extra_registers_;
    return std::move(function_);
  }

 private:
  Status error(std::string_view what, std::string_view why) const {
    return make_error(StatusCode::kUnsupported, "PTX line {}: {}: {}", line_, printable(what, 120),
                      why);
  }

  void advance(size_t to) {
    line_ += static_cast<int32_t>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                             text_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    at_ = to;
  }
  void skip_spaces() { advance(std::min(text_.find_first_not_of(kSpaces, at_), text_.size())); }

  Status item() {
    const std::string_view rest = std::string_view(text_).substr(at_);
    if (rest[0] == '{' || rest[0] == '}') return brace(rest[0]);
    for (const std::string_view directive : kLineDirectives) {
      if (!rest.starts_with(directive)) continue;
      const size_t end = std::min(rest.find('\n'), rest.size());
      BITNETC_RETURN_IF_ERROR(line_directive(rest.substr(0, end)));
      advance(at_ + end);
      return {};
    }
    const size_t word_end = std::min(rest.find_first_of(";:{}()"), rest.size());
    const std::string_view head = rest.substr(0, word_end);
    if (head.find(".func") != std::string_view::npos)
      return error(head, "functions are not emulated: everything is inlined");
    if (head.find(".entry") != std::string_view::npos) return entry_head(rest);
    if (word_end < rest.size() && rest[word_end] == ':' &&
        !rest.substr(word_end).starts_with("::") &&
        head.find_first_of(kSpaces) == std::string_view::npos) {
      if (is_inside_) labels_[std::string(head)] = static_cast<int32_t>(function_.code.size());
      advance(at_ + word_end + 1);
      return {};
    }
    const size_t end = rest.find(';');
    if (end == std::string_view::npos) return error(rest.substr(0, 60), "expected a ';'");
    const std::string_view text = trim(rest.substr(0, end));
    if (!text.empty()) BITNETC_RETURN_IF_ERROR(statement(text));
    advance(at_ + end + 1);
    return {};
  }

  Status brace(char which) {
    if (which == '{') {
      if (depth_ == 0 && !is_entry_) return error("{", "expected the head of a function before it");
      if (depth_++ == 0) is_inside_ = is_wanted_entry_;
    } else {
      if (depth_ == 0) return error("}", "without a '{'");
      if (--depth_ == 0) is_inside_ = is_entry_ = is_wanted_entry_ = false;
    }
    advance(at_ + 1);
    return {};
  }

  Status line_directive(std::string_view text) {
    if (!text.starts_with(".maxntid") || !is_wanted_entry_) return {};
    const std::string_view first = split(text.substr(8), ',').at(0);
    const auto threads = parse_integer(first);
    if (!threads || *threads == 0 || *threads > 1024) return error(text, "expected 1 to 1024");
    function_.most_threads = static_cast<int>(*threads);
    return {};
  }

  // ".visible .entry name(.param .align 8 .b8 name_param_0[48])"
  Status entry_head(std::string_view rest) {
    const size_t open = rest.find('('), close = rest.find(')');
    const size_t body = rest.find('{');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
        body < close)
      return error(rest.substr(0, 60), "expected parameters in parentheses");
    const std::string_view head = trim(rest.substr(0, open));
    const std::string_view name = head.substr(head.find_last_of(kSpaces) + 1);
    is_entry_ = true;
    is_wanted_entry_ = name == wanted_;
    if (is_wanted_entry_) {
      if (is_found_) return error(name, "is there twice");
      is_found_ = true;
      function_.name = std::string(name);
      for (const std::string_view each : split(rest.substr(open + 1, close - open - 1), ','))
        BITNETC_RETURN_IF_ERROR(declare(each, Space::kParameter));
    }
    advance(at_ + close + 1);
    return {};
  }

  // ".align 16 .b8 name[64]", behind its space. Parameters and shared and local memory.
  Status declare(std::string_view text, Space space) {
    if (text.find('=') != std::string_view::npos)
      return error(text, "initial values are not emulated");
    std::string_view name = text.substr(text.find_last_of(kSpaces) + 1);
    uint64_t count = 1, alignment = 1;
    PtxType type = PtxType::kNone;
    std::string_view word;
    for (std::string_view left = text; !left.empty();) {
      const size_t end = std::min(left.find_first_of(kSpaces), left.size());
      const std::string_view before = word;
      word = left.substr(0, end);
      left = trim(left.substr(end));
      if (before == ".align") alignment = parse_integer(word).value_or(0);
      if (word.size() > 1 && word[0] == '.')
        if (const PtxType each = ptx_type(word.substr(1)); each != PtxType::kNone) type = each;
    }
    if (const size_t bracket = name.find('['); bracket != std::string_view::npos) {
      const std::string_view inside = name.substr(bracket + 1, name.find(']') - bracket - 1);
      count = inside.empty() ? 0 : parse_integer(inside).value_or(uint64_t{1} << 40);
      name = name.substr(0, bracket);
    }
    if (type == PtxType::kNone || count > uint64_t{1} << 30 || alignment == 0 || alignment > 1024 ||
        (alignment & (alignment - 1)) != 0)
      return error(text, "expected an alignment, a type and a name");
    // The memory of the launch lies behind what the function declares.
    if (space == Space::kShared && has_launch_memory_ && count > 0)
      return error(text, "expected before the shared memory of the launch");
    if (space == Space::kShared && count == 0) has_launch_memory_ = true;
    int64_t& used = space == Space::kParameter ? function_.parameter_bytes
                    : space == Space::kShared  ? function_.shared_bytes
                                               : function_.local_bytes;
    const int64_t bytes = bytes_of(type);
    used = round_up(used, std::max(static_cast<int64_t>(alignment), bytes));
    variables_[std::string(name)] = {.space = space, .offset = used};
    used += bytes * static_cast<int64_t>(count);
    return {};
  }

  Status statement(std::string_view text) {
    const bool is_module_level = depth_ == 0;
    for (const auto& [word, space] :
         {std::pair{".shared", Space::kShared}, std::pair{".local", Space::kLocal}}) {
      const size_t at = text.find(word);
      if (text[0] == '.' && at != std::string_view::npos && (is_module_level || is_inside_))
        return declare(trim(text.substr(at + std::string_view(word).size())), space);
    }
    // Variables of a module are not emulated: whoever names one gets an error. Constants that the
    // compiler has used stand there, too.
    if (is_module_level)
      return text.starts_with(".pragma") || text.find(".global") != std::string_view::npos ||
                     text.find(".const") != std::string_view::npos
                 ? Status()
                 : error(text, "not emulated");
    if (!is_inside_) return {};
    if (text.starts_with(".reg")) return declare_registers(text.substr(4));
    if (text.starts_with(".pragma")) return {};
    if (text[0] == '.') return error(text, "not emulated");
    return instruction(text);
  }

  // " .pred %p<59>", " .b16 t, u".
  Status declare_registers(std::string_view text) {
    text = trim(text);
    const size_t end = text.find_first_of(kSpaces);
    if (end == std::string_view::npos) return error(text, "expected a type and names");
    const PtxType type = ptx_type(text.substr(std::min<size_t>(1, end), end - 1));
    if (text[0] != '.' || type == PtxType::kNone) return error(text, "expected a type and names");
    for (const std::string_view name : split(text.substr(end), ','))
      declared_[std::string(name.substr(0, name.find('<')))] = type;
    return {};
  }

  // ---- instructions

  int32_t name_index(std::string_view name) {
    auto [at, fresh] = name_indices_.emplace(name, static_cast<int32_t>(function_.names.size()));
    if (fresh) function_.names.emplace_back(name);
    return at->second;
  }

  int32_t register_of(std::string_view name) {
    return registers_.emplace(name, static_cast<int32_t>(registers_.size() + extra_registers_))
        .first->second;
  }
  // kNone: not a register.
  PtxType type_of_register(std::string_view name) const {
    if (const auto at = declared_.find(name); at != declared_.end()) return at->second;
    if (!name.starts_with('%')) return PtxType::kNone;
    const auto at = declared_.find(name.substr(0, name.find_first_of("0123456789")));
    return at != declared_.end() ? at->second : PtxType::kNone;
  }
  bool is_register(std::string_view name) const { return type_of_register(name) != PtxType::kNone; }
  int32_t preset(Special special, uint64_t value) {
    const auto [at, fresh] = presets_.emplace(std::pair(special, value), 0);
    if (fresh) {
      at->second = static_cast<int32_t>(registers_.size()) + extra_registers_;
      ++extra_registers_;
      function_.presets.push_back({.reg = at->second, .special = special, .value = value});
    }
    return at->second;
  }

  std::optional<int32_t> special_register(std::string_view text) {
    static const std::map<std::string_view, Special> kNames = {
        {"%tid.x", Special::kThread},     {"%tid.y", Special::kZero},
        {"%tid.z", Special::kZero},       {"%ntid.x", Special::kThreads},
        {"%ntid.y", Special::kOne},       {"%ntid.z", Special::kOne},
        {"%ctaid.x", Special::kBlockX},   {"%ctaid.y", Special::kBlockY},
        {"%ctaid.z", Special::kZero},     {"%nctaid.x", Special::kBlocksX},
        {"%nctaid.y", Special::kBlocksY}, {"%nctaid.z", Special::kOne},
        {"%laneid", Special::kLane},      {"%warpid", Special::kWarp}};
    const auto at = kNames.find(text);
    if (at == kNames.end()) return std::nullopt;
    return preset(at->second, 0);
  }

  Status source(std::string_view text, Instruction& instruction) {
    if (instruction.source_count == Instruction::kMostSources)
      return error(text, "more operands than any instruction has");
    int32_t& to = instruction.source[instruction.source_count++];
    if (const auto special = special_register(text)) {
      to = *special;
    } else if (is_register(text)) {
      to = register_of(text);
    } else if (const auto bits = parse_float_bits(text)) {
      to = preset(Special::kConstant, *bits);
    } else if (const auto integer = parse_integer(text)) {
      to = preset(Special::kConstant, *integer);
    } else if (const auto variable = variables_.find(std::string(text));
               variable != variables_.end()) {
      to = preset(Special::kConstant, static_cast<uint64_t>(variable->second.offset));
    } else {
      return error(text, "no operand that is known here");
    }
    return {};
  }

  // "[%rd1+16]", "[name]", "[%rd1+-8]"
  Status address(std::string_view text, Instruction& instruction) {
    std::string_view inside = trim(text.substr(1, text.size() - 2));
    int64_t offset = 0;
    if (const size_t plus = inside.find('+'); plus != std::string_view::npos) {
      const auto value = parse_integer(trim(inside.substr(plus + 1)));
      if (!value) return error(text, "expected an offset in bytes");
      offset = static_cast<int64_t>(*value);
      inside = trim(inside.substr(0, plus));
    }
    // The second address of an instruction has no offset of its own in `instruction`.
    if (instruction.source_count > 0 && offset != 0) return error(text, "not emulated");
    instruction.offset += offset;
    return source(inside, instruction);
  }

  Status operand(std::string_view text, bool is_destination, Instruction& instruction) {
    if (text.empty()) return error("an operand", "is missing");
    if (text[0] == '{') {
      if (text.back() != '}') return error(text, "expected a '}'");
      for (const std::string_view each : split(text.substr(1, text.size() - 2), ','))
        BITNETC_RETURN_IF_ERROR(operand(each, is_destination, instruction));
      return {};
    }
    if (text[0] == '[') {
      if (text.back() != ']' || is_destination) return error(text, "expected no address here");
      return address(text, instruction);
    }
    if (!is_destination) return source(text, instruction);
    // "%r1|%p2" of shuffles; "_" is thrown away.
    for (const std::string_view each : split(text, '|')) {
      if (instruction.destination_count == Instruction::kMostDestinations)
        return error(text, "more results than any instruction has");
      if (each != "_" && !is_register(each)) return error(each, "expected a register");
      instruction.has_wide_result = bytes_of(type_of_register(each)) == 8;
      instruction.destination[instruction.destination_count++] = register_of(each);
    }
    return {};
  }

  Status instruction(std::string_view text) {
    Instruction decoded{.line = line_};
    if (text[0] == '@') {
      const size_t end = text.find_first_of(kSpaces);
      if (end == std::string_view::npos) return error(text, "expected an instruction");
      std::string_view guard = text.substr(1, end - 1);
      decoded.guard_negated = guard.starts_with('!');
      if (decoded.guard_negated) guard.remove_prefix(1);
      if (!is_register(guard)) return error(guard, "expected a predicate");
      decoded.guard = register_of(guard);
      text = trim(text.substr(end));
    }
    const size_t name_end = std::min(text.find_first_of(kSpaces), text.size());
    const std::string_view name = text.substr(0, name_end);
    decoded.name = name_index(name);
    std::vector<std::string_view> parts = split(name, '.');
    // "L1::no_allocate" and other hints to caches say nothing about results.
    std::erase_if(parts, [](std::string_view part) {
      return part.empty() || part.find("::no_allocate") != std::string_view::npos ||
             part.find("::evict") != std::string_view::npos || part == "L2::128B" ||
             part == "L2::256B";
    });
    const std::vector<std::string_view> operands = split(text.substr(name_end), ',');
    if (parts.empty()) return error(text, "expected an instruction");
    const bool is_branch = parts[0] == "bra";
    if (is_branch) {
      if (operands.size() != 1) return error(text, "expected a label");
      branches_.emplace_back(function_.code.size(), std::string(operands[0]));
    } else {
      const bool has_destination =
          std::ranges::find(kNoDestination, parts[0]) == std::end(kNoDestination);
      for (size_t i = 0; i < operands.size(); ++i)
        BITNETC_RETURN_IF_ERROR(operand(operands[i], i == 0 && has_destination, decoded));
    }
    const Status status = decode(decoded, parts);
    if (!status.ok()) return error(text, status.message());
    function_.code.push_back(decoded);
    return {};
  }

  const std::string text_;
  const std::string_view wanted_;
  size_t at_ = 0;
  int32_t line_ = 1;
  int depth_ = 0;
  bool has_launch_memory_ = false;
  bool is_entry_ = false, is_wanted_entry_ = false, is_inside_ = false, is_found_ = false;
  PtxFunction function_;
  std::map<std::string, Variable, std::less<>> variables_;
  std::map<std::string, PtxType, std::less<>> declared_;  // register names without their numbers
  std::map<std::string, int32_t, std::less<>> registers_;
  int32_t extra_registers_ = 0;
  std::map<std::pair<Special, uint64_t>, int32_t> presets_;
  std::map<std::string, int32_t, std::less<>> labels_;
  std::vector<std::pair<size_t, std::string>> branches_;
  std::map<std::string, int32_t, std::less<>> name_indices_;
};

constexpr std::pair<std::string_view, PtxType> kTypes[] = {
    {"pred", PtxType::kPred}, {"b8", PtxType::kB8},   {"b16", PtxType::kB16},
    {"b32", PtxType::kB32},   {"b64", PtxType::kB64}, {"u8", PtxType::kU8},
    {"u16", PtxType::kU16},   {"u32", PtxType::kU32}, {"u64", PtxType::kU64},
    {"s8", PtxType::kS8},     {"s16", PtxType::kS16}, {"s32", PtxType::kS32},
    {"s64", PtxType::kS64},   {"f16", PtxType::kF16}, {"f32", PtxType::kF32},
    {"f64", PtxType::kF64}};

}  // namespace

PtxType ptx_type(std::string_view text) {
  for (const auto& [name, type] : kTypes)
    if (name == text) return type;
  return PtxType::kNone;
}

int bytes_of(PtxType type) {
  switch (type) {
    case PtxType::kB8:
    case PtxType::kU8:
    case PtxType::kS8: return 1;
    case PtxType::kB16:
    case PtxType::kU16:
    case PtxType::kS16:
    case PtxType::kF16: return 2;
    case PtxType::kB64:
    case PtxType::kU64:
    case PtxType::kS64:
    case PtxType::kF64: return 8;
    default: return 4;
  }
}

bool is_signed(PtxType type) {
  return type == PtxType::kS8 || type == PtxType::kS16 || type == PtxType::kS32 ||
         type == PtxType::kS64;
}

bool is_float(PtxType type) {
  return type == PtxType::kF16 || type == PtxType::kF32 || type == PtxType::kF64;
}

Result<PtxFunction> parse_ptx(std::string_view text, std::string_view entry) {
  return Parser(text, entry).run();
}

}  // namespace bitnetc::emulator
