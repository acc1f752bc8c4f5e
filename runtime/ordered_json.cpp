#include "runtime/ordered_json.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::ordered_json;

// Builds the document from the parser's events. Containers under construction lie on a stack of
// their own and are moved into their parents when they are whole.
class OrderedBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit OrderedBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return fail(StatusCode::kInvalidArgument, "a binary value"); }

  bool start_object(std::size_t) override { return open(/*is_object=*/true); }
  bool start_array(std::size_t) override { return open(/*is_object=*/false); }

  bool key(string_t& name) override {
    Container& object = open_.back();
    object.at = index_of(object, name);
    if (object.at < object.members.size()) return true;
    if (object.members.size() == limits_.keys)
      return fail(StatusCode::kUnsupported,
                  fmt::format("has an object of more than {} keys", limits_.keys));
    object.members.emplace_back(std::move(name), nullptr);
    return true;
  }

  bool end_object() override {
    // Members are moved once: a vector of members that grows copies them.
    Json object = Json::object();
    auto& members = object.get_ref<Json::object_t&>();
    members.reserve(open_.back().members.size());
    for (auto& [name, value] : open_.back().members)
      members.emplace_back(std::move(name), std::move(value));
    open_.pop_back();
    return add(std::move(object));
  }

  bool end_array() override {
    Json array = Json::array();
    array.get_ref<Json::array_t&>() = std::move(open_.back().items);
    open_.pop_back();
    return add(std::move(array));
  }

  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::json::exception& error) override {
    return fail(StatusCode::kInvalidArgument, json_error_text(error));
  }

  const Status& status() const { return status_; }
  Json take() { return std::move(root_); }

 private:
  // Objects of more keys than this have a table of them.
  static constexpr size_t kFewKeys = 16;

  struct Container {
    bool is_object = false;
    Json::array_t items;
    std::vector<std::pair<std::string, Json>> members;
    std::unordered_map<std::string, size_t> places;
    size_t at = 0;  // of the member whose value comes next
  };

  bool fail(StatusCode code, std::string message) {
    status_ = Status(code, std::move(message));
    return false;
  }

  bool open(bool is_object) {
    if (open_.size() == limits_.depth)
      return fail(StatusCode::kUnsupported, fmt::format("is nested deeper than {}", limits_.depth));
    open_.emplace_back().is_object = is_object;
    return true;
  }

  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members[open_.back().at].second = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  // Of the member of that name, else of the next one, which the table then knows.
  static size_t index_of(Container& object, const std::string& name) {
    const size_t count = object.members.size();
    if (count < kFewKeys) {
      size_t at = 0;
      while (at < count && object.members[at].first != name) ++at;
      return at;
    }
    if (object.places.empty())
      for (size_t i = 0; i < count; ++i) object.places.emplace(object.members[i].first, i);
    return object.places.emplace(name, count).first->second;
  }

  const JsonLimits limits_;
  Status status_;
  Json root_;
  std::vector<Container> open_;
};

}  // namespace

Result<Json> parse_ordered_json(std::string_view text, const JsonLimits& limits) {
  // The parser takes a NUL byte for the end.
  if (const size_t at = text.find('\0'); at != std::string_view::npos)
    return make_error(StatusCode::kInvalidArgument, "a NUL byte at byte {}", at + 1);
  OrderedBuilder builder(limits);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) return builder.status();
  return builder.take();
}

std::string json_error_text(const std::exception& error) {
  std::string_view text = error.what();
  const size_t name_end = text.find("] ");
  if (text.starts_with("[json.exception.") && name_end != std::string_view::npos)
    text.remove_prefix(name_end + 2);
  return printable(text);
}

}  // namespace bitnetc
