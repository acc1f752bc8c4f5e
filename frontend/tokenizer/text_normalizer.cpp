#include "frontend/tokenizer/text_normalizer.h"

#include <algorithm>

#include "frontend/unicode/utf8.h"

namespace bitnetc {
namespace {

// A few steps that each double the text would exhaust the memory; no published tokenizer comes near
// this.
constexpr size_t kMaxGrowth = 64;
constexpr size_t kGrowthFreeBytes = 1 << 20;

// Writes a text anew, stretch by stretch from its beginning to its end, and moves spans along.
class Rewriter {
 public:
  // `spans` may be null.
  Rewriter(std::string_view source, std::vector<TextSpan>* spans) : source_(source), spans_(spans) {
    if (spans_ != nullptr) moved_ = *spans_;
  }

  // The source up to `end` stays as it is.
  void keep_to(size_t end) {
    move_spans(end, out_.size(), out_.size() + end - at_, /*keeps=*/true);
    out_.append(source_.substr(at_, end - at_));
    at_ = end;
  }
  // The source up to `end` becomes `text`.
  void replace_to(size_t end, std::string_view text) {
    move_spans(end, out_.size(), out_.size() + text.size(), /*keeps=*/false);
    out_.append(text);
    at_ = end;
  }
  std::string finish() {
    keep_to(source_.size());
    if (spans_ != nullptr) {
      std::erase_if(moved_, [](const TextSpan& span) { return span.begin >= span.end; });
      *spans_ = std::move(moved_);
    }
    return std::move(out_);
  }

 private:
  // The edges of spans in source [at_, end) go to output [out_begin, out_end). A span that begins
  // or ends inside a stretch that is replaced takes all of it.
  void move_spans(size_t end, size_t out_begin, size_t out_end, bool keeps) {
    if (spans_ == nullptr) return;
    for (; begins_ < moved_.size() && (*spans_)[begins_].begin < end; ++begins_)
      moved_[begins_].begin = keeps ? out_begin + (*spans_)[begins_].begin - at_ : out_begin;
    for (; ends_ < moved_.size() && (*spans_)[ends_].end <= end; ++ends_)
      moved_[ends_].end = keeps ? out_begin + (*spans_)[ends_].end - at_ : out_end;
  }

  std::string_view source_;
  std::vector<TextSpan>* spans_;
  std::vector<TextSpan> moved_;
  size_t begins_ = 0, ends_ = 0;  // spans whose edges have been moved
  size_t at_ = 0;
  std::string out_;
};

// The first place from `at` on where a normal form starts afresh.
size_t next_fresh_start(std::string_view text, size_t at) {
  while (at < text.size()) {
    const Utf8Unit unit = first_utf8_unit(text.substr(at));
    if (starts_afresh(unit.code_point)) break;
    at += unit.length_bytes;
  }
  return at;
}

struct Applier {
  std::string& text;
  std::vector<TextSpan>* typed;

  Status operator()(const PrependStep& step) const {
    if (text.empty()) return {};
    Rewriter rewriter(text, typed);
    rewriter.replace_to(0, step.prefix);
    text = rewriter.finish();
    return {};
  }

  Status operator()(const ReplaceStep& step) const {
    TextSearch search(step.pattern);
    std::vector<TextRange> matches;
    BITNETC_RETURN_IF_ERROR(search.find_all(text, matches));
    Rewriter rewriter(text, typed);
    for (const TextRange& match : matches) {
      rewriter.keep_to(match.begin);
      rewriter.replace_to(match.end, step.content);
    }
    text = rewriter.finish();
    return {};
  }

  Status operator()(const StripStep& step) const {
    std::string_view rest = text;
    for (int32_t i = 0; i < step.start && rest.starts_with(step.content); ++i) {
      rest.remove_prefix(step.content.size());
    }
    for (int32_t i = 0; i < step.stop && rest.ends_with(step.content); ++i) {
      rest.remove_suffix(step.content.size());
    }
    keep_only(rest);
    return {};
  }

