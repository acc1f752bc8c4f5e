// Which of the two ways serves a call: direct.h up to Tier::kDirectTokens tokens, panel.h above.
#pragma once

#include "codegen/static/matmul/direct.h"
#include "codegen/static/matmul/panel.h"

namespace bitnetc {
namespace {  // NOLINT(google-build-namespaces)

template <class Decoder>
using Direct = void (*)(const Problem<Decoder>&);

template <class Tier, class Decoder, int... kIndices>
void run_direct(const Problem<Decoder>& problem, std::integer_sequence<int, kIndices...>) {
  static constexpr Direct<Decoder> kByTokens[] = {direct_matmul<Tier, Decoder, kIndices + 1>...};
  kByTokens[problem.tokens - 1](problem);
}

template <class Tier, class Decoder>
void run(const MatmulSpec& spec, const MatmulArgs& args) {
  const Problem<Decoder> problem(spec, args);
  if (problem.tokens <= Tier::kDirectTokens) {
    run_direct<Tier>(problem, std::make_integer_sequence<int, Tier::kDirectTokens>());
  } else {
    panel_matmul<Tier>(problem);
  }
}

}  // namespace
}  // namespace bitnetc
