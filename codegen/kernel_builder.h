// The only door into code generation: spec + plan + target in, a proven Kernel out.
//
// Generators are tried in the order of codegen/kernels.inc, best first, reference last; one that
// was chosen for the request goes before them. Each either declines with a reason, fails to build,
// fails its start-up proof, or is taken; the Selection keeps what each one said. The start-up proof
// runs the fresh kernel, on the CPU or on BuildSettings::device, on a small random problem against
// codegen/reference and compares bits; SIGILL and SIGSEGV inside it are caught and disqualify the
// kernel. Thread-safe; kernels are built once per name and target (runtime/kernel_cache.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codegen/build_settings.h"
#include "codegen/kernel_plan.h"
#include "codegen/kernel_spec.h"
#include "codegen/matmul_work.h"
#include "runtime/device.h"
#include "runtime/kernel.h"
#include "runtime/kernel_args.h"
#include "runtime/kernel_cache.h"
#include "runtime/status.h"
#include "runtime/target.h"

namespace bitnetc {

struct KernelRequest {
  KernelSpec spec;
  KernelPlan plan;  // no fields: the default of the generator's family
  Target target;
  // The plan of a kernel for any M that serves a matmul for one M; `plan` if not said. So that all
  // numbers of tokens such a kernel serves share its code.
  std::optional<KernelPlan> any_m_plan = std::nullopt;
  // The generator that `plan` was chosen for: tried before all others, also for any M with that
  // plan.
  std::string generator = {};
};

// One family x tier. Stateless apart from toolchain handles; build() may be called from any thread.
class Generator {
 public:
  virtual ~Generator() = default;
  virtual std::string_view name() const = 0;  // "x64_matmul_i2s_avx2", as in kernels.inc
  virtual std::string_view suffix()
      const = 0;                     // tier or back-end at the end of kernel names: "avx2"
  virtual int revision() const = 0;  // raised when the emitted code changes
  virtual GeneratorKind kind() const = 0;
  // Whether this generator can serve the request; if not, the reason with its numbers.
  virtual Status accepts(const KernelRequest& request) const = 0;
  // The sums that kernels of this spec look up (MatmulArgs::tables). kNone: they read x.
  virtual TableForm table_form(const MatmulSpec&) const { return TableForm::kNone; }
  // The fields that plans of its matmuls have, and for whoever searches plans the values worth
  // trying. None: it makes no matmuls.
  virtual PlanFields plan_fields() const { return {}; }
  // The one plan that stands for all whose kernels do the same, because the code ignores a field or
  // two values come to the same number. Code that is not generated ignores them all.
  virtual KernelPlan effective_plan(const MatmulSpec&, const KernelPlan&) const {
    return default_plan(plan_fields());
  }
  // What its kernel for spec and plan, which it accepts, does in a call with `tokens` tokens.
  // Nothing: it makes no matmuls, or does not count.
  virtual std::optional<MatmulWork> work(const MatmulSpec&, const KernelPlan&,
                                         int64_t /*tokens*/) const {
    return std::nullopt;
  }
  // Makes the kernel. Called only after accepts() said yes.
  virtual Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                               const BuildSettings& settings) const = 0;
};

// What each candidate said, in order; the last one was taken (if any was).
struct Selection {
  struct Entry {
    std::string generator;
    std::string outcome;  // "taken", or the reason it was not
  };
  std::vector<Entry> entries;
  std::string describe() const;
};

struct BuiltKernel {
  Kernel kernel;
  std::string generator;
  GeneratorKind kind = GeneratorKind::kReference;  // of the generator
  TableForm table_form = TableForm::kNone;
  Selection selection;
  int64_t build_ns = 0;  // generation, without the proof
  int64_t proof_ns = 0;
};

class KernelBuilder {
 public:
  explicit KernelBuilder(const BuildSettings& settings = {}) : settings_(settings) {}

  // All generators of this build, in the order of kernels.inc.
  static const std::vector<std::unique_ptr<Generator>>& generators();

  // A matmul for one M may be served by a kernel for any M, where that stands higher in the list.
  // Error: kUnsupported listing every candidate with its reason.
  Result<BuiltKernel> build(const KernelRequest& request);
  // As build(), but only this generator (tests, `kernel check`). Error: kNotFound, or its own
  // refusal.
  Result<BuiltKernel> build_with(std::string_view generator, const KernelRequest& request);

 private:
  Result<BuiltKernel> build_and_prove(const Generator& generator, const KernelRequest& request);
  Result<Kernel> build_fresh(const Generator& generator, const KernelRequest& request,
                             BuiltKernel& built) const;

  const BuildSettings settings_;
  KernelCache cache_;
};

// Of all generators of this build; null: there is none of that name.
const Generator* find_generator(std::string_view name);

// What the generator would build for the request: the request itself or, for a matmul for one M,
// that for any M; its plan has all fields. Error: why it refuses the request.
Result<KernelRequest> accepted_request(const Generator& generator, const KernelRequest& request);

// The first generator that accepts the request, in the order in which build() tries them, and what
// it would build. Nothing: none accepts it.
struct Acceptance {
  const Generator* generator;
  KernelRequest request;
};
std::optional<Acceptance> first_acceptance(const KernelRequest& request);

// "matmul_i8_i2s_f32_n3840_k2560_m1_scale_t1u4p0_avx2"
std::string kernel_name(const KernelRequest& request, const Generator& generator);

// What a kernel name says. The plan is missing from a bare spec name, the generator too.
struct KernelIdentity {
  KernelSpec spec;
  std::optional<KernelPlan> plan;
  std::string generator;  // empty: any
};
// Reads a full kernel name or a bare spec name. Error: kInvalidArgument, as parse_spec.
Result<KernelIdentity> parse_kernel_name(std::string_view name);

// Runs `kernel` on the device, on a small random problem of its spec whose operands are copied
// there and back if the device has memory of its own, and compares bits with the reference, which
// the host runs. `form`: the tables a matmul kernel reads.
// Error: kDisqualified saying which output differed first, or which signal was raised; as
// Device::allocate and copies.
Status prove(const KernelSpec& spec, const Kernel& kernel, Device& device, uint64_t seed,
             TableForm form = TableForm::kNone);

}  // namespace bitnetc
