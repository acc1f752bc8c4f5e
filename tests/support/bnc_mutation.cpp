#include "tests/support/bnc_mutation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <random>
#include <stdexcept>

#include "runtime/bnc_file.h"

namespace bitnetc::test {
namespace {

using Json = nlohmann::json;

class Mutator {
 public:
  Mutator(BncParts* parts, uint64_t seed) : parts_(*parts), random_(seed) {}

  std::string run() {
    if (draw(3) == 0) return change_section();
    // Half of the changes go to steps and buffers, where most of the checks are.
    Json& program = parts_.description["program"];
    const std::string where = draw(2) == 0 ? "program" : "";
    return where.empty() ? change_json(parts_.description, "") : change_json(program, where);
  }

 private:
  size_t draw(size_t count) { return static_cast<size_t>(random_() % count); }

  // Walks down to a random place and changes what is there.
  std::string change_json(Json& value, const std::string& where) {
    if (value.is_structured() && !value.empty()) {
      const size_t at = draw(value.size());
      if (draw(6) == 0) return change_structure(value, at, where);
      if (value.is_array()) return change_json(value[at], fmt::format("{}[{}]", where, at));
      const auto entry = std::next(value.begin(), static_cast<std::ptrdiff_t>(at));
      return change_json(entry.value(), where + "." + entry.key());
    }
    const std::string before = value.dump(-1, ' ', true).substr(0, 60);
    if (value.is_string()) {
      value = changed(value.get<std::string>());
    } else {
      value = any_value(value);
    }
    return fmt::format("{}: {} -> {}", where, before, value.dump(-1, ' ', true).substr(0, 60));
  }

  // Drops, repeats or exchanges elements of an array or values of an object.
  std::string change_structure(Json& value, size_t at, const std::string& where) {
    const size_t other = draw(value.size());
    if (value.is_array()) {
      switch (draw(3)) {
        case 0: value.erase(at); return fmt::format("{}: without element {}", where, at);
        case 1: {
          const Json copy = value[at];
          value.insert(value.begin() + static_cast<std::ptrdiff_t>(other), copy);
          return fmt::format("{}: element {} again at {}", where, at, other);
        }
        default:
          std::swap(value[at], value[other]);
          return fmt::format("{}: elements {} and {} exchanged", where, at, other);
      }
    }
    const auto entry = std::next(value.begin(), static_cast<std::ptrdiff_t>(at));
    const auto second = std::next(value.begin(), static_cast<std::ptrdiff_t>(other));
    const std::string key = entry.key(), second_key = second.key();
    if (draw(2) == 0) {
      value.erase(key);
      return fmt::format("{}: without {}", where, key);
    }
    std::swap(value[key], value[second_key]);
    return fmt::format("{}: {} and {} exchanged", where, key, second_key);
  }

  Json any_value(const Json& old) {
    // Whole numbers stay whole: a fraction is refused at once and tests nothing further in.
    const auto like_old = [&](double value) {
      return old.is_number_float() ? Json(value) : Json(static_cast<int64_t>(value));
    };
    const double number = old.is_number() ? old.get<double>() : 1;
    switch (draw(12)) {
      case 0: return 0;
      case 1: return -1;
      case 2: return like_old(number + 1);
      case 3: return like_old(number - 1);
      case 4: return like_old(number * 2);
      case 5: return like_old(number / 2);
      case 6: return int64_t{1} << draw(63);
      case 7: return -(int64_t{1} << draw(63));
      case 8: return 1e308;
      case 9: return nullptr;
      case 10: return "text";
      default: return old.is_number_integer() ? Json(static_cast<int64_t>(draw(64))) : Json(true);
    }
  }

  // Most strings are names of kernels, sections and plans: numbers in them count, and other names
  // exist.
  std::string changed(std::string text) {
    const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    const auto digits = std::ranges::count_if(text, is_digit);
    switch (draw(digits > 0 ? 6 : 4)) {
      case 0: return text.substr(0, text.empty() ? 0 : draw(text.size()));
      case 1: return parts_.sections[draw(parts_.sections.size())].first;
      case 2: return random_kernel(text);
      case 3: return text + static_cast<char>('a' + draw(26));
      default: {
        auto nth = static_cast<std::ptrdiff_t>(draw(static_cast<size_t>(digits)));
        for (char& c : text)
          if (is_digit(static_cast<unsigned char>(c)) && nth-- == 0)
            c = static_cast<char>('0' + draw(10));
        return text;
      }
    }
  }

  std::string random_kernel(const std::string& otherwise) {
    const Json& steps = parts_.description["program"]["steps"];
    if (!steps.is_array() || steps.empty()) return otherwise;
    const Json& step = steps[draw(steps.size())];
    return step.is_object() ? step.value("kernel", otherwise) : otherwise;
  }

  std::string change_section() {
    if (parts_.sections.empty()) return "no sections";
    const size_t at = draw(parts_.sections.size());
    auto& [name, bytes] = parts_.sections[at];
    const std::string what = "section " + name + ": ";
    switch (draw(7)) {
      case 0:
        parts_.sections.erase(parts_.sections.begin() + static_cast<std::ptrdiff_t>(at));
        return what + "gone";
      case 1: name = changed(name); return what + "now called " + name;
      case 2: bytes.resize(bytes.empty() ? 0 : draw(bytes.size())); return what + "shorter";
      case 3: bytes.resize(bytes.size() + 1 + draw(4096)); return what + "longer";
      case 4: {
        const size_t other = draw(parts_.sections.size());
        std::swap(bytes, parts_.sections[other].second);
        return what + "bytes of " + parts_.sections[other].first;
      }
      case 5: std::ranges::fill(bytes, uint8_t{0xff}); return what + "all ones";
      default:
        if (bytes.empty()) return what + "empty";
        bytes[draw(bytes.size())] ^= static_cast<uint8_t>(1u << draw(8));
        return what + "a bit flipped";
    }
  }

  BncParts& parts_;
  std::mt19937_64 random_;
};

template <typename T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return *std::move(result);
}

}  // namespace

BncParts read_bnc_parts(const std::filesystem::path& path) {
  const auto reader = value_or_throw(BncReader::open(path.string()));
  BncParts parts{.description = Json::parse(reader->description_json()), .sections = {}};
  for (const BncSection& section : reader->sections()) {
    const auto bytes = value_or_throw(reader->section(section.name));
    parts.sections.emplace_back(section.name, std::vector<uint8_t>(bytes.begin(), bytes.end()));
  }
  return parts;
}

Status write_bnc_parts(const BncParts& parts, const std::filesystem::path& path) {
  auto writer = value_or_throw(BncWriter::create(path.string()));
  for (const auto& [name, bytes] : parts.sections)
    if (Status status = writer->add_section(name, bytes); !status.ok()) return status;
  return writer->finish(parts.description.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string mutate(BncParts* parts, uint64_t seed) {
  return Mutator(parts, seed).run();
}

}  // namespace bitnetc::test
