// What bitnetc's frontend makes of many inputs, for comparison with other software:
//   frontend_answers tokens TOKENIZER TEXTS     the ids of each text, and the text of its ids
//   frontend_answers templates CASES            each template over its variables
// TEXTS is a JSON array of texts; CASES is one of {"template", "variables"}. Prints a JSON array of
// {"ids", "text"} and of {"text"}, or {"error"} where it failed. The clock of the templates stands.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "frontend/load.h"
#include "frontend/tokenizer.h"
#include "tests/frontend/jinja/template_goldens.h"

namespace bitnetc {
namespace {

using Json = nlohmann::ordered_json;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json error_of(const Status& status) {
  return {{"error", status.message()}};
}

Json tokenized(const Tokenizer& tokenizer, const std::string& text) {
  const auto ids = tokenizer.encode(text);
  if (!ids.ok()) return error_of(ids.status());
  const auto decoded = tokenizer.decode(*ids);
  if (!decoded.ok()) return error_of(decoded.status());
  return {{"ids", *ids}, {"text", *decoded}};
}

Json rendered(const Json& each) {
  const jinja::Outcome outcome =
      jinja::render_golden(each["template"].get<std::string>(), jinja::value_of(each["variables"]));
  return {{outcome.ok ? "text" : "error", outcome.text}};
}

int print(const Json& answers) {
  fmt::print("{}\n", answers.dump());
  return 0;
}

// `path`: a tokenizer.json, or a .gguf file.
Result<std::unique_ptr<const Tokenizer>> open_tokenizer(const std::string& path) {
  return is_gguf_file(path) ? read_tokenizer(path) : Tokenizer::from_file(read_file(path), path);
}

int answer_tokens(const std::string& tokenizer_path, const std::string& texts_path) {
  const auto tokenizer = open_tokenizer(tokenizer_path);
  if (!tokenizer.ok()) {
    fmt::print(stderr, "{}\n", tokenizer.status().message());
    return 1;
  }
  Json answers = Json::array();
  for (const Json& text : Json::parse(read_file(texts_path)))
    answers.push_back(tokenized(**tokenizer, text.get<std::string>()));
  return print(answers);
}

int answer_templates(const std::string& cases_path) {
  Json answers = Json::array();
  for (const Json& each : Json::parse(read_file(cases_path))) answers.push_back(rendered(each));
  return print(answers);
}

}  // namespace
}  // namespace bitnetc

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.size() == 3 && arguments[0] == "tokens")
    return bitnetc::answer_tokens(arguments[1], arguments[2]);
  if (arguments.size() == 2 && arguments[0] == "templates")
    return bitnetc::answer_templates(arguments[1]);
  fmt::print(stderr, "usage: frontend_answers tokens TOKENIZER TEXTS | templates CASES\n");
  return 2;
}
