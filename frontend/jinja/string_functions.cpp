#include "frontend/jinja/string_functions.h"

#include <fmt/format.h>

#include <algorithm>

#include "frontend/unicode/characters.h"
#include "frontend/unicode/utf8.h"

namespace bitnetc::jinja {
namespace {

using Mapping = CaseMapping (*)(uint32_t);

void append_mapped(Mapping mapping, char32_t character, Text& out) {
  const CaseMapping mapped = mapping(code_point(character));
  for (size_t i = 0; i < mapped.count; ++i)
    out.push_back(mapped.code_points[i] | mark_of(character));
}

// Whether the sigma at `at` ends a word: a cased letter before it and none behind it, with what
// is ignorable passed over.
bool is_final_sigma(TextView text, size_t at) {
  size_t before = at;
  while (before > 0 && is_case_ignorable(code_point(text[before - 1]))) --before;
  if (before == 0 || !is_cased(code_point(text[before - 1]))) return false;
  size_t behind = at + 1;
  while (behind < text.size() && is_case_ignorable(code_point(text[behind]))) ++behind;
  return behind == text.size() || !is_cased(code_point(text[behind]));
}

void append_lower(TextView text, size_t at, Text& out) {
  if (code_point(text[at]) == 0x3A3 && is_final_sigma(text, at)) {
    out.push_back(0x3C2 | mark_of(text[at]));
  } else {
    append_mapped(to_lower, text[at], out);
  }
}

bool is_line_break(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

bool is_word_cut(char32_t character) {
  const char32_t c = code_point(character);
  return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_python_space(c);
}

bool holds(TextView set, char32_t character) {
  return std::any_of(set.begin(), set.end(),
                     [&](char32_t each) { return code_point(each) == code_point(character); });
}

std::vector<Text> split_at_space(TextView text, int64_t most, bool from_right) {
  std::vector<Text> parts;
  while (true) {
    text = strip(text, from_right ? Side::kRight : Side::kLeft, std::nullopt);
    if (text.empty()) break;
    if (most >= 0 && static_cast<int64_t>(parts.size()) == most) {
      parts.emplace_back(text);
      break;
    }
    if (from_right) {
      size_t begin = text.size();
      while (begin > 0 && !is_python_space(text[begin - 1])) --begin;
      parts.emplace_back(text.substr(begin));
      text = text.substr(0, begin);
    } else {
      size_t end = 0;
      while (end < text.size() && !is_python_space(text[end])) ++end;
      parts.emplace_back(text.substr(0, end));
      text = text.substr(end);
    }
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

// What &name; or &#number; at the start of `text` stands for, with the length of its spelling; 0 if
// it is none of them.
std::pair<char32_t, size_t> entity_at(TextView text) {
  static constexpr std::pair<TextView, char32_t> kNames[] = {
      {U"&amp;", '&'},  {U"&lt;", '<'},  {U"&gt;", '>'},   {U"&quot;", '"'},
      {U"&#39;", '\''}, {U"&#34;", '"'}, {U"&apos;", '\''}};
  for (const auto& [name, character] : kNames)
    if (starts_with(text, name)) return {character, name.size()};
  return {0, 0};
}

}  // namespace

Text upper(TextView text) {
  Text out;
  for (const char32_t character : text) append_mapped(to_upper, character, out);
  return out;
}

Text lower(TextView text) {
  Text out;
  for (size_t i = 0; i < text.size(); ++i) append_lower(text, i, out);
  return out;
}

Text swap_case(TextView text) {
  Text out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_upper(code_point(text[i]))) {
      append_lower(text, i, out);
    } else {
      append_mapped(is_lower(code_point(text[i])) ? to_upper : to_title, text[i], out);
    }
  }
  return out;
}

Text case_fold(TextView text) {
  Text out;
  for (const char32_t character : text) append_mapped(to_folded, character, out);
  return out;
}

Text capitalize(TextView text) {
  Text out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i == 0) {
      append_mapped(to_title, text[i], out);
    } else {
      append_lower(text, i, out);
    }
  }
  return out;
}

