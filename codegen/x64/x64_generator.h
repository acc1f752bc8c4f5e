// The Generator of every matmul program in this folder, and of every program that builds tables:
// checks a request against the family's limits, has the program written, publishes it. A family is
// a row of numbers and one or two functions.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "codegen/kernel_builder.h"
#include "codegen/matmul_plans.h"
#include "codegen/x64/x64_code.h"
#include "runtime/exec_memory.h"

namespace bitnetc::x64 {

// Has the program written, published and made known. The only place where a failure of the
// assembler becomes a Status.
Result<std::shared_ptr<const ExecMemory>> publish_program(X64Code& program,
                                                          const KernelRequest& request,
                                                          const std::string& name,
                                                          const BuildSettings& settings);

// The layouts a family reads.
class LayoutSet {
 public:
  constexpr LayoutSet(std::initializer_list<LayoutId> ids) {
    for (const LayoutId id : ids) bits_ |= bit(id);
  }
  constexpr bool contains(LayoutId id) const { return (bits_ & bit(id)) != 0; }
  std::string describe() const;  // "tl1, tl2, b3"

 private:
  static constexpr unsigned bit(LayoutId id) { return 1U << static_cast<int>(id); }
  unsigned bits_ = 0;
};

// Plans worth trying for kernels that walk over K block by block.
inline constexpr int kTriedTiles[] = {1, 2, 4, 8};
inline constexpr int kTriedUnrolls[] = {1, 2, 4, 8, 16};
inline constexpr int kTriedPrefetches[] = {0, 1024, 2048, 3072, 4096, 8192, 16384};
inline constexpr PlanField kDirectFields[] = {tiles_field(kTriedTiles), unroll_field(kTriedUnrolls),
                                              prefetch_field(kTriedPrefetches)};
// The plan with the least k_unroll that gives the same number of blocks per iteration.
KernelPlan with_least_unroll(const MatmulSpec& spec, const KernelPlan& plan);

struct MatmulFamily {
  std::string_view name;    // "x64_matmul_i2s_avx2"
  std::string_view suffix;  // of kernel names: "avx2"
  Isa isa;
  int revision;
  LayoutSet layouts;
  LayoutSet vbmi_layouts = {};  // those of `layouts` that need AVX512_VBMI
  int min_m, max_m;             // kAnyM to kAnyM: any
  int64_t k_limit;              // K below this cannot overflow an accumulator
  TableForm table_form = TableForm::kNone;
  // Refuses what the tier's registers cannot hold, with the numbers.
  Status (*accepts)(const MatmulSpec& spec, const KernelPlan& plan);
  std::unique_ptr<X64Code> (*program)(const MatmulSpec& spec, const KernelPlan& plan);
  // As Generator::work, without tier and passes.
  MatmulWork (*work)(const MatmulSpec& spec, const KernelPlan& plan, int64_t tokens);
  // As in Generator. Fields without values worth trying are at their standard values before
  // effective_plan is called.
  PlanFields fields = kDirectFields;
  KernelPlan (*effective_plan)(const MatmulSpec& spec, const KernelPlan& plan) = with_least_unroll;
};

// MatmulFamily::program of a class that is constructed from spec and plan.
template <class Program>
std::unique_ptr<X64Code> make_program(const MatmulSpec& spec, const KernelPlan& plan) {
  return std::make_unique<Program>(spec, plan);
}

std::unique_ptr<Generator> make_matmul_generator(const MatmulFamily& family);

// The same for programs of other operations, which have no plans.
template <typename Spec>
struct OperationFamily {
  std::string_view name;    // "x64_screen_avx2"
  std::string_view suffix;  // "avx2"
  Isa isa;
  int revision;
  std::unique_ptr<X64Code> (*program)(const Spec& spec);
  // Refuses what the program cannot do, with the numbers; null: it can do whatever is valid.
  Status (*accepts)(const Spec& spec) = nullptr;
};

// For TablesSpec, ScreenSpec, HeadSpec, SparseUpSpec and SparseDownSpec.
template <typename Spec>
std::unique_ptr<Generator> make_operation_generator(const OperationFamily<Spec>& family);

}  // namespace bitnetc::x64
