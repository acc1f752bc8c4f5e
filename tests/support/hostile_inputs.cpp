#include "tests/support/hostile_inputs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <fstream>
#include <sstream>

#include "runtime/printable.h"
#include "tests/support/sanitizers.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::ordered_json;

// Of memory, by all inputs of a kind together. A sanitizer keeps what was freed for a while, and
// memory of its own beside all there is.
constexpr long kMostKib = (kIsSanitized ? 2048 : 512) * 1024;
constexpr size_t kLongestMessage = 1000;

long peak_kib() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

struct Edit {
  enum class Kind { kReplace, kRemove, kTwice, kRename };
  const Json* at = nullptr;
  Kind kind = Kind::kReplace;
  std::string text;  // for kReplace the raw bytes of the value, for kRename those of the key
};

void print_edited(const Json& node, const Edit& edit, std::string& out) {
  if (&node == edit.at && edit.kind == Edit::Kind::kReplace) {
    out += edit.text;
    return;
  }
  if (!node.is_structured()) {
    out += node.dump();
    return;
  }
  out += node.is_object() ? '{' : '[';
  bool first = true;
  for (auto member = node.begin(); member != node.end(); ++member) {
    const bool edited = &*member == edit.at;
    int copies = 1;
    if (edited && edit.kind == Edit::Kind::kRemove) copies = 0;
    if (edited && edit.kind == Edit::Kind::kTwice) copies = 2;
    for (; copies > 0; --copies) {
      if (!first) out += ',';
      first = false;
      if (node.is_object()) {
        const bool renamed = edited && edit.kind == Edit::Kind::kRename;
        out += renamed ? edit.text : Json(member.key()).dump();
        out += ':';
      }
      print_edited(*member, edit, out);
    }
  }
  out += node.is_object() ? '}' : ']';
}

