#include "frontend/json/strict_json.h"

#include <vector>

#include "frontend/stand_in.h"
#include "runtime/printable.h"

namespace bitnetc {
namespace {

using Json = nlohmann::json;

// Builds the document from parser events. Containers under construction sit on a stack of our own,
// so the depth of the input never becomes depth of ours.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return fail("binary values are not JSON"); }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Json& object = open_.back();
    if (object.contains(name)) return fail(fmt::format("duplicate key \"{}\"", printable(name)));
    keys_.back() = name;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& last_token,
                   const Json::exception&) override {
    return fail(
        fmt::format("not valid JSON at byte {}, near \"{}\"", position, printable(last_token, 40)));
  }

  const std::string& message() const { return message_; }
  Json take() { return std::move(root_); }

 private:
  bool fail(std::string message) {
    message_ = std::move(message);
    return false;
  }
  bool open(Json container) {
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth))
      return fail(fmt::format("nested deeper than {} levels", kMaxJsonDepth));
    open_.push_back(std::move(container));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Json finished = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(finished));
  }
  bool add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().push_back(std::move(value));
    } else {
      open_.back()[keys_.back()] = std::move(value);
    }
    return true;
  }

  std::string message_;
  Json root_;
  std::vector<Json> open_;
  std::vector<std::string> keys_;  // of each open object, the key waiting for its value
};

}  // namespace

Status check_no_nul(std::string_view text) {
  const size_t at = text.find('\0');
  if (at == std::string_view::npos) return {};
  return make_error(StatusCode::kDataCorrupt, "not valid JSON at byte {}: a NUL byte", at + 1);
}

Result<Json> parse_strict_json(std::string_view text, const std::string& origin) {
  BITNETC_RETURN_IF_ERROR(check_is_not_stand_in(text).with_context(origin));
  BITNETC_RETURN_IF_ERROR(check_no_nul(text).with_context(origin));
  StrictBuilder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    return make_error(StatusCode::kDataCorrupt, "{}: {}", origin, builder.message());
  return builder.take();
}

std::string json_excerpt(const Json& value) {
  constexpr size_t kMaxBytes = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMaxBytes) text = text.substr(0, kMaxBytes) + "...";
  return text;
}

}  // namespace bitnetc
