// What the start-up proofs share: memory, guarded runs and comparisons.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "codegen/kernel_spec.h"
#include "codegen/random.h"
#include "runtime/fault_guard.h"
#include "runtime/kernel.h"
#include "runtime/kernel_args.h"
#include "runtime/status.h"

namespace bitnetc::proof {

// Zero-filled memory for a whole matrix of which a proof touches little: pages that are never
// written are never there.
template <typename T>
class SparseArray {
 public:
  explicit SparseArray(int64_t count)
      : data_(static_cast<T*>(std::calloc(static_cast<size_t>(count), sizeof(T)))) {
    if (!data_) throw std::bad_alloc();
  }
  T* data() { return data_.get(); }
  T& operator[](int64_t i) { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data_;
};

// Runs the kernel in this thread; a crash is the kernel's failure, not ours.
template <typename Args>
Status run_kernel(const Kernel& kernel, const Args& args) {
  struct Call {
    const Kernel& kernel;
    const Args& args;
  } call{kernel, args};
  const int signal_number = run_guarded(
      [](void* state) {
        const Call& c = *static_cast<Call*>(state);
        c.kernel(c.args);
      },
      &call);
  if (signal_number == 0) return {};
  return make_error(StatusCode::kDisqualified, "{}: start-up proof: raised {}", kernel.name(),
                    strsignal(signal_number));
}

// Compares bits. `what` names the output: "y of token 3".
template <typename T>
Status compare(const Kernel& kernel, const std::string& what, const T* got, const T* expected,
               int64_t count) {
  if (std::memcmp(got, expected, static_cast<size_t>(count) * sizeof(T)) == 0) return {};
  int64_t i = 0;
  while (std::memcmp(got + i, expected + i, sizeof(T)) == 0) ++i;
  return make_error(StatusCode::kDisqualified,
                    "{}: start-up proof: {}: element {} is {}, the reference says {}",
                    kernel.name(), what, i, got[i], expected[i]);
}

// matmul.cpp
Status prove_matmul(const MatmulSpec& spec, const Kernel& kernel, TableForm form, uint64_t seed);

}  // namespace bitnetc::proof
