#include "codegen/llvm/llvm_generators.h"

#include <optional>

#include "codegen/llvm/llvm_kernels.h"
#include "codegen/llvm/stored_code.h"
#include "runtime/kernel_store.h"

namespace bitnetc {
namespace {

Kernel own(const std::string& kernel_name, const LlvmCode& made) {
  return Kernel(kernel_name, made.entry, nullptr,
                std::shared_ptr<const void>(
                    made.code, [code = made.code](const void*) { release_llvm_code(code); }));
}

// The kernel as an earlier process stored it, if it did.
std::optional<Kernel> load_stored(const KernelStoreKey& key, const KernelRequest& request,
                                  const BuildSettings& settings) {
  // The store holds no text.
  if (settings.store == nullptr || settings.assembly_is_wanted()) return std::nullopt;
  const auto packed = settings.store->find(key);
  if (!packed) return std::nullopt;
  auto loaded = load_code(*packed);
  if (!loaded.ok()) {
    settings.notes->note(NoteKind::kCache,
                         fmt::format("stored kernel {}: {}; it is generated again", key.kernel,
                                     loaded.status().message()));
    settings.store->disown(key.kernel);
    return std::nullopt;
  }
  settings.tell_observer({.name = key.kernel,
                          .spec_text = spec_name(request.spec),
                          .plan_text = plan_name(request.plan),
                          .assembly = {},
                          .code = loaded->instructions});
  return Kernel(key.kernel, loaded->entry, nullptr, loaded->memory);
}

// One operation: its spec, and what builds it.
using BuildCode = Result<LlvmCode> (*)(const KernelRequest& request, const std::string& kernel_name,
                                       const BuildSettings& settings);

// Forms of an operation that its program does not have.
template <typename Spec>
Status check_form(const Spec&) {
  return {};
}
Status check_form(const RmsNormSpec& spec) {
  if (spec.residual) return make_error(StatusCode::kUnsupported, "adds no residual");
  return {};
}

template <typename Spec>
class LlvmGenerator final : public Generator {
 public:
  // `operation` is the spec's word in kernel names.
  LlvmGenerator(std::string_view name, std::string_view operation, BuildCode build_code)
      : name_(name), operation_(operation), build_code_(build_code) {}

  std::string_view name() const override { return name_; }
  std::string_view suffix() const override { return "llvm"; }
  int revision() const override { return 1; }
  GeneratorKind kind() const override { return GeneratorKind::kGenerated; }
  Status accepts(const KernelRequest& request) const override {
    const Spec* spec = std::get_if<Spec>(&request.spec);
    if (spec == nullptr) return make_error(StatusCode::kUnsupported, "makes {} only", operation_);
    BITNETC_RETURN_IF_ERROR(check_form(*spec));
    return llvm_accepts(request.target);
  }
  Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                       const BuildSettings& settings) const override {
    const KernelStoreKey key{.generator = std::string(name_),
                             .revision = revision(),
                             .kernel = kernel_name,
                             .target = llvm_target_text(request.target),
                             .toolchain = llvm_toolchain()};
    if (auto stored = load_stored(key, request, settings)) return *std::move(stored);
    BITNETC_ASSIGN_OR_RETURN(const LlvmCode made, build_code_(request, kernel_name, settings));
    Kernel kernel = own(kernel_name, made);
    if (settings.store != nullptr && made.position_independent)
      settings.store->put(key, pack_code(made));
    return kernel;
  }

 private:
  const std::string_view name_, operation_;
  const BuildCode build_code_;
};

}  // namespace

std::unique_ptr<Generator> make_llvm_norm_quantize() {
  return std::make_unique<LlvmGenerator<NormQuantizeSpec>>("llvm_norm_quantize", "normquant",
                                                           build_llvm_norm_quantize);
}

std::unique_ptr<Generator> make_llvm_rms_norm() {
  return std::make_unique<LlvmGenerator<RmsNormSpec>>("llvm_rms_norm", "rmsnorm",
                                                      build_llvm_rms_norm);
}

}  // namespace bitnetc
