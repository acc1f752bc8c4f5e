// What the goldens do not show: where characters came from, messages, limits that the caller sets.
#include "frontend/jinja/jinja.h"

#include <gtest/gtest.h>

#include "tests/frontend/jinja/template_goldens.h"

namespace bitnetc::jinja {
namespace {

std::string failure_of(const std::string& source, const RenderOptions& options = {}) {
  const Result<Template> parsed = Template::parse(source, "t");
  if (!parsed.ok()) return parsed.status().message();
  const Result<Rendering> rendering = parsed->render(Value::dict({}), options);
  return rendering.ok() ? "" : rendering.status().message();
}

// The rendering with what came from the variable `x` ("Hello <x>") between brackets.
std::string marked(const std::string& source) {
  const Result<Template> parsed = Template::parse(source, "t");
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  const Value x = Value::string("Hello <x>", kMarked);
  const Value message =
      Value::dict({{Value::string("role"), Value::string("user")}, {Value::string("content"), x}});
  const Result<Rendering> rendering =
      parsed->render(Value::dict({{Value::string("x"), x}, {Value::string("m"), message}}), {});
  EXPECT_TRUE(rendering.ok()) << rendering.status().message();
  std::string out;
  size_t at = 0;
  for (const Span& span : rendering->marked) {
    out += rendering->text.substr(at, span.begin - at) + "[" +
           rendering->text.substr(span.begin, span.end - span.begin) + "]";
    at = span.end;
  }
  return out + rendering->text.substr(at);
}

TEST(JinjaMarks, StayWithTheirCharacters) {
  EXPECT_EQ(marked("<x>{{ x }}<x>"), "<x>[Hello <x>]<x>");
  EXPECT_EQ(marked("{{ '<' + x + '>' }}"), "<[Hello <x>]>");
  EXPECT_EQ(marked("{{ x ~ 1 }}"), "[Hello <x>]1");
  EXPECT_EQ(marked("{{ x[6:] }}{{ x[0] }}{{ x[::-1] }}"), "[<x>H>x< olleH]");
  EXPECT_EQ(marked("{{ x|upper }}-{{ x.title() }}"), "[HELLO <X>]-[Hello <X>]");
  EXPECT_EQ(marked("{{ x.replace('l', 'L') }}"), "[He]LL[o <x>]");
  EXPECT_EQ(marked("{{ ('<s>' + x).split('<')|join('|') }}"), "|s>[Hello ]|[x>]");
  EXPECT_EQ(marked("{% set y %}<s>{{ x|trim }}</s>{% endset %}{{ y }}"), "<s>[Hello <x>]</s>");
  EXPECT_EQ(marked("{% macro f(v) %}({{ v }}){% endmacro %}{{ f(x) }}"), "([Hello <x>])");
  EXPECT_EQ(marked("{{ '%s/%5s' % (x, 'a') }}"), "[Hello <x>]/    a");
  EXPECT_EQ(marked("{{ '{}!'.format(x) }}"), "[Hello <x>]!");
  EXPECT_EQ(marked("{{ m.role }}: {{ m.content }}"), "user: [Hello <x>]");
  EXPECT_EQ(marked("{{ m|tojson }}"), R"({"role": "user", "content": "[Hello <x>]"})");
  EXPECT_EQ(marked("{{ [x] }}"), "['[Hello <x>]']");
  EXPECT_EQ(marked("{{ x|center(11) }}|"), " [Hello <x>] |");
}

// A comparison sees the character, not where it came from.
TEST(JinjaMarks, DoNotCountInComparisons) {
  EXPECT_EQ(marked("{{ x == 'Hello <x>' }}{{ '<x>' in x }}{{ x.startswith('He') }}"),
            "TrueTrueTrue");
  EXPECT_EQ(marked("{{ {'Hello <x>': 1}[x] }}"), "1");
}

TEST(JinjaMessages, NameFileLineColumnAndWhatWasExpected) {
  EXPECT_EQ(failure_of("a\n{{ x| }}"),
            "t:2:7: expected the name of a filter, found }}, the end of the expression");
  EXPECT_EQ(failure_of("{% if x %}\n{% endfor %}"),
            "t:2:4: expected the tag elif or else or endif, found 'endfor'");
  EXPECT_EQ(failure_of("{{ (1 ]"), "t:1:7: unexpected ']', expected ')'");
  EXPECT_EQ(failure_of("a\n\n  {{ nothing.name }}"), "t:3:13: 'nothing' is undefined");
  EXPECT_EQ(failure_of("{{ 'a'|shout }}"), "t:1:8: there is no filter 'shout'");
  EXPECT_EQ(failure_of("{% include 'x' %}"),
            "t:1:4: the tag include: a chat template cannot load another");
  EXPECT_EQ(failure_of("{{ raise_exception('No\\nway \\x1b') }}"),
            "t:1:19: the template refuses this: No\\x0away \\x1b");
  EXPECT_EQ(failure_of("\xff"), "t: not valid UTF-8 at byte 0");
}

TEST(JinjaLimits, AreTheCallers) {
  EXPECT_EQ(failure_of("{% for i in range(100) %}{% endfor %}", {.limits = {.steps = 50}}),
            "t:1:1: the template takes more steps than are allowed");
  EXPECT_EQ(failure_of("{{ 'a' * 100 }}", {.limits = {.output_characters = 99}}),
            "t:1:1: the template prints more than 99 characters");
  EXPECT_NE(failure_of("{{ ((((1 + 1) + 1) + 1) + 1) }}", {.limits = {.depth = 3}}), "");
}

// Each list holds the one before it twice: small in memory, 2^60 items in print.
TEST(JinjaLimits, RefuseNumbersBeyondThem) {
  EXPECT_EQ(failure_of("{{ 1e20|int }}"), "t:1:9: int: 1e+20 has no integer of 64 bits");
  EXPECT_NE(failure_of("{{ '99999999999999999999'|int }}"), "");
  EXPECT_EQ(failure_of("{{ '1e999'|int }}"), "") << "no number: the default";
  EXPECT_NE(failure_of("{{ 1|tojson(indent=9223372036854775807) }}"), "");
  EXPECT_EQ(failure_of("{{ 1|tojson(indent=-9223372036854775807) }}"), "");
}

TEST(JinjaLimits, CountWhatIsShared) {
  EXPECT_NE(failure_of("{% set n = namespace(x=[1]) %}{% for i in range(60) %}"
                       "{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}"),
            "");
  EXPECT_NE(failure_of("{% set n = namespace(x=[1]) %}{% for i in range(5000) %}"
                       "{% set n.x = [n.x] %}{% endfor %}"),
            "");
}

// A macro and a recursive loop that outlive the tags around them still see their names.
TEST(JinjaTemplate, KeepsTheScopesOfWhatOutlivesThem) {
  const Outcome outcome = render_golden(
      "{% set ns = namespace() %}{% macro f(a) %}{% set b = a ~ '!' %}"
      "{% macro g() %}{{ b }}{% endmacro %}{% set ns.g = g %}"
      "{% for x in [1] recursive %}{{ x }}{{ b }}{% set ns.l = loop %}{% endfor %}{% endmacro %}"
      "{{ f('p') }}{% for i in [1, 2] %}{{ ns.g() }}{{ ns.l([i]) }}{% endfor %}",
      Value::dict({}));
  EXPECT_EQ(outcome.text, "1p!p!1p!p!2p!");
}

TEST(JinjaTemplate, IsRenderedAnyNumberOfTimes) {
  const Result<Template> parsed = Template::parse(
      "{% macro f() %}{{ n }}{% endmacro %}{% for i in range(2) %}{{ f() }}{% endfor %}", "t");
  ASSERT_TRUE(parsed.ok());
  for (int64_t n = 0; n < 3; ++n) {
    const auto rendering =
        parsed->render(Value::dict({{Value::string("n"), Value::integer(n)}}), {});
    ASSERT_TRUE(rendering.ok());
    EXPECT_EQ(rendering->text, fmt::format("{}{}", n, n));
  }
}

}  // namespace
}  // namespace bitnetc::jinja
