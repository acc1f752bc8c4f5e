#include "codegen/llvm/orc_jit.h"

#include <llvm/Config/llvm-config.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>

#include <mutex>

#include "codegen/llvm/exec_memory_manager.h"
#include "codegen/llvm/llvm_kernels.h"
#include "runtime/exec_memory.h"

namespace bitnetc {

using llvm::orc::ExecutorAddr;
using llvm::orc::JITDylib;

namespace {

// What one tier means to LLVM. Features are named one by one, not through a CPU name: a tier
// promises exactly these, and machines exist that have AVX2 but hide the rest of x86-64-v3.
struct TierAttributes {
  const char* cpu;
  const char* tune_cpu;
  const char* features;
  const char* vector_bits;
};

TierAttributes tier_attributes(const llvm::Triple& triple, const Target& target) {
  if (!triple.isX86()) return {"generic", "generic", "", "128"};
  if (target.supports(Isa::kAvx512Vnni)) {
    return {"x86-64", "x86-64-v4", "+avx2,+fma,+f16c,+avx512f,+avx512bw,+avx512dq,+avx512vl",
            "512"};
  }
  return {"x86-64", "x86-64-v3", "+avx2,+fma,+f16c", "256"};
}

llvm::Triple process_triple() {
  return llvm::Triple(llvm::sys::getProcessTriple());
}

// The one place where an LLVM error becomes ours.
Status to_status(llvm::Error error) {
  StatusCode code = StatusCode::kUnsupported;
  std::string message;
  llvm::handleAllErrors(std::move(error), [&](const llvm::ErrorInfoBase& info) {
    if (info.convertToErrorCode() == std::errc::not_enough_memory) code = StatusCode::kOutOfMemory;
    message += (message.empty() ? "" : "; ") + info.message();
  });
  return Status(code, "LLVM: " + message);
}

std::string print_ir(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

llvm::orc::JITTargetMachineBuilder machine_builder() {
  llvm::orc::JITTargetMachineBuilder builder{process_triple()};
  builder.setRelocationModel(llvm::Reloc::PIC_)
      .setCodeModel(llvm::CodeModel::Small)
      .setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  builder.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
  return builder;
}

// A JIT that only links: modules are compiled outside, so that several can be at once.
llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> make_jit(const ExecMemoryManager** memory) {
  return llvm::orc::LLJITBuilder()
      .setJITTargetMachineBuilder(machine_builder())
      .setLinkProcessSymbolsByDefault(false)
      .setSupportConcurrentCompilation(false)
      .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
      .setObjectLinkingLayerCreator(
          [memory](llvm::orc::ExecutionSession& session,
                   const llvm::Triple&) -> llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>> {
            auto manager = std::make_unique<ExecMemoryManager>();
            *memory = manager.get();
            return std::make_unique<llvm::orc::ObjectLinkingLayer>(session, std::move(manager));
          })
      .create();
}

}  // namespace

struct OrcJit::Impl {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  const ExecMemoryManager* memory = nullptr;  // owned by the linking layer of `jit`

