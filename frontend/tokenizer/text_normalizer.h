// The normalizer of a tokenizer: rewrites a text before it is split. Also carries the Replace and
// Strip steps of a decoder that act on one token at a time.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "frontend/tokenizer.h"
#include "frontend/tokenizer/text_pattern.h"
#include "frontend/unicode/characters.h"
#include "runtime/status.h"

namespace bitnetc {

struct PrependStep {
  std::string prefix;  // put in front of every text that is not empty
};

struct ReplaceStep {
  TextPattern pattern;
  std::string content;
};

struct StripStep {
  std::string content;  // one character
  int32_t start;        // at most so many of them go from the front,
  int32_t stop;         // and from the back
};

struct TrimStep {
  bool left;   // white space goes from the front,
  bool right;  // and from the back
};

struct NormalFormStep {
  NormalForm form;
};

struct LowercaseStep {};

struct StripAccentsStep {};  // nonspacing marks go

class TextNormalizer {
 public:
  using Step = std::variant<PrependStep, ReplaceStep, StripStep, TrimStep, NormalFormStep,
                            LowercaseStep, StripAccentsStep>;

  void add(Step step) { steps_.push_back(std::move(step)); }
  bool is_identity() const { return steps_.empty(); }

  // `typed`, if given, are stretches of the text (Tokenizer::encode_typed); they are moved to where
  // their characters are afterwards. A character made of typed and other ones counts as typed.
  //   Error  kUnsupported if a regex gives up or the text grows out of proportion
  Result<std::string> apply(std::string text, std::vector<TextSpan>* typed = nullptr) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace bitnetc
