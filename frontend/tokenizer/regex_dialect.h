// The regexes of a tokenizer.json are written for Oniguruma; we run PCRE2. The two agree on a large
// common part and differ silently outside it, so a pattern is rewritten or refused, never passed on
// blindly.
#pragma once

#include <string>
#include <string_view>

#include "runtime/status.h"

namespace bitnetc {

// `pattern` in PCRE2's syntax (for UTF | UCP).
//   Rewritten  \s \S (PCRE2 counts U+180E as space), \p{Script}, \uHHHH
//   Kept       literals, ., \d \D \p{Lu} \P{Lu}, \r \n \t \f, \xHH, \x{..}, escaped punctuation,
//              simple classes, groups ( (?: (?i: (?= (?! (?<= (?<! (?>, | and the quantifiers whose
//              meaning is common
//   Error      kUnsupported naming the construct and its offset: anchors, \w \b \h and other
//              letters, nested or intersected classes, flags other than (?i:, stacked quantifiers,
//              {n}?, {n,m}+, back-references; inside (?i: also properties, non-ASCII, and the pairs
//              ss ff fi fl st, which have one-character foldings
Result<std::string> pcre2_pattern(std::string_view pattern);

}  // namespace bitnetc
