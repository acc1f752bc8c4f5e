#include "frontend/jinja/functions.h"

#include <algorithm>
#include <array>

#include "frontend/jinja/call_arguments.h"
#include "frontend/jinja/operations.h"

namespace bitnetc::jinja {
namespace {

// Of Jinja's sandbox.
constexpr int64_t kMaxRange = 100'000;

Result<Value> range_function(Context&, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           BoundArguments::bind("range", arguments, {"start", "stop", "step"}, 1));
  const bool has_stop = bound.get(1) != nullptr;
  BITNETC_ASSIGN_OR_RETURN(const int64_t first, bound.integer(0, 0));
  BITNETC_ASSIGN_OR_RETURN(const int64_t second, bound.integer(1, 0));
  BITNETC_ASSIGN_OR_RETURN(const int64_t step, bound.integer(2, 1));
  if (step == 0) return Status(StatusCode::kDataCorrupt, "range: step 0: expected another number");
  Range range{.start = has_stop ? first : 0, .stop = has_stop ? second : first, .step = step};
  const bool is_empty = step > 0 ? range.start >= range.stop : range.start <= range.stop;
  if (!is_empty) {
    const auto distance = static_cast<uint64_t>(step > 0 ? range.stop : range.start) -
                          static_cast<uint64_t>(step > 0 ? range.start : range.stop);
    const uint64_t stride =
        step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
    const uint64_t count = (distance - 1) / stride + 1;
    if (count > kMaxRange)
      return make_error(StatusCode::kUnsupported, "range: {} numbers, at most {} are allowed",
                        count, kMaxRange);
    range.count = static_cast<int64_t>(count);
  }
  return Value(Value::Data(range));
}

// What dict() and namespace() are made of: a dict or pairs, then names.
Result<std::vector<std::pair<Value, Value>>> entries_of(Context& context, std::string_view name,
                                                        const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1)
    return make_error(StatusCode::kDataCorrupt, "{}: expected at most one value without a name",
                      name);
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const DictTable* table = source.table()) {
      entries = table->entries();
    } else {
      BITNETC_ASSIGN_OR_RETURN(const std::vector<Value> pairs, iterate(context, source));
      for (const Value& pair : pairs) {
        const auto* items = pair.items();
        if (items == nullptr || items->size() != 2 || !is_hashable(items->front()))
          return make_error(StatusCode::kDataCorrupt, "{}: expected a dict or pairs", name);
        entries.emplace_back(items->front(), items->back());
      }
    }
  }
  for (const auto& [key, value] : arguments.named) entries.emplace_back(Value::string(key), value);
  BITNETC_RETURN_IF_ERROR(context.charge_walk(8 * static_cast<int64_t>(entries.size())));
  return entries;
}

Result<Value> dict_function(Context& context, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(auto entries, entries_of(context, "dict", arguments));
  return context.made(Value::dict(std::move(entries)));
}

Result<Value> namespace_function(Context& context, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const auto entries, entries_of(context, "namespace", arguments));
  BITNETC_ASSIGN_OR_RETURN(Namespace* const made, context.make<Namespace>());
  for (const auto& [key, value] : entries) made->set(to_utf8(to_text(key)), value);
  return Value::object(made);
}

Result<Value> cycler_function(Context& context, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty())
    return Status(StatusCode::kDataCorrupt, "cycler: expected at least one value");
  BITNETC_ASSIGN_OR_RETURN(Rotation* const made,
                           context.make<Rotation>(Rotation::Kind::kCycler, arguments.positional));
  return Value::object(made);
}

Result<Value> joiner_function(Context& context, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           BoundArguments::bind("joiner", arguments, {"sep"}));
  const Value separator = bound.get(0) == nullptr ? Value::string(", ") : *bound.get(0);
  BITNETC_ASSIGN_OR_RETURN(
      Rotation* const made,
      context.make<Rotation>(Rotation::Kind::kJoiner, std::vector<Value>{separator}));
  return Value::object(made);
}

Result<Value> raise_function(Context& context, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           BoundArguments::bind("raise_exception", arguments, {"message"}, 1));
  BITNETC_RETURN_IF_ERROR(context.charge_walk(bound.get(0)->weight()));
  return make_error(StatusCode::kInvalidArgument, "the template refuses this: {}",
                    to_utf8(to_text(*bound.get(0))));
}

Result<Value> time_function(Context& context, const Arguments& arguments) {
  BITNETC_ASSIGN_OR_RETURN(const BoundArguments bound,
                           BoundArguments::bind("strftime_now", arguments, {"format"}, 1));
  BITNETC_ASSIGN_OR_RETURN(const Text format, bound.text(0, U""));
  BITNETC_ASSIGN_OR_RETURN(const std::string time, format_time(to_utf8(format), context.now()));
  return context.string(from_utf8(time));
}

// lipsum() fills web pages with Latin; a template may ask whether it is there.
Result<Value> lipsum_function(Context&, const Arguments&) {
  return Status(StatusCode::kUnsupported, "the function lipsum");
}

constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};

int week_of_year(const std::tm& time, int first_day) {
  return (time.tm_yday + 7 - (time.tm_wday + 7 - first_day) % 7) / 7;
}

