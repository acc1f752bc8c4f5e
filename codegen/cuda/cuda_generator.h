// The Generator of every CUDA kernel: checks a request against the family's limits, writes the
// source, has NVRTC compile it (or finds it in the kernel store) and fills a GpuCode. A family is a
// row of numbers and one or two functions.
//
// A source is an instantiation: a struct of named constants, which say all numbers of spec and
// plan, and a function template of codegen/cuda/kernels/*.cuh that is called with them.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "codegen/cuda/nvrtc_compiler.h"
#include "codegen/kernel_builder.h"
#include "runtime/gpu_device.h"
#include "runtime/kernel_store.h"

namespace bitnetc::cuda {

inline constexpr int kLeastSm = 75;    // the first with dp4a, ldmatrix and mma of bytes
inline constexpr uint32_t kWarp = 32;  // threads

// The constants of a kernel, in order: members of the struct that its template is instantiated
// with.
class Constants {
 public:
  // As uint32_t where it is one: indices are unsigned.
  void add(std::string_view name, int64_t value);
  void add(std::string_view name, bool value);
  void add(std::string_view name, float value);  // all bits of it
  // A value of an enum of the device code: "Gate", "kSilu".
  void add(std::string_view name, std::string_view type, std::string_view value);

  const std::string& text() const { return text_; }  // lines of C++

 private:
  std::string text_;
};

// A kernel to be compiled.
struct Program {
  std::string_view file;      // in codegen/cuda/kernels/: "norm.cuh"
  std::string_view function;  // a template there: void quantize<C>(const QuantizeArgs&)
  std::string_view args;      // "QuantizeArgs"
  size_t args_bytes = 0;
  GpuCode::Calls calls = GpuCode::Calls::kMany;
  Constants constants;   // beside `threads`
  uint32_t threads = 0;  // of a block
  // Said to the compiler, which then spills rather than let fewer blocks share a multiprocessor.
  // Where it spills although nobody says anything: 1, any number of registers.
  int blocks_of_multiprocessor = 0;
  // The launch for one call (GpuCode::launch); `numbers` is what it reads.
  GpuLaunch (*launch)(const void* args, const GpuCode& code) = nullptr;
  std::array<int64_t, GpuCode::kNumbers> numbers = {};
};

// Launches that are the same for all calls: of so many blocks with the program's threads.
void launch_always(Program& program, int64_t blocks_x, int64_t shared_bytes = 0);

template <typename Spec>
struct Family {
  std::string_view name;    // "cuda_quantize"
  std::string_view suffix;  // of kernel names: "cuda"
  int revision;
  Program (*program)(const Spec& spec, const KernelPlan& plan, int sm);
  // Refuses what the program cannot do, with the numbers; null: it can do whatever is valid.
  Status (*accepts)(const Spec& spec, const KernelPlan& plan, int sm) = nullptr;
  // Of matmuls, as in Generator.
  PlanFields fields = {};
  MatmulWork (*work)(const Spec& spec, const KernelPlan& plan, int64_t tokens) = nullptr;
  KernelPlan (*effective_plan)(const Spec& spec, const KernelPlan& plan) = nullptr;
};

// For every operation whose Args struct the runtime knows.
template <typename Spec>
std::unique_ptr<Generator> make_cuda_generator(const Family<Spec>& family);

// The whole source of a kernel; `entry` is its name.
std::string source_of(const Program& program, const std::string& entry);
// A kernel's name as a function may bear it: what is no letter or digit becomes '_'.
std::string entry_name(const std::string& kernel_name);
// A program and what it is known by.
struct NamedProgram {
  Program program;
  std::string kernel;  // full name
  std::string spec_text, plan_text;
  std::string generator;
  int revision = 0;  // of the generator
  int sm = 0;
};
// All that the code of a program depends on: beside its name the source with all device code of
// this build, and the compiler with its options. Error: as NvrtcCompiler::options().
Result<KernelStoreKey> store_key(const NamedProgram& named, const NvrtcCompiler& compiler);
// What the program is when compiled by the NVRTC of `settings`, or as the kernel store has it.
// Error: as find_nvrtc() and NvrtcCompiler::compile().
Result<Kernel> build_program(const NamedProgram& named, const BuildSettings& settings);

}  // namespace bitnetc::cuda