const std::vector<std::pair<std::string, std::string>>& replacements() {
  static const std::vector<std::pair<std::string, std::string>> list = {
      {"null", "null"},
      {"true", "true"},
      {"-1", "-1"},
      {"0", "0"},
      {"1", "1"},
      {"0.5", "0.5"},
      {"2^31", "2147483648"},
      {"2^63", "9223372036854775808"},
      {"2^64", "18446744073709551616"},
      {"1e308", "1e308"},
      {"1e999", "1e999"},
      {"NaN", "NaN"},
      {"no-text", "\"\""},
      {"text", "\"x\""},
      {"NUL", "\"\\u0000\""},
      {"escape", "\"\\u001b[2J\""},
      {"half-character", "\"\\ud800\""},
      {"no-UTF-8", "\"\xff\xfe\""},
      {"megabyte", '"' + std::string(1 << 20, 'x') + '"'},
      {"no-items", "[]"},
      {"items", "[null,[1]]"},
      {"no-members", "{}"},
      {"members", "{\"a\":{\"b\":1}}"},
      {"deep", std::string(100'000, '[')},
      {"deep-whole", std::string(100'000, '[') + std::string(100'000, ']')},
  };
  return list;
}

void mutate_value(const Json& root, const Json& node, const std::string& place, bool is_member,
                  std::vector<HostileInput>& found) {
  const auto add = [&](const std::string& change, Edit::Kind kind, const std::string& text) {
    HostileInput input{.place = place, .change = change, .bytes = {}};
    print_edited(root, {.at = &node, .kind = kind, .text = text}, input.bytes);
    if (input.bytes != root.dump()) found.push_back(std::move(input));
  };
  for (const auto& [change, text] : replacements()) add(change, Edit::Kind::kReplace, text);
  if (&node == &root) return;
  add("absent", Edit::Kind::kRemove, {});
  add("twice", Edit::Kind::kTwice, {});
  if (!is_member) return;
  add("other-key", Edit::Kind::kRename, "\"other\"");
  add("key-NUL", Edit::Kind::kRename, "\"\\u0000\"");
  add("key-no-UTF-8", Edit::Kind::kRename, "\"\xc0\"");
}

void mutate_values(const Json& root, const Json& node, const std::string& place, bool is_member,
                   std::vector<HostileInput>& found) {
  mutate_value(root, node, place.empty() ? "/" : place, is_member, found);
  if (!node.is_structured()) return;
  size_t index = 0;
  for (auto member = node.begin(); member != node.end(); ++member, ++index) {
    const std::string key = node.is_object() ? member.key() : std::to_string(index);
    mutate_values(root, *member, place + "/" + key, node.is_object(), found);
  }
}

// "place: change change" of each line.
std::map<std::string, std::set<std::string>> read_list(const std::string& path) {
  std::map<std::string, std::set<std::string>> places;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    const size_t colon = line.rfind(':');
    std::istringstream changes(line.substr(std::min(colon + 1, line.size())));
    for (std::string change; changes >> change;) places[line.substr(0, colon)].insert(change);
  }
  return places;
}

std::string print_list(const std::map<std::string, std::set<std::string>>& places) {
  std::string text;
  for (const auto& [place, changes] : places)
    text += fmt::format("{}: {}\n", place, fmt::join(changes, " "));
  return text;
}

}  // namespace

std::vector<HostileInput> json_mutations(const Json& good) {
  std::vector<HostileInput> found;
  mutate_values(good, good, "", /*is_member=*/false, found);
  return found;
}

std::vector<HostileInput> file_mutations(const std::string& good) {
  std::vector<HostileInput> found;
  const auto add = [&](const std::string& change, std::string bytes) {
    found.push_back({.place = "file", .change = change, .bytes = std::move(bytes)});
  };
  for (int part = 0; part < 8; ++part)
    add(fmt::format("first-{}/8", part),
        good.substr(0, good.size() * static_cast<size_t>(part) / 8));
  add("all-but-a-byte", good.substr(0, good.size() - 1));
  add("byte-order-mark", "\xef\xbb\xbf" + good);
  add("UTF-16",
      "\xff\xfe{\0"  // a byte order mark and one character
      "");
  add("NUL-behind", good + std::string(1, '\0'));
  add("itself-behind", good + good);
  add("zeros", std::string(4096, '\0'));
  add("ones", std::string(4096, '\xff'));
  add("web-page", "<!DOCTYPE html>\n<html><body>Not found</body></html>\n");
  add("Git-LFS-pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  add("compressed", std::string("\x1f\x8b\x08\0\0\0\0\0", 8) + good);
  return found;
}

HostileInputs::HostileInputs(std::string kind, std::vector<std::string> named)
    : kind_(std::move(kind)), named_(std::move(named)), peak_kib_before_(peak_kib()) {}

void HostileInputs::try_all(const std::vector<HostileInput>& inputs, const Read& read) {
  for (const HostileInput& input : inputs) {
    ++tried_;
    const std::string what = fmt::format("{} {}: {}", kind_, input.place, input.change);
    Status status;
    try {
      status = read(input.bytes);
    } catch (const std::exception& exception) {
      ADD_FAILURE() << what << ": " << exception.what();
    }
    if (status.ok()) {
      accepted_[input.place].insert(input.change);
    } else {
      ++refused_;
      expect_clear(status, what);
    }
  }
}

void HostileInputs::expect_clear(const Status& status, const std::string& what) {
  const std::string& message = status.message();
  const bool names_one = std::ranges::any_of(named_, [&](const std::string& name) {
    return message.find(name) != std::string::npos && message.size() > name.size() + 10;
  });
  EXPECT_TRUE(names_one) << what << ": " << message;
  EXPECT_LT(message.size(), kLongestMessage) << what << ": " << message;
  EXPECT_EQ(message, printable(message, message.size())) << what;
}

void HostileInputs::finish(size_t fewest) {
  fmt::print("hostile inputs, {}: {} tried, {} refused, {} accepted as listed\n", kind_, tried_,
             refused_, tried_ - refused_);
  EXPECT_GE(tried_, fewest);
  EXPECT_LT(peak_kib() - peak_kib_before_, kMostKib);
  const std::string path =
      fmt::format("{}/tests/frontend/hostile/accepted/{}.txt", BITNETC_SOURCE_DIR, kind_);
  const Places listed = read_list(path);
  EXPECT_EQ(print_list(accepted_), print_list(listed))
      << path << " lists what may be accepted, and what was is another";
}

}  // namespace bitnetc::test