Text title(TextView text) {
  Text out;
  bool was_cased = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (was_cased) {
      append_lower(text, i, out);
    } else {
      append_mapped(to_title, text[i], out);
    }
    was_cased = is_cased(code_point(text[i]));
  }
  return out;
}

Text title_filter(TextView text) {
  Text out;
  for (size_t begin = 0; begin < text.size();) {
    const bool is_cut = is_word_cut(text[begin]);
    size_t end = begin;
    while (end < text.size() && is_word_cut(text[end]) == is_cut) ++end;
    append_mapped(to_upper, text[begin], out);
    out += lower(text.substr(begin + 1, end - begin - 1));
    begin = end;
  }
  return out;
}

TextView strip(TextView text, Side side, const std::optional<Text>& characters) {
  const auto goes = [&](char32_t character) {
    return characters ? holds(*characters, character) : is_python_space(character);
  };
  if (side != Side::kRight)
    while (!text.empty() && goes(text.front())) text.remove_prefix(1);
  if (side != Side::kLeft)
    while (!text.empty() && goes(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<Text> split(TextView text, const std::optional<Text>& separator, int64_t most,
                        bool from_right) {
  if (!separator) return split_at_space(text, most, from_right);
  std::vector<size_t> cuts = find_all(text, *separator, SIZE_MAX);
  if (most >= 0 && cuts.size() > static_cast<size_t>(most)) {
    const auto surplus = static_cast<ptrdiff_t>(cuts.size() - static_cast<size_t>(most));
    if (from_right) {
      cuts.erase(cuts.begin(), cuts.begin() + surplus);
    } else {
      cuts.erase(cuts.end() - surplus, cuts.end());
    }
  }
  std::vector<Text> parts;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    parts.emplace_back(text.substr(begin, cut - begin));
    begin = cut + separator->size();
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::vector<Text> split_lines(TextView text, bool keep_ends) {
  std::vector<Text> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    while (end < text.size() && !is_line_break(code_point(text[end]))) ++end;
    size_t next = std::min(end + 1, text.size());
    const bool is_pair =
        end + 1 < text.size() && code_point(text[end]) == '\r' && code_point(text[end + 1]) == '\n';
    if (is_pair) ++next;
    lines.emplace_back(text.substr(begin, (keep_ends ? next : end) - begin));
    begin = next;
  }
  return lines;
}

Text replace(TextView text, TextView old_text, TextView new_text, size_t most) {
  Text out;
  size_t copied = 0;
  for (const size_t at : find_all(text, old_text, most)) {
    out.append(text.substr(copied, at - copied));
    out.append(new_text);
    copied = at + old_text.size();
  }
  out.append(text.substr(copied));
  return out;
}

Text pad(TextView text, int64_t width, char32_t fill, Side filled) {
  const int64_t missing = width - static_cast<int64_t>(text.size());
  if (missing <= 0) return Text(text);
  int64_t left = filled == Side::kLeft ? missing : 0;
  if (filled == Side::kBoth) left = missing / 2 + (missing & width & 1);
  Text out(static_cast<size_t>(left), fill);
  out.append(text);
  out.append(static_cast<size_t>(missing - left), fill);
  return out;
}

Text zero_fill(TextView text, int64_t width) {
  const bool has_sign = !text.empty() && (code_point(text[0]) == '-' || code_point(text[0]) == '+');
  if (!has_sign) return pad(text, width, '0', Side::kLeft);
  return Text(text.substr(0, 1)) + pad(text.substr(1), width - 1, '0', Side::kLeft);
}

Text expand_tabs(TextView text, int64_t tab_size) {
  Text out;
  int64_t column = 0;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    if (c == '\t') {
      const int64_t blanks = tab_size > 0 ? tab_size - column % tab_size : 0;
      out.append(static_cast<size_t>(blanks), U' ' | mark_of(character));
      column += blanks;
    } else {
      out.push_back(character);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return out;
}

// The text has a newline more while it is cut: a last line that is empty counts as a line.
Text indent(TextView text, TextView indention, bool first, bool blank) {
  const std::vector<Text> lines = split_lines(Text(text) + U'\n', false);
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.push_back('\n');
    const bool indents = i == 0 ? first : blank || !lines[i].empty();
    if (indents) out.append(indention);
    out += lines[i];
  }
  return out;
}

Text escape_html(TextView text) {
  Text out;
  for (const char32_t character : text) {
    switch (code_point(character)) {
      case '&': append_ascii("&amp;", out); break;
      case '<': append_ascii("&lt;", out); break;
      case '>': append_ascii("&gt;", out); break;
      case '\'': append_ascii("&#39;", out); break;
      case '"': append_ascii("&#34;", out); break;
      default: out.push_back(character);
    }
  }
  return out;
}

Text strip_tags(TextView text) {
  Text bare;
  for (size_t at = 0; at < text.size();) {
    const bool is_comment = starts_with(text.substr(at), U"<!--");
    const TextView end_mark = is_comment ? TextView(U"-->") : TextView(U">");
    const size_t end = code_point(text[at]) == '<' ? find(text, end_mark, at) : TextView::npos;
    if (end == TextView::npos) {
      bare.push_back(text[at++]);
    } else {
      at = end + end_mark.size();
    }
  }
  Text joined;
  for (const Text& word : split(bare, std::nullopt, -1, false)) {
    if (!joined.empty()) joined.push_back(' ');
    joined += word;
  }
  Text out;
  for (size_t at = 0; at < joined.size();) {
    const auto [character, length] = entity_at(TextView(joined).substr(at));
    out.push_back(length > 0 ? character | mark_of(joined[at]) : joined[at]);
    at += length > 0 ? length : 1;
  }
  return out;
}

Text url_quote(TextView text) {
  constexpr std::string_view kKept = "_.-~/";
  Text out;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    const bool is_alphanumeric = c < 0x80 && (is_letter(c) || is_number(c));
    if (is_alphanumeric || (c < 0x80 && kKept.find(static_cast<char>(c)) != kKept.npos)) {
      out.push_back(character);
      continue;
    }
    std::string bytes;
    append_utf8(c, bytes);
    for (const char byte : bytes)
      for (const char each : fmt::format("%{:02X}", static_cast<uint8_t>(byte)))
        out.push_back(static_cast<unsigned char>(each) | mark_of(character));
  }
  return out;
}

int64_t count_words(TextView text) {
  int64_t words = 0;
  bool was_word = false;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    const bool is_word = c == '_' || is_letter(c) || is_number(c);
    words += is_word && !was_word ? 1 : 0;
    was_word = is_word;
  }
  return words;
}

bool all_of(TextView text, bool (*property)(char32_t)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), property);
}

bool is_upper_text(TextView text) {
  bool has_cased = false;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    if (is_lower(c) || is_title(c)) return false;
    has_cased |= is_upper(c);
  }
  return has_cased;
}

bool is_lower_text(TextView text) {
  bool has_cased = false;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    if (is_upper(c) || is_title(c)) return false;
    has_cased |= is_lower(c);
  }
  return has_cased;
}

bool is_title_text(TextView text) {
  bool has_cased = false, was_cased = false;
  for (const char32_t character : text) {
    const char32_t c = code_point(character);
    if (is_upper(c) || is_title(c)) {
      if (was_cased) return false;
      has_cased = true;
    } else if (is_lower(c) && !was_cased) {
      return false;
    }
    was_cased = is_cased(c);
  }
  return has_cased;
}

}  // namespace bitnetc::jinja
