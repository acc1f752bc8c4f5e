// Two graphs of one model, however each was read: the same nodes and the same numbers, bit for bit.
#pragma once

#include "compiler/graph.h"

namespace bitnetc::test {

// Tokenizer, chat template and sources may differ; tables are compared by value, since an element
// type holds another's numbers too.
void expect_same_graph(const Graph& a, const Graph& b);

}  // namespace bitnetc::test
