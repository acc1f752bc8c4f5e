// A visitor for std::visit made of lambdas, one per alternative.
#pragma once

namespace bitnetc {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace bitnetc
