// The Generator of attention programs, one per tier.
#include "codegen/x64/attention_walk.h"
#include "codegen/x64/x64_generator.h"
#include "codegen/x64/x64_generators.h"

namespace bitnetc {
namespace x64 {
namespace {

constexpr int64_t kMostHeadDim = 512;

struct AttentionFamily {
  std::string_view name;    // "x64_attention_avx2"
  std::string_view suffix;  // "avx2"
  Isa isa;
  int revision;
  AttentionTier tier;
};

class AttentionGenerator final : public Generator {
 public:
  explicit AttentionGenerator(const AttentionFamily& family) : family_(family) {}

  std::string_view name() const override { return family_.name; }
  std::string_view suffix() const override { return family_.suffix; }
  int revision() const override { return family_.revision; }
  GeneratorKind kind() const override { return GeneratorKind::kGenerated; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<AttentionSpec>(&request.spec);
    if (!spec) return {StatusCode::kUnsupported, "makes attention kernels only"};
    if (!request.target.supports(family_.isa)) {
      return make_error(StatusCode::kUnsupported, "needs {}, target is {}", isa_name(family_.isa),
                        request.target.describe());
    }
    BITNETC_RETURN_IF_ERROR(validate(request.spec));
    const int lanes = family_.tier.vectors.bytes / 4;
    if (spec->head_dim % lanes != 0 || spec->head_dim > kMostHeadDim) {
      return make_error(StatusCode::kUnsupported,
                        "head_dim = {}, expected a multiple of {} up to {}", spec->head_dim, lanes,
                        kMostHeadDim);
    }
    if (spec->q_per_kv > kMostAttentionHeads) {
      return make_error(StatusCode::kUnsupported, "q_per_kv = {}, expected 1..{}", spec->q_per_kv,
                        kMostAttentionHeads);
    }
    return {};
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& name,
                       const BuildSettings& settings) const override {
    const auto& spec = std::get<AttentionSpec>(request.spec);
    AttentionProgram program(family_.tier, spec);
    BITNETC_ASSIGN_OR_RETURN(auto memory, publish_program(program, request, name, settings));
    auto code = std::make_shared<const AttentionCode>(spec, program, std::move(memory));
    const AttentionCode* const context = code.get();
    return Kernel(name, run_attention, context, std::move(code));
  }

 private:
  AttentionFamily family_;
};

}  // namespace
}  // namespace x64

std::unique_ptr<Generator> make_x64_attention_avx2() {
  return std::make_unique<x64::AttentionGenerator>(
      x64::AttentionFamily{.name = "x64_attention_avx2",
                           .suffix = "avx2",
                           .isa = Isa::kAvx2,
                           .revision = 1,
                           .tier = x64::kAvx2Attention});
}

std::unique_ptr<Generator> make_x64_attention_avx512() {
  return std::make_unique<x64::AttentionGenerator>(
      x64::AttentionFamily{.name = "x64_attention_avx512",
                           .suffix = "avx512",
                           .isa = Isa::kAvx512Vnni,
                           .revision = 1,
                           .tier = x64::kAvx512Attention});
}

}  // namespace bitnetc
