#include "codegen/cuda/cuda_generator.h"

#include <fmt/ranges.h>
#include <xxhash.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "codegen/cuda/device_sources.h"
#include "codegen/cuda/stored_gpu_code.h"

namespace bitnetc::cuda {
namespace {

// XXH3-128 of the source and of all device code of this build, with the names it goes by.
std::string digest_of_sources(const std::string& source) {
  std::string all = source;
  for (const DeviceSource& each : device_sources())
    fmt::format_to(std::back_inserter(all), "\n// {} {}\n{}", each.name, each.text.size(),
                   each.text);
  const XXH128_hash_t hash = XXH3_128bits(all.data(), all.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::optional<CompiledCode> find_stored(const KernelStoreKey& key, const BuildSettings& settings) {
  if (settings.store == nullptr) return std::nullopt;
  const auto packed = settings.store->find(key);
  if (!packed) return std::nullopt;
  auto code = unpack_code(*packed);
  if (code.ok()) return *std::move(code);
  settings.notes->note(NoteKind::kCache, fmt::format("stored kernel {}: {}; it is generated again",
                                                     key.kernel, code.status().message()));
  settings.store->disown(key.kernel);
  return std::nullopt;
}

void note_missing_architecture(const NvrtcCompiler& compiler, int sm,
                               const BuildSettings& settings) {
  const auto& known = compiler.architectures();
  if (std::ranges::binary_search(known, sm) || !compiler.is_first_time(sm)) return;
  settings.notes->note(
      NoteKind::kBackEnd,
      fmt::format("{} does not know sm_{}: its driver compiles kernels that are made for sm_{}",
                  compiler.describe(), sm, *(std::ranges::upper_bound(known, sm) - 1)));
}

GpuLaunch same_launch(const void*, const GpuCode& code) {
  return {.blocks_x = static_cast<uint32_t>(code.numbers[0]),
          .threads = static_cast<uint32_t>(code.numbers[1]),
          .shared_bytes = static_cast<uint32_t>(code.numbers[2])};
}

template <typename Spec>
class CudaGenerator final : public Generator {
 public:
  explicit CudaGenerator(const Family<Spec>& family) : family_(family) {}

  std::string_view name() const override { return family_.name; }
  std::string_view suffix() const override { return family_.suffix; }
  int revision() const override { return family_.revision; }
  GeneratorKind kind() const override { return GeneratorKind::kGenerated; }

  Status accepts(const KernelRequest& request) const override {
    const auto* spec = std::get_if<Spec>(&request.spec);
    if (spec == nullptr)
      return make_error(StatusCode::kUnsupported, "makes {} kernels only", Operation<Spec>::kName);
    const Target& target = request.target;
    if (target.architecture != Architecture::kCuda)
      return make_error(StatusCode::kUnsupported, "makes code for NVIDIA GPUs, target is {}",
                        target.describe());
    if (target.sm < kLeastSm)
      return make_error(StatusCode::kUnsupported, "needs sm_{}, target is sm_{}", kLeastSm,
                        target.sm);
    BITNETC_RETURN_IF_ERROR(validate(request.spec));
    if constexpr (std::is_same_v<Spec, MatmulSpec>)
      BITNETC_RETURN_IF_ERROR(check_plan(whole(request.plan), family_.fields, family_.name));
    return family_.accepts == nullptr ? Status()
                                      : family_.accepts(*spec, whole(request.plan), target.sm);
  }

  PlanFields plan_fields() const override { return family_.fields; }
  KernelPlan effective_plan(const MatmulSpec& spec, const KernelPlan& plan) const override {
    if constexpr (std::is_same_v<Spec, MatmulSpec>)
      if (family_.effective_plan != nullptr) return family_.effective_plan(spec, plan);
    return Generator::effective_plan(spec, plan);
  }
  std::optional<MatmulWork> work(const MatmulSpec& spec, const KernelPlan& plan,
                                 int64_t tokens) const override {
    if constexpr (std::is_same_v<Spec, MatmulSpec>)
      if (family_.work != nullptr) return family_.work(spec, plan, tokens);
    return std::nullopt;
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                       const BuildSettings& settings) const override {
    const KernelPlan plan = whole(request.plan);
    return build_program(
        {.program = family_.program(std::get<Spec>(request.spec), plan, request.target.sm),
         .kernel = kernel_name,
         .spec_text = spec_name(request.spec),
         .plan_text = plan_name(request.plan),
         .generator = std::string(family_.name),
         .revision = family_.revision,
         .sm = request.target.sm},
        settings);
  }

 private:
  KernelPlan whole(const KernelPlan& plan) const { return plan_or_default(plan, family_.fields); }

  const Family<Spec> family_;
};

}  // namespace

void Constants::add(std::string_view name, int64_t value) {
  const bool is_short = value >= 0 && value <= UINT32_MAX;
  fmt::format_to(std::back_inserter(text_), "  static constexpr {} {} = {};\n",
                 is_short ? "uint32_t" : "int64_t", name, value);
}
void Constants::add(std::string_view name, bool value) {
  fmt::format_to(std::back_inserter(text_), "  static constexpr bool {} = {};\n", name, value);
}
void Constants::add(std::string_view name, float value) {
  fmt::format_to(std::back_inserter(text_), "  static constexpr float {} = {:a}f;\n", name, value);
}
void Constants::add(std::string_view name, std::string_view type, std::string_view value) {
  fmt::format_to(std::back_inserter(text_), "  static constexpr {} {} = {}::{};\n", type, name,
                 type, value);
}

void launch_always(Program& program, int64_t blocks_x, int64_t shared_bytes) {
  program.launch = same_launch;
  program.numbers = {blocks_x, program.threads, shared_bytes};
}

std::string entry_name(const std::string& kernel_name) {
  std::string name = kernel_name;
  for (char& c : name) {
    const bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_fine) c = '_';
  }
  return name;
}

std::string source_of(const Program& program, const std::string& entry) {
  const bool many = program.calls == GpuCode::Calls::kMany;
  return fmt::format(
      "#include \"codegen/cuda/kernels/{file}\"\n\n"
      "namespace bitnetc::cuda {{\n\n"
      "struct Constants {{\n"
      "  static constexpr uint32_t threads = {threads};\n"
      "{constants}"
      "}};\n\n"
      "extern \"C\" __global__ void __launch_bounds__({bounds})\n"
      "{entry}({parameter}) {{\n"
      "  {function}<Constants>({argument});\n"
      "}}\n\n"
      "}}  // namespace bitnetc::cuda\n",
      fmt::arg("file", program.file), fmt::arg("threads", program.threads),
      fmt::arg("bounds",
               program.blocks_of_multiprocessor > 0
                   ? fmt::format("{}, {}", program.threads, program.blocks_of_multiprocessor)
                   : fmt::format("{}", program.threads)),
      fmt::arg("constants", program.constants.text()), fmt::arg("entry", entry),
      fmt::arg("parameter", many ? fmt::format("const {}* __restrict__ calls", program.args)
                                 : fmt::format("const __grid_constant__ {} args", program.args)),
      fmt::arg("function", program.function),
      fmt::arg("argument", many ? "calls[blockIdx.y]" : "args"));
}

Result<KernelStoreKey> store_key(const NamedProgram& named, const NvrtcCompiler& compiler) {
  BITNETC_ASSIGN_OR_RETURN(const auto options, compiler.options(named.sm));
  const std::string source = source_of(named.program, entry_name(named.kernel));
  return KernelStoreKey{
      .generator = named.generator,
      .revision = named.revision,
      .kernel = named.kernel,
      .target = fmt::format("sm_{}", named.sm),
      .toolchain = fmt::format("{} {} source {}", compiler.describe(), fmt::join(options, " "),
                               digest_of_sources(source))};
}

namespace {

Result<CompiledCode> find_or_compile(const NamedProgram& named, const BuildSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const auto compiler, find_nvrtc(settings.cuda_folder));
  BITNETC_ASSIGN_OR_RETURN(const KernelStoreKey key, store_key(named, *compiler));
  note_missing_architecture(*compiler, named.sm, settings);
  if (auto stored = find_stored(key, settings)) return *std::move(stored);
  const std::string source = source_of(named.program, entry_name(named.kernel));
  BITNETC_ASSIGN_OR_RETURN(CompiledCode fresh,
                           compiler->compile(named.kernel, source, device_sources(), named.sm));
  if (settings.store != nullptr) settings.store->put(key, pack_code(fresh));
  return fresh;
}

}  // namespace

Result<Kernel> build_program(const NamedProgram& named, const BuildSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(CompiledCode compiled, find_or_compile(named, settings));
  const Program& program = named.program;
  const auto code = std::make_shared<GpuCode>();
  code->entry = entry_name(named.kernel);
  code->ptx = std::move(compiled.ptx);
  code->cubin = std::move(compiled.cubin);
  code->sm = named.sm;
  code->resources = compiled.resources;
  code->calls = program.calls;
  code->args_bytes = program.args_bytes;
  code->launch = program.launch;
  std::ranges::copy(program.numbers, code->numbers);
  settings.tell_observer(
      {.name = named.kernel,
       .spec_text = named.spec_text,
       .plan_text = named.plan_text,
       .assembly = code->ptx,
       .code = {reinterpret_cast<const uint8_t*>(code->cubin.data()), code->cubin.size()},
       .is_host = false,
       .assembly_file = "code.ptx"});
  return GpuCode::kernel(named.kernel, code);
}

template <typename Spec>
std::unique_ptr<Generator> make_cuda_generator(const Family<Spec>& family) {
  return std::make_unique<CudaGenerator<Spec>>(family);
}

#define BITNETC_CUDA_OPERATION(Spec) \
  template std::unique_ptr<Generator> make_cuda_generator(const Family<Spec>&)
BITNETC_CUDA_OPERATION(MatmulSpec);
BITNETC_CUDA_OPERATION(NormQuantizeSpec);
BITNETC_CUDA_OPERATION(RmsNormSpec);
BITNETC_CUDA_OPERATION(HeadNormSpec);
BITNETC_CUDA_OPERATION(RopeAppendSpec);
BITNETC_CUDA_OPERATION(AttentionSpec);
BITNETC_CUDA_OPERATION(EmbedSpec);
BITNETC_CUDA_OPERATION(HeadSpec);
BITNETC_CUDA_OPERATION(QuantizeSpec);
BITNETC_CUDA_OPERATION(GluSpec);
#undef BITNETC_CUDA_OPERATION

}  // namespace bitnetc::cuda
