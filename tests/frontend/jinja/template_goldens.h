// The goldens of chat templates (tests/frontend/jinja/data): JSON with its order kept, as values of
// the template language.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "frontend/jinja/jinja.h"

namespace bitnetc::jinja {

using Json = nlohmann::ordered_json;

inline Value value_of(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean: return Value::boolean(json.get<bool>());
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return Value::integer(json.get<int64_t>());
    case Json::value_t::number_float: return Value::real(json.get<double>());
    case Json::value_t::string: return Value::string(json.get<std::string>());
    case Json::value_t::array: {
      std::vector<Value> items;
      for (const Json& item : json) items.push_back(value_of(item));
      return Value::list(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, item] : json.items())
        entries.emplace_back(Value::string(key), value_of(item));
      return Value::dict(std::move(entries));
    }
    default: return Value();
  }
}

inline Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return Json::parse(text.str());
}

// 2024-07-26 14:05:09, a Friday: the clock of the goldens.
inline std::tm golden_time() {
  std::tm time = {};
  time.tm_year = 124;
  time.tm_mon = 6;
  time.tm_mday = 26;
  time.tm_hour = 14;
  time.tm_min = 5;
  time.tm_sec = 9;
  time.tm_wday = 5;
  time.tm_yday = 207;
  return time;
}

struct Outcome {
  bool ok = false;
  std::string text;  // the rendering, or the message
  int line = 0;
  StatusCode code = StatusCode::kOk;
  std::vector<Span> generation;
};

inline Outcome render_golden(const std::string& source, const Value& variables) {
  Outcome outcome;
  const auto failed = [&](const Status& status) {
    outcome.text = status.message();
    outcome.code = status.code();
    outcome.line = std::atoi(status.message().c_str() + std::string("golden:").size());
    return outcome;
  };
  const Result<Template> parsed = Template::parse(source, "golden");
  if (!parsed.ok()) return failed(parsed.status());
  const Result<Rendering> rendering = parsed->render(variables, {.now = golden_time()});
  if (!rendering.ok()) return failed(rendering.status());
  outcome.ok = true;
  outcome.text = rendering->text;
  outcome.generation = rendering->generation;
  return outcome;
}

}  // namespace bitnetc::jinja
