// Renderings, failures and limits of templates, against Python's jinja2 3.1.6 set up as
// transformers does it. The templates are those of published models (named as their models) and
// some written for one theme each.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/frontend/jinja/template_goldens.h"

namespace bitnetc::jinja {
namespace {

namespace fs = std::filesystem;

fs::path data_folder() {
  return fs::path(BITNETC_SOURCE_DIR) / "tests/frontend/jinja/data";
}

constexpr std::string_view kOtherFiles[] = {"conversations", "expressions", "errors", "limits"};

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(data_folder())) {
    const std::string name = entry.path().stem().string();
    if (std::find(std::begin(kOtherFiles), std::end(kOtherFiles), name) == std::end(kOtherFiles))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

size_t code_points(std::string_view bytes) {
  return static_cast<size_t>(
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

void expect_failure(const Json& expected, const Outcome& outcome) {
  EXPECT_FALSE(outcome.ok) << outcome.text;
  if (expected.contains("line")) {
    EXPECT_EQ(outcome.line, expected["line"].get<int>()) << outcome.text;
  }
  if (expected["kind"] == "raise") {
    EXPECT_EQ(outcome.code, StatusCode::kInvalidArgument) << outcome.text;
  } else {
    EXPECT_NE(outcome.code, StatusCode::kInvalidArgument) << outcome.text;
  }
}

Value variables_of(const Json& document, const Json& golden, const Json& conversations) {
  Json variables = document["variables"];
  if (golden.contains("variables")) variables.update(golden["variables"]);
  variables["messages"] = conversations["conversations"][golden["conversation"].get<std::string>()];
  variables["add_generation_prompt"] = golden.value("add_generation_prompt", false);
  variables["tools"] = golden.contains("tools")
                           ? conversations["tools"][golden["tools"].get<std::string>()]
                           : Json();
  variables["documents"] = Json();
  return value_of(variables);
}

class TemplateGoldens : public ::testing::TestWithParam<std::string> {};

TEST_P(TemplateGoldens, RenderByteForByte) {
  const Json document = read_json(data_folder() / (GetParam() + ".json"));
  const Json conversations = read_json(data_folder() / "conversations.json");
  ASSERT_FALSE(document["cases"].empty());
  for (const Json& golden : document["cases"]) {
    SCOPED_TRACE(golden["conversation"].get<std::string>());
    const Outcome outcome = render_golden(document["template"].get<std::string>(),
                                          variables_of(document, golden, conversations));
    if (golden.contains("error")) {
      expect_failure(golden["error"], outcome);
      continue;
    }
    EXPECT_TRUE(outcome.ok) << outcome.text;
    EXPECT_EQ(outcome.text, golden["expected"].get<std::string>());
    if (!golden.contains("generation_spans")) continue;
    std::vector<std::vector<size_t>> spans;
    for (const Span& span : outcome.generation)
      spans.push_back({code_points(std::string_view(outcome.text).substr(0, span.begin)),
                       code_points(std::string_view(outcome.text).substr(0, span.end))});
    EXPECT_EQ(Json(spans), golden["generation_spans"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Jinja, TemplateGoldens, ::testing::ValuesIn(template_names()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return !isalnum(c); }, '_');
                           return name;
                         });

TEST(TemplateExpressions, PrintWhatPythonPrints) {
  const Json document = read_json(data_folder() / "expressions.json");
  const Value context = value_of(document["context"]);
  for (const Json& golden : document["cases"]) {
    SCOPED_TRACE(golden["template"].get<std::string>());
    const Outcome outcome = render_golden(golden["template"].get<std::string>(), context);
    if (golden.contains("error")) {
      expect_failure(golden["error"], outcome);
    } else {
      EXPECT_TRUE(outcome.ok) << outcome.text;
      EXPECT_EQ(outcome.text, golden["expected"].get<std::string>());
    }
  }
}

TEST(TemplateErrors, NameTheLine) {
  const Json document = read_json(data_folder() / "errors.json");
  const Value context = value_of(document["context"]);
  for (const Json& golden : document["cases"]) {
    SCOPED_TRACE(golden["template"].get<std::string>());
    const Outcome outcome = render_golden(golden["template"].get<std::string>(), context);
    if (golden.contains("expected")) {
      EXPECT_EQ(outcome.text, golden["expected"].get<std::string>());
    } else {
      expect_failure(golden["error"], outcome);
    }
  }
}

TEST(TemplateLimits, StopWhatDoesNotEnd) {
  const Json document = read_json(data_folder() / "limits.json");
  for (const Json& golden : document["cases"]) {
    SCOPED_TRACE(golden["name"].get<std::string>());
    std::string source;
    for (const Json& part : golden["template"])
      for (int64_t i = 0; i < part[1].get<int64_t>(); ++i) source += part[0].get<std::string>();
    const Outcome outcome =
        render_golden(source, Value::dict({{Value::string("d"), Value::dict({})}}));
    if (golden["accept"] == "error") {
      EXPECT_FALSE(outcome.ok);
    } else if (golden["accept"] == "output") {
      EXPECT_TRUE(outcome.ok) << outcome.text;
    }
    if (outcome.ok && golden.contains("expected")) {
      EXPECT_EQ(outcome.text, golden["expected"].get<std::string>());
    }
    if (outcome.ok && golden.contains("expected_length")) {
      EXPECT_EQ(code_points(outcome.text), golden["expected_length"].get<size_t>());
    }
  }
}

}  // namespace
}  // namespace bitnetc::jinja
