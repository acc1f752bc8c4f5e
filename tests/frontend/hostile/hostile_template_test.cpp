// Chat templates with one thing wrong: tags taken away, doubled or exchanged, nesting, numbers,
// endless work, bytes that are no text. What parses is rendered over a conversation.
#include <gtest/gtest.h>

#include "frontend/jinja/jinja.h"
#include "tests/support/hostile_inputs.h"

namespace bitnetc::test {
namespace {

constexpr std::string_view kGood =
    "{% macro turn(m) %}{{ '<|' + m['role'] + '|>' }}{{ m.content | trim }}{% endmacro %}"
    "{% set ns = namespace(n=0) %}"
    "{% for m in messages if m.role != 'tool' %}"
    "{% if loop.first and m.role == 'system' %}{{ turn(m) }}"
    "{% elif m.content is string %}{% set ns.n = ns.n + 1 %}{{ turn(m) ~ ns.n }}"
    "{% else %}{{ raise_exception('no text') }}{% endif %}"
    "{% endfor %}"
    "{% filter upper %}{% raw %}{{ x }}{% endraw %}{% endfilter %}"
    "{# a note #}{{ messages[1:] | map(attribute='role') | join(', ') }}";

struct Tag {
  size_t begin = 0, end = 0;
};

std::vector<Tag> tags_of(std::string_view source) {
  std::vector<Tag> tags;
  for (size_t at = source.find('{'); at != source.npos; at = source.find('{', at)) {
    const size_t close = source.find('}', at);
    const size_t end =
        std::min(source.find('}', close + 1) == close + 1 ? close + 2 : close + 1, source.size());
    tags.push_back({at, end});
    at = end;
  }
  return tags;
}

std::vector<HostileInput> tag_mutations() {
  const std::string good(kGood);
  const std::vector<Tag> tags = tags_of(kGood);
  std::vector<HostileInput> found;
  for (size_t i = 0; i < tags.size(); ++i) {
    const auto [begin, end] = tags[i];
    const std::string tag = good.substr(begin, end - begin);
    const auto with = [&](const char* change, const std::string& text) {
      found.push_back({.place = "tag-" + std::to_string(i),
                       .change = change,
                       .bytes = good.substr(0, begin) + text + good.substr(end)});
    };
    with("absent", "");
    with("twice", tag + tag);
    with("open", tag.substr(0, tag.size() - 2));
    with("half-open", tag.substr(0, tag.size() - 1));
    with("endif", "{% endif %}");
    with("for", "{% for a in [] %}");
    with("unknown", "{% nothing %}");
    with("empty-tag", "{% %}");
    with("empty-print", "{{ }}");
    with("NUL", tag.substr(0, 3) + std::string(1, '\0') + tag.substr(3));
    with("no-UTF-8", tag.substr(0, 3) + "\xff" + tag.substr(3));
    with("cut-here", "");
    found.back().bytes.resize(begin + 3);
  }
  return found;
}

std::string repeated(std::string_view text, int count) {
  std::string whole;
  for (int i = 0; i < count; ++i) whole += text;
  return whole;
}

std::vector<HostileInput> attacks() {
  const int many = 100'000;
  const std::pair<const char*, std::string> sources[] = {
      {"parentheses", "{{ " + repeated("(", many) + "1" + repeated(")", many) + " }}"},
      {"open-parentheses", "{{ " + repeated("(", many)},
      {"lists", "{{ " + repeated("[", many) + repeated("]", many) + " }}"},
      {"dicts", "{{ " + repeated("{1:", many) + "1" + repeated("}", many) + " }}"},
      {"nots", "{{ " + repeated("not ", many) + "1 }}"},
      {"minuses", "{{ " + repeated("-", many) + "1 }}"},
      {"powers", "{{ 1" + repeated("**1", many) + " }}"},
      {"ifs", repeated("{% if 1 %}", many) + repeated("{% endif %}", many)},
      {"open-ifs", repeated("{% if 1 %}", many)},
      {"elifs", "{% if 0 %}" + repeated("{% elif 0 %}", many) + "{% endif %}"},
      {"fors", repeated("{% for a in [1,2] %}", 40) + "x" + repeated("{% endfor %}", 40)},
      {"filters", "{{ 'a'" + repeated("|upper", many) + " }}"},
      {"attributes", "{{ messages" + repeated(".a", many) + " }}"},
      {"conditions", "{{ 1" + repeated(" if 1 else 1", many) + " }}"},
      {"recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"two-recursions",
       "{% macro f() %}{{ g() }}{% endmacro %}"
       "{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"caller-recursion",
       "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}"
       "{{ f() }}"},
      {"loop-recursion", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
      {"integer", "{{ 99999999999999999999 }}"},
      {"power", "{{ 2 ** 64 }}"},
      {"sum", "{{ 9223372036854775807 + 1 }}"},
      {"product", "{{ 9223372036854775807 * 2 }}"},
      {"negated", "{{ -9223372036854775807 - 2 }}"},
      {"least-by-minus-one", "{{ (-9223372036854775807 - 1) // -1 }}"},
      {"zero", "{{ 1 // 0 }}"},
      {"zero-rest", "{{ 1 % 0 }}"},
      {"range", "{{ range(9223372036854775807) | list }}"},
      {"range-of-loops", "{% for a in range(99999999) %}{% endfor %}"},
      {"long-text", "{{ 'a' * 9223372036854775807 }}"},
      {"long-list", "{{ [1] * 9223372036854775807 }}"},
      {"doubling",
       "{% set ns = namespace(a='aaaaaaaa') %}{% for i in range(99) %}"
       "{% set ns.a = ns.a + ns.a %}{% endfor %}"},
      {"doubling-lists",
       "{% set ns = namespace(a=[]) %}{% for i in range(99) %}"
       "{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}"},
      {"width", "{{ 'a'.center(9223372036854775807) }}"},
      {"indent", "{{ 'a\\nb' | indent(9223372036854775807) }}"},
      {"padding", "{{ '%9999999999d' % 1 }}"},
      {"precision", "{{ '%.9999999999f' % 1 }}"},
      {"format-width", "{{ '{:9999999999}'.format(1) }}"},
      {"format-open", "{{ '{'.format(1) }}"},
      {"json-indent", "{{ [1] | tojson(indent=9223372036854775807) }}"},
      {"json-negative-indent", "{{ [1] | tojson(indent=-9223372036854775807) }}"},
      {"tabs", "{{ 'a\\tb\\tc' .expandtabs(9223372036854775807) }}"},
      {"slice", "{{ 'abc'[::0] }}"},
      {"batch", "{{ [1] | batch(0) | list }}"},
      {"round", "{{ 1.5 | round(9223372036854775807) }}"},
      {"itself", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns.a | tojson }}"},
      {"open-text", "{{ 'abc }}"},
      {"open-comment", "{# abc"},
      {"open-raw", "{% raw %} abc"},
      {"open-escape", "{{ '\\"},
      {"half-escape", "{{ '\\u12' }}"},
      {"half-character", "{{ '\\ud800' }}"},
      {"no-character", "{{ '\\U00110000' }}"},
      {"underscore", "{{ ''.__class__.__mro__ }}"},
      {"import", "{% import 'a' as b %}"},
      {"include", "{% include '/etc/passwd' %}"},
      {"extends", "{% extends 'a' %}"},
      {"unknown-filter", "{{ 1 | nothing }}"},
      {"unknown-test", "{{ 1 is nothing }}"},
      {"unknown-function", "{{ nothing() }}"},
      {"keyword-twice", "{{ dict(a=1, a=2) }}"},
      {"no-arguments", "{{ 'a' | replace }}"},
      {"raised-bytes", "{{ raise_exception('\\x1b[2J\\n\\u202e') }}"},
      {"break-outside", "{% break %}"},
      {"assigned-number", "{% set 1 = 2 %}"},
      {"assigned-none", "{% set none = 2 %}"},
      {"loop-none", "{% for a in none %}{% endfor %}"},
      {"unpacked", "{% for a, b in [1] %}{% endfor %}"}};
  std::vector<HostileInput> found;
  for (const auto& [change, source] : sources)
    found.push_back({.place = "attack", .change = change, .bytes = source});
  return found;
}

Status read_template(const std::string& bytes) {
  using namespace jinja;
  BITNETC_ASSIGN_OR_RETURN(const Template parsed, Template::parse(bytes, "chat_template.jinja"));
  const auto message = [](std::string_view role, std::string_view content) {
    return Value::dict({{Value::string("role"), Value::string(role)},
                        {Value::string("content"), Value::string(content, kMarked)}});
  };
  const Value variables = Value::dict(
      {{Value::string("messages"),
        Value::list({message("system", "Be brief."), message("user", " caf\u00e9 <|im_end|>"),
                     message("tool", "1")})}});
  return parsed.render(variables, {}).status();
}

TEST(HostileTemplate, Source) {
  const Status unchanged = read_template(std::string(kGood));
  ASSERT_TRUE(unchanged.ok()) << unchanged.message();
  HostileInputs inputs("chat_template.jinja", {"chat_template.jinja"});
  inputs.try_all(tag_mutations(), read_template);
  inputs.try_all(attacks(), read_template);
  inputs.try_all(file_mutations(std::string(kGood)), read_template);
  inputs.finish(300);
}

}  // namespace
}  // namespace bitnetc::test