  std::mutex mutex;  // guards `jit` and everything below
  Status reported;   // the cause of a failed lookup, which itself only says that it failed
  int64_t build_count = 0;
  // A machine compiles one module at a time; there are as many as builds ever ran at once.
  std::vector<std::unique_ptr<llvm::TargetMachine>> idle_machines;

  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> take_machine();
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compile(llvm::Module& module);
  llvm::Expected<ExecutorAddr> link(std::unique_ptr<llvm::MemoryBuffer> object, JITDylib& dylib,
                                    const std::string& symbol);
};

llvm::Expected<std::unique_ptr<llvm::TargetMachine>> OrcJit::Impl::take_machine() {
  {
    const std::lock_guard lock(mutex);
    if (!idle_machines.empty()) {
      auto machine = std::move(idle_machines.back());
      idle_machines.pop_back();
      return machine;
    }
  }
  return machine_builder().createTargetMachine();
}

llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> OrcJit::Impl::compile(llvm::Module& module) {
  auto machine = take_machine();
  if (!machine) return machine.takeError();
  auto object = llvm::orc::SimpleCompiler(**machine)(module);
  const std::lock_guard lock(mutex);
  idle_machines.push_back(std::move(*machine));
  return object;
}

// Called with the mutex held.
llvm::Expected<ExecutorAddr> OrcJit::Impl::link(std::unique_ptr<llvm::MemoryBuffer> object,
                                                JITDylib& dylib, const std::string& symbol) {
  if (llvm::Error error = jit->addObjectFile(dylib, std::move(object))) return error;
  return jit->lookup(dylib, symbol);
}

OrcJit::OrcJit(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<OrcJit*> OrcJit::shared() {
  static const Result<OrcJit*> instance = []() -> Result<OrcJit*> {
    if (llvm::InitializeNativeTarget() || llvm::InitializeNativeTargetAsmPrinter()) {
      return make_error(StatusCode::kUnsupported, "LLVM: no code generator for {}",
                        llvm::sys::getProcessTriple());
    }
    auto impl = std::make_unique<Impl>();
    auto jit = make_jit(&impl->memory);
    if (!jit) return to_status(jit.takeError());
    (*jit)->getExecutionSession().setErrorReporter(
        [state = impl.get()](llvm::Error error) { state->reported = to_status(std::move(error)); });
    impl->jit = std::move(*jit);
    return new OrcJit(std::move(impl));
  }();
  return instance;
}

KernelFunction OrcJit::begin(const std::string& kernel_name, const Target& target) const {
  KernelFunction made;
  made.context = std::make_unique<llvm::LLVMContext>();
  made.module = std::make_unique<llvm::Module>(kernel_name, *made.context);
  made.module->setDataLayout(impl_->jit->getDataLayout());
  made.module->setTargetTriple(impl_->jit->getTargetTriple().str());

  llvm::Type* const pointer = llvm::PointerType::getUnqual(*made.context);
  auto* const type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(*made.context), {pointer, pointer},
                              /*isVarArg=*/false);
  made.function =
      llvm::Function::Create(type, llvm::Function::ExternalLinkage, kernel_name, *made.module);
  made.function->getArg(0)->setName("args");
  made.function->getArg(1)->setName("context");

  const TierAttributes tier = tier_attributes(impl_->jit->getTargetTriple(), target);
  made.function->setDoesNotThrow();
  made.function->addFnAttr("target-cpu", tier.cpu);
  made.function->addFnAttr("tune-cpu", tier.tune_cpu);
  made.function->addFnAttr("target-features", tier.features);
  made.function->addFnAttr("prefer-vector-width", tier.vector_bits);
  made.function->addFnAttr("min-legal-vector-width", tier.vector_bits);
  return made;
}

Result<LlvmCode> OrcJit::finish(KernelFunction function, const KernelRequest& request,
                                const std::string& kernel_name, const BuildSettings& settings) {
  std::string faults;
  llvm::raw_string_ostream faults_stream(faults);
  BITNETC_CHECK(!llvm::verifyModule(*function.module, &faults_stream), "{}: {}", kernel_name,
                faults);
  PublishedCode published{
      .name = kernel_name,
      .spec_text = spec_name(request.spec),
      .plan_text = plan_name(request.plan),
      .assembly = settings.assembly_is_wanted() ? print_ir(*function.module) : "",
      .code = {}};

  auto object = impl_->compile(*function.module);
  if (!object) return to_status(object.takeError()).with_context(kernel_name);

  std::unique_lock lock(impl_->mutex);
  impl_->reported = Status();
  JITDylib& dylib = impl_->jit->getExecutionSession().createBareJITDylib(
      fmt::format("{}#{}", kernel_name, impl_->build_count++));
  llvm::Expected<ExecutorAddr> entry = impl_->link(std::move(*object), dylib, kernel_name);
  const Status reported = std::exchange(impl_->reported, Status());
  const ExecMemoryManager::Block block = impl_->memory->latest();
  published.code = block.instructions;
  lock.unlock();

  if (!entry) {
    release(&dylib);
    const Status failed = to_status(entry.takeError());
    return (reported.ok() ? failed : reported).with_context(kernel_name);
  }
  settings.tell_observer(published);
  return LlvmCode{.entry = entry->toPtr<Kernel::Entry>(),
                  .code = &dylib,
                  .block = block.bytes,
                  .instructions = block.instructions,
                  .position_independent = block.position_independent};
}

void OrcJit::release(void* code) {
  const std::lock_guard lock(impl_->mutex);
  llvm::Error error =
      impl_->jit->getExecutionSession().removeJITDylib(*static_cast<JITDylib*>(code));
  BITNETC_CHECK(!error, "{}", llvm::toString(std::move(error)));
}

std::string llvm_target_text(const Target& target) {
  const llvm::Triple triple = process_triple();
  const TierAttributes tier = tier_attributes(triple, target);
  return fmt::format("{} {} tuned for {} {} {} bits", triple.str(), tier.cpu, tier.tune_cpu,
                     *tier.features ? tier.features : "-", tier.vector_bits);
}

std::string llvm_toolchain() {
  return "LLVM " LLVM_VERSION_STRING;
}

Status llvm_accepts(const Target& target) {
  if (target.architecture != kHostArchitecture) {
    return make_error(StatusCode::kUnsupported, "makes code for {}, target is {}",
                      llvm::sys::getProcessTriple(), target.describe());
  }
  if (target.architecture == Architecture::kX86_64 && !target.supports(Isa::kAvx2)) {
    return Status(
        StatusCode::kUnsupported,
        "target scalar has no fused multiply-add: each would be a call into libm, and generated "
        "code links to no library");
  }
  return exec_memory_available();
}

void release_llvm_code(void* code) {
  (*OrcJit::shared())->release(code);
}

}  // namespace bitnetc