  Status operator()(const TrimStep& step) const {
    const auto is_space = [](std::string_view rest) {
      return !rest.empty() && is_white_space(first_utf8_unit(rest).code_point);
    };
    std::string_view rest = text;
    while (step.left && is_space(rest)) rest.remove_prefix(first_utf8_unit(rest).length_bytes);
    while (step.right && is_space(last_character(rest)))
      rest.remove_suffix(last_character(rest).size());
    keep_only(rest);
    return {};
  }

  // Cut where typed text meets other text, moved behind marks that belong to what stands before.
  Status operator()(const NormalFormStep& step) const {
    const auto normalized = [&](std::string_view part) {
      return step.form == NormalForm::kNfc ? normalize_nfc(part) : normalize(part, step.form);
    };
    if (typed == nullptr) {
      text = normalized(text);
      return {};
    }
    std::vector<size_t> cuts;
    for (TextSpan& span : *typed) {
      for (size_t* edge : {&span.begin, &span.end}) {
        *edge = next_fresh_start(text, *edge);
        cuts.push_back(*edge);
      }
    }
    cuts.push_back(text.size());
    Rewriter rewriter(text, typed);
    size_t begin = 0;
    for (const size_t cut : cuts) {
      if (cut <= begin) continue;
      rewriter.replace_to(cut, normalized(std::string_view(text).substr(begin, cut - begin)));
      begin = cut;
    }
    text = rewriter.finish();
    return {};
  }

  Status operator()(const LowercaseStep&) const {
    map_characters([](uint32_t code_point, std::string& mapped) {
      const CaseMapping lower = to_lower(code_point);
      for (size_t i = 0; i < lower.count; ++i) append_utf8(lower.code_points[i], mapped);
    });
    return {};
  }

  Status operator()(const StripAccentsStep&) const {
    map_characters([](uint32_t code_point, std::string& mapped) {
      if (!is_nonspacing_mark(code_point)) append_utf8(code_point, mapped);
    });
    return {};
  }

 private:
  static std::string_view last_character(std::string_view rest) {
    const auto continues = [&](size_t at) {
      return (static_cast<uint8_t>(rest[at]) & 0xC0) == 0x80;
    };
    size_t begin = rest.empty() ? 0 : rest.size() - 1;
    while (begin > 0 && continues(begin)) --begin;
    return rest.substr(begin);
  }

  // `part` is a part of the text.
  void keep_only(std::string_view part) const {
    const auto begin = static_cast<size_t>(part.data() - text.data());
    Rewriter rewriter(text, typed);
    rewriter.replace_to(begin, "");
    rewriter.keep_to(begin + part.size());
    rewriter.replace_to(text.size(), "");
    text = rewriter.finish();
  }

  template <typename Map>
  void map_characters(Map map) const {
    Rewriter rewriter(text, typed);
    std::string mapped;
    for (size_t at = 0; at < text.size();) {
      const Utf8Unit unit = first_utf8_unit(std::string_view(text).substr(at));
      mapped.clear();
      map(unit.code_point, mapped);
      if (mapped != std::string_view(text).substr(at, unit.length_bytes)) {
        rewriter.keep_to(at);
        rewriter.replace_to(at + unit.length_bytes, mapped);
      }
      at += unit.length_bytes;
    }
    text = rewriter.finish();
  }
};

}  // namespace

Result<std::string> TextNormalizer::apply(std::string text, std::vector<TextSpan>* typed) const {
  const size_t max_bytes = kGrowthFreeBytes + kMaxGrowth * text.size();
  for (const Step& step : steps_) {
    BITNETC_RETURN_IF_ERROR(std::visit(Applier{text, typed}, step));
    if (text.size() > max_bytes) {
      return make_error(StatusCode::kUnsupported,
                        "the normalizer grows a text beyond {} bytes ({} times its size)",
                        max_bytes, kMaxGrowth);
    }
  }
  return text;
}

}  // namespace bitnetc
