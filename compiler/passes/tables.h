// Which tables of sums stand in a session's one table buffer as the steps of a program run in
// order: a step whose input's tables are still there need not make them again.
#pragma once

#include "codegen/kernel_spec.h"

namespace bitnetc {

class TablesInPlace {
 public:
  // A step wants the tables `spec` of buffer `input`: whether it has to make them. They stand there
  // afterwards.
  bool must_build(int input, const TablesSpec& spec) {
    if (buffer_ == input && spec_ == spec) return false;
    buffer_ = input;
    spec_ = spec;
    return true;
  }
  // A step wrote buffer `output`: tables made from what was there are of no more use.
  void written(int output) {
    if (buffer_ == output) buffer_ = kNone;
  }

 private:
  static constexpr int kNone = -2;  // no buffer, and not the -1 of a step without one

  int buffer_ = kNone;
  TablesSpec spec_;
};

}  // namespace bitnetc
