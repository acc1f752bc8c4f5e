// What the tests of the LLVM generators share: finding one, building with it for a tier, and seeing
// what it published.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "codegen/kernel_builder.h"
#include "runtime/cpu_features.h"
#include "runtime/jit_observer.h"

namespace bitnetc::test {

// The generator of kernels.inc, or null where the build has no LLVM.
inline const Generator* find_llvm_generator(std::string_view name) {
  for (const auto& generator : KernelBuilder::generators())
    if (generator->name() == name) return generator.get();
  return nullptr;
}

// Skips loudly where the build has no LLVM; a build with LLVM must have the generator.
class LlvmTest : public testing::Test {
 protected:
  void SetUp() override {
    norm_quantize_ = find_llvm_generator("llvm_norm_quantize");
    rms_norm_ = find_llvm_generator("llvm_rms_norm");
#ifdef BITNETC_HAVE_LLVM
    ASSERT_TRUE(norm_quantize_ && rms_norm_) << "kernels.inc does not list the LLVM generators";
#else
    std::printf("skipped: this build has no LLVM (BITNETC_LLVM=OFF)\n");
    GTEST_SKIP() << "this build has no LLVM (BITNETC_LLVM=OFF)";
#endif
  }

  // Builds without the builder's cache and proof, under a name that shows the tier.
  static Kernel build(const Generator& generator, const KernelSpec& spec, Isa isa,
                      const BuildSettings& settings = {}) {
    const KernelRequest request{.spec = spec, .plan = {}, .target = target_for(isa)};
    const Status accepted = generator.accepts(request);
    BITNETC_CHECK(accepted.ok(), "{}", accepted.message());
    auto kernel = generator.build(request, name_of(spec, isa), settings);
    BITNETC_CHECK(kernel.ok(), "{}", kernel.status().message());
    return *std::move(kernel);
  }
  static std::string name_of(const KernelSpec& spec, Isa isa) {
    return fmt::format("{}_llvm_{}", spec_name(spec), isa_name(isa));
  }
  // The tiers LLVM makes kernels for on this architecture.
  static std::vector<Isa> tiers() {
#if defined(__x86_64__)
    return {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};
#else
    return {Isa::kScalar};
#endif
  }
  // Those whose code runs here; the others are named on stdout.
  static std::vector<Isa> runnable_tiers() {
    std::vector<Isa> runnable;
    for (const Isa isa : tiers()) {
      // LLVM's code for kAvxVnni uses AVX2 only, so it runs where AVX2 does.
      const Isa needed = isa == Isa::kAvxVnni ? Isa::kAvx2 : isa;
      if (machine_target().supports(needed)) {
        runnable.push_back(isa);
      } else {
        std::printf("skipped: this CPU cannot run code of tier %s\n", isa_name(isa).data());
      }
    }
    return runnable;
  }

  const Generator* norm_quantize_ = nullptr;
  const Generator* rms_norm_ = nullptr;
};

// Keeps what every publication said, by kernel name. Code bytes are copied: kernels come and go.
class PublishedKernels final : public JitObserver {
 public:
  struct Entry {
    std::string spec_text, assembly;
    std::vector<uint8_t> code;
  };
  void on_publish(const PublishedCode& published) override {
    const std::lock_guard lock(mutex_);
    entries_[published.name] = {
        published.spec_text, published.assembly, {published.code.begin(), published.code.end()}};
  }
  bool wants_assembly() const override { return wants_assembly_; }
  // Without it, stored kernels are used where there is a cache directory.
  void set_wants_assembly(bool wants) { wants_assembly_ = wants; }
  Entry at(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(name);
    BITNETC_CHECK(found != entries_.end(), "{} was not published", name);
    return found->second;
  }

 private:
  std::atomic<bool> wants_assembly_ = true;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace bitnetc::test