Result<std::string> directive(char letter, const std::tm& time) {
  const int hour_of_twelve = time.tm_hour % 12 == 0 ? 12 : time.tm_hour % 12;
  const std::string_view day = kDays[static_cast<size_t>(time.tm_wday) % kDays.size()];
  const std::string_view month = kMonths[static_cast<size_t>(time.tm_mon) % kMonths.size()];
  switch (letter) {
    case 'a': return std::string(day.substr(0, 3));
    case 'A': return std::string(day);
    case 'b':
    case 'h': return std::string(month.substr(0, 3));
    case 'B': return std::string(month);
    case 'c': return format_time("%a %b %e %H:%M:%S %Y", time);
    case 'C': return fmt::format("{:02}", (time.tm_year + 1900) / 100);
    case 'd': return fmt::format("{:02}", time.tm_mday);
    case 'D':
    case 'x': return format_time("%m/%d/%y", time);
    case 'e': return fmt::format("{:2}", time.tm_mday);
    case 'F': return format_time("%Y-%m-%d", time);
    case 'H': return fmt::format("{:02}", time.tm_hour);
    case 'I': return fmt::format("{:02}", hour_of_twelve);
    case 'j': return fmt::format("{:03}", time.tm_yday + 1);
    case 'k': return fmt::format("{:2}", time.tm_hour);
    case 'l': return fmt::format("{:2}", hour_of_twelve);
    case 'm': return fmt::format("{:02}", time.tm_mon + 1);
    case 'M': return fmt::format("{:02}", time.tm_min);
    case 'n': return std::string("\n");
    case 'p': return std::string(time.tm_hour < 12 ? "AM" : "PM");
    case 'P': return std::string(time.tm_hour < 12 ? "am" : "pm");
    case 'r': return format_time("%I:%M:%S %p", time);
    case 'R': return format_time("%H:%M", time);
    case 'S': return fmt::format("{:02}", time.tm_sec);
    case 't': return std::string("\t");
    case 'T':
    case 'X': return format_time("%H:%M:%S", time);
    case 'u': return std::to_string(time.tm_wday == 0 ? 7 : time.tm_wday);
    case 'U': return fmt::format("{:02}", week_of_year(time, 0));
    case 'w': return std::to_string(time.tm_wday);
    case 'W': return fmt::format("{:02}", week_of_year(time, 1));
    case 'y': return fmt::format("{:02}", time.tm_year % 100);
    case 'Y': return std::to_string(time.tm_year + 1900);
    case 'f': return std::string("000000");
    case 'z':
    case 'Z': return std::string();  // the clock that is given has no zone
    case '%': return std::string("%");
    default: break;
  }
  return make_error(StatusCode::kUnsupported, "strftime_now: the directive %{}", letter);
}

}  // namespace

Result<std::string> format_time(std::string_view format, const std::tm& time) {
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    const bool drops_zero = i + 1 < format.size() && format[i + 1] == '-';
    if (drops_zero) ++i;
    if (++i == format.size())
      return make_error(StatusCode::kDataCorrupt, "strftime_now: a format that ends in %");
    BITNETC_ASSIGN_OR_RETURN(std::string part, directive(format[i], time));
    if (drops_zero) part.erase(0, std::min(part.find_first_not_of("0 "), part.size() - 1));
    out += part;
  }
  return out;
}

std::optional<Value> Namespace::attribute(std::string_view name) const {
  for (const auto& [key, value] : attributes_)
    if (key == name) return value;
  return std::nullopt;
}

void Namespace::set(std::string name, Value value) {
  for (auto& [key, old] : attributes_) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  attributes_.emplace_back(std::move(name), std::move(value));
}

Result<Value> Rotation::call(std::string_view method, const Arguments& arguments) {
  BITNETC_RETURN_IF_ERROR(BoundArguments::bind(type_name(), arguments, {}).status());
  if (kind_ == Kind::kJoiner) return std::exchange(at_, 1) == 0 ? Value::string("") : items_[0];
  const Value current = items_[at_];
  if (method == "reset") {
    at_ = 0;
    return Value();
  }
  at_ = (at_ + 1) % items_.size();
  return current;
}

std::string_view Rotation::type_name() const {
  return kind_ == Kind::kCycler ? "cycler" : "joiner";
}

std::string Rotation::describe() const {
  return fmt::format("<{}>", type_name());
}

bool Rotation::has_method(std::string_view name) const {
  return kind_ == Kind::kCycler && (name == "next" || name == "reset");
}

std::optional<Value> Rotation::attribute(std::string_view name) const {
  if (kind_ == Kind::kCycler && name == "current") return items_[at_];
  return std::nullopt;
}

std::optional<Function> find_function(std::string_view name) {
  static constexpr std::pair<std::string_view, Function::Body> kFunctions[] = {
      {"range", range_function},           {"dict", dict_function},
      {"namespace", namespace_function},   {"cycler", cycler_function},
      {"joiner", joiner_function},         {"lipsum", lipsum_function},
      {"raise_exception", raise_function}, {"strftime_now", time_function}};
  for (const auto& [known, body] : kFunctions)
    if (known == name) return Function(known, body);
  return std::nullopt;
}

}  // namespace bitnetc::jinja
