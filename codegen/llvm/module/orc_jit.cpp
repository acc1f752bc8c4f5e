#include "codegen/llvm/module/orc_jit.h"

#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/TargetParser/Host.h>

#include <mutex>

#include "codegen/llvm/module/sink_memory_manager.h"

namespace bitnetc {

using llvm::orc::ExecutorAddr;
using llvm::orc::JITDylib;

namespace {

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
llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>> make_jit(SinkMemoryManager** memory) {
  return llvm::orc::LLJITBuilder()
      .setJITTargetMachineBuilder(machine_builder())
      .setLinkProcessSymbolsByDefault(false)
      .setSupportConcurrentCompilation(false)
      .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
      .setObjectLinkingLayerCreator(
          [memory](llvm::orc::ExecutionSession& session,
                   const llvm::Triple&) -> llvm::Expected<std::unique_ptr<llvm::orc::ObjectLayer>> {
            auto manager = std::make_unique<SinkMemoryManager>();
            *memory = manager.get();
            return std::make_unique<llvm::orc::ObjectLinkingLayer>(session, std::move(manager));
          })
      .create();
}

}  // namespace

struct OrcJit::Impl {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  SinkMemoryManager* memory = nullptr;  // owned by the linking layer of `jit`

  std::mutex mutex;  // guards `jit` and everything below
  Status reported;   // the cause of a failed lookup, which itself only says that it failed
  int64_t build_count = 0;
  // A machine compiles one module at a time; there are as many as builds ever ran at once.
  std::vector<std::unique_ptr<llvm::TargetMachine>> idle_machines;

  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> take_machine();
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> compile(llvm::Module& module);
  Status link(std::unique_ptr<llvm::MemoryBuffer> object, const LlvmRequest& request,
              LlvmResult& result);
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

// Nothing of the kernel stays here: its code is the sink's, and the JIT forgets the object.
Status OrcJit::Impl::link(std::unique_ptr<llvm::MemoryBuffer> object, const LlvmRequest& request,
                          LlvmResult& result) {
  const std::lock_guard lock(mutex);
  reported = Status();
  memory->begin(request.sink);
  llvm::orc::ExecutionSession& session = jit->getExecutionSession();
  JITDylib& dylib =
      session.createBareJITDylib(fmt::format("{}#{}", request.kernel_name, build_count++));
  llvm::Expected<ExecutorAddr> entry = [&]() -> llvm::Expected<ExecutorAddr> {
    if (llvm::Error error = jit->addObjectFile(dylib, std::move(object))) return error;
    return jit->lookup(dylib, request.kernel_name);
  }();
  llvm::Error forgotten = session.removeJITDylib(dylib);
  BITNETC_CHECK(!forgotten, "{}", llvm::toString(std::move(forgotten)));
  if (!entry) {
    const Status failed = to_status(entry.takeError());
    return reported.ok() ? failed : reported;
  }
  memory->describe(*entry, result);
  return {};
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

KernelFunction OrcJit::begin(const LlvmRequest& request) const {
  KernelFunction made;
  made.context = std::make_unique<llvm::LLVMContext>();
  made.module = std::make_unique<llvm::Module>(request.kernel_name, *made.context);
  made.module->setDataLayout(impl_->jit->getDataLayout());
  made.module->setTargetTriple(impl_->jit->getTargetTriple().str());

  llvm::Type* const pointer = llvm::PointerType::getUnqual(*made.context);
  auto* const type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(*made.context), {pointer, pointer},
                              /*isVarArg=*/false);
  made.function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, request.kernel_name,
                                         *made.module);
  made.function->getArg(0)->setName("args");
  made.function->getArg(1)->setName("context");

  const LlvmTier& tier = request.tier;
  made.function->setDoesNotThrow();
  made.function->addFnAttr("target-cpu", tier.cpu);
  made.function->addFnAttr("tune-cpu", tier.tune_cpu);
  made.function->addFnAttr("target-features", tier.features);
  made.function->addFnAttr("prefer-vector-width", tier.vector_bits);
  made.function->addFnAttr("min-legal-vector-width", tier.vector_bits);
  return made;
}

Status OrcJit::finish(llvm::Module& module, const LlvmRequest& request, LlvmResult& result) {
  std::string faults;
  llvm::raw_string_ostream faults_stream(faults);
  BITNETC_CHECK(!llvm::verifyModule(module, &faults_stream), "{}: {}", request.kernel_name, faults);
  if (request.wants_assembly) result.assembly = print_ir(module);
  auto object = impl_->compile(module);
  if (!object) return to_status(object.takeError()).with_context(request.kernel_name);
  return impl_->link(std::move(*object), request, result).with_context(request.kernel_name);
}

}  // namespace bitnetc
