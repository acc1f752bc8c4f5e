#include "codegen/llvm/llvm_generators.h"

#include <optional>

#include "codegen/llvm/llvm_target.h"
#include "codegen/llvm/module_loader.h"
#include "codegen/llvm/stored_code.h"
#include "runtime/kernel_store.h"

namespace bitnetc {
namespace {

Kernel own(const std::string& kernel_name, LlvmCode code) {
  return Kernel(kernel_name, code.entry, nullptr, std::move(code.memory));
}

// The memory of one kernel while the module fills it.
struct Block {
  std::unique_ptr<ExecMemory> memory;

  static Status allocate(void* owner, size_t size_bytes, CodeSpan& block) {
    auto& memory = static_cast<Block*>(owner)->memory;
    BITNETC_ASSIGN_OR_RETURN(memory, ExecMemory::allocate(size_bytes));
    block = memory->span();
    return {};
  }
  static void publish(void* owner) { static_cast<Block*>(owner)->memory->publish(); }
};

// Opens the module if no kernel was made with it yet.
Result<LlvmCode> build_code(const KernelRequest& request, const std::string& kernel_name,
                            const BuildSettings& settings) {
  const Result<OpenedLlvmModule>& opened = llvm_module();
  if (!opened.ok()) return opened.status();
  Block block;
  LlvmResult made;
  BITNETC_RETURN_IF_ERROR(opened->module->build(
      {.spec = request.spec,
       .kernel_name = kernel_name,
       .tier = llvm_tier(request.target),
       .wants_assembly = settings.assembly_is_wanted(),
       .sink = {.owner = &block, .allocate = Block::allocate, .publish = Block::publish}},
      made));
  LlvmCode code = code_in(std::move(block.memory), {.block_bytes = made.block_bytes,
                                                    .entry = made.entry,
                                                    .instructions = made.instructions,
                                                    .instruction_bytes = made.instruction_bytes});
  code.position_independent = made.position_independent;
  settings.tell_observer({.name = kernel_name,
                          .spec_text = spec_name(request.spec),
                          .plan_text = plan_name(request.plan),
                          .assembly = made.assembly,
                          .code = code.instructions});
  return code;
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
  return own(key.kernel, *std::move(loaded));
}

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
  LlvmGenerator(std::string_view name, std::string_view operation)
      : name_(name), operation_(operation) {}

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
    BITNETC_ASSIGN_OR_RETURN(LlvmCode made, build_code(request, kernel_name, settings));
    if (settings.store != nullptr && made.position_independent)
      settings.store->put(key, pack_code(made));
    return own(kernel_name, std::move(made));
  }

 private:
  const std::string_view name_, operation_;
};

}  // namespace

std::unique_ptr<Generator> make_llvm_norm_quantize() {
  return std::make_unique<LlvmGenerator<NormQuantizeSpec>>("llvm_norm_quantize", "normquant");
}

std::unique_ptr<Generator> make_llvm_rms_norm() {
  return std::make_unique<LlvmGenerator<RmsNormSpec>>("llvm_rms_norm", "rmsnorm");
}

}  // namespace bitnetc
