// Makes kernels of one matmul ready to be timed against each other: builds their lookup tables and
// checks them against the reference on the very operands that will be timed.
#pragma once

#include <map>

#include "autotune/kernel_measure.h"
#include "autotune/matmul_workload.h"

namespace bitnetc {

class Trials {
 public:
  // Calls with `tokens` tokens, weights from memory, on the threads of the pool. What is passed
  // must outlive the contestants; `builder` makes tables and the reference.
  Trials(MatmulWorkload& workload, KernelBuilder& builder, ThreadPool& pool, const Target& target,
         int64_t tokens)
      : workload_(workload), builder_(builder), pool_(pool), target_(target), tokens_(tokens) {}

  // A call of a LUT kernel includes the making of its tables, which all threads
  // share. Error: kDisqualified where it does not agree with the reference; why its tables cannot
  // be made.
  Result<Contestant> enter(const BuiltKernel& built);

 private:
  Result<double> tables_s(TableForm form);

  MatmulWorkload& workload_;
  KernelBuilder& builder_;
  ThreadPool& pool_;
  const Target target_;
  const int64_t tokens_;
  std::map<TableForm, double> tables_s_;
};

}  // namespace bitnetc
