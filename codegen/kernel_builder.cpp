#include "codegen/kernel_builder.h"

#include <algorithm>
#include <chrono>

#include "runtime/device.h"
#include "runtime/exec_memory.h"
#include "runtime/kernel_store.h"

namespace bitnetc {

#define BITNETC_GENERATOR(factory) std::unique_ptr<Generator> factory();
#include "codegen/kernels.inc"
#undef BITNETC_GENERATOR

namespace {

// Any fixed seed will do: a failure must be seen again on the next run.
constexpr uint64_t kProofSeed = 0x62697473;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The reference needs no proof: it is what proofs compare with.
bool needs_proof(const Generator& generator) {
  return generator.kind() != GeneratorKind::kReference;
}

Status jit_is_off() {
  return {StatusCode::kUnsupported, "executable memory: switched off by BITNETC_JIT=off"};
}
Status is_too_fast(GeneratorKind kind) {
  if (kind == GeneratorKind::kGenerated) return jit_is_off();
  return make_error(StatusCode::kUnsupported, "{} kernels are switched off", kind_name(kind));
}

// Where kernels for `target` are proven.
Result<Device*> proving_device(const Target& target, const BuildSettings& settings) {
  if (target.is_cpu()) return &cpu_device();
  if (settings.device != nullptr && settings.device->target() == target) return settings.device;
  return make_error(StatusCode::kUnsupported,
                    "no device at hand that runs kernels for {} and can prove them",
                    target.describe());
}

// The requests a generator may serve a request with: as it is, and for any M.
std::vector<KernelRequest> alternatives(const Generator& generator, const KernelRequest& request) {
  std::vector<KernelRequest> list = {request};
  const auto* matmul = std::get_if<MatmulSpec>(&request.spec);
  if (matmul == nullptr || matmul->m == kAnyM) return list;
  list.push_back(request);
  std::get<MatmulSpec>(list.back().spec).m = kAnyM;
  if (generator.name() != request.generator)
    list.back().plan = request.any_m_plan.value_or(request.plan);
  return list;
}

// Names do not say the target. Every generator makes code for one of these, if for any.
std::vector<Target> targets_of_names() {
  std::vector<Target> targets = {target_for(Isa::kAmx)};
  for (const int sm : {75, 80, 90, 100, 120})
    targets.push_back({.architecture = Architecture::kCuda, .features = {}, .sm = sm});
  return targets;
}

// All generators, the one that was chosen first.
std::vector<const Generator*> in_order_of_trial(const std::string& chosen) {
  std::vector<const Generator*> order;
  if (const Generator* first = find_generator(chosen)) order.push_back(first);
  for (const auto& generator : KernelBuilder::generators())
    if (generator->name() != chosen) order.push_back(generator.get());
  return order;
}

}  // namespace

std::string Selection::describe() const {
  std::string text;
  for (const Entry& entry : entries)
    fmt::format_to(std::back_inserter(text), "{}{}: {}", text.empty() ? "" : "; ", entry.generator,
                   entry.outcome);
  return text;
}

const std::vector<std::unique_ptr<Generator>>& KernelBuilder::generators() {
  static const std::vector<std::unique_ptr<Generator>> all = [] {
    std::vector<std::unique_ptr<Generator>> list;
#define BITNETC_GENERATOR(factory) list.push_back(factory());
#include "codegen/kernels.inc"
#undef BITNETC_GENERATOR
    return list;
  }();
  return all;
}

const Generator* find_generator(std::string_view name) {
  const auto& all = KernelBuilder::generators();
  const auto at = std::ranges::find_if(all, [&](const auto& each) { return each->name() == name; });
  return at != all.end() ? at->get() : nullptr;
}

Result<KernelRequest> accepted_request(const Generator& generator, const KernelRequest& request) {
  Status refusal;
  for (KernelRequest& each : alternatives(generator, request)) {
    const Status accepts = generator.accepts(each);
    if (accepts.ok()) {
      each.plan = plan_or_default(each.plan, generator.plan_fields());
      return each;
    }
    if (refusal.ok()) refusal = accepts;
  }
  return refusal;
}

std::optional<Acceptance> first_acceptance(const KernelRequest& request) {
  for (const Generator* generator : in_order_of_trial(request.generator))
    if (auto accepted = accepted_request(*generator, request); accepted.ok())
      return Acceptance{generator, *std::move(accepted)};
  return std::nullopt;
}

std::string kernel_name(const KernelRequest& request, const Generator& generator) {
  std::string name = spec_name(request.spec);
  // Only matmuls have anything to plan.
  if (std::holds_alternative<MatmulSpec>(request.spec))
    name += "_" + plan_name(plan_or_default(request.plan, generator.plan_fields()));
  return fmt::format("{}_{}", name, generator.suffix());
}

Result<KernelIdentity> parse_kernel_name(std::string_view name) {
  KernelIdentity identity;
  if (auto spec = parse_spec(name); spec.ok()) {
    identity.spec = *spec;
    return identity;
  }
  // A full name is spec _ plan _ suffix; several generators may share a suffix, so each is tried.
  for (const auto& generator : KernelBuilder::generators()) {
    const std::string tail = fmt::format("_{}", generator->suffix());
    if (!name.ends_with(tail)) continue;
    std::string_view rest = name.substr(0, name.size() - tail.size());
    if (const size_t cut = rest.rfind('_'); cut != std::string_view::npos) {
      const auto plan = parse_plan(rest.substr(cut + 1));
      if (plan.ok() && check_plan(*plan, generator->plan_fields(), generator->name()).ok()) {
        identity.plan = *plan;
        rest = rest.substr(0, cut);
      }
    }
    auto spec = parse_spec(rest);
    if (!spec.ok()) continue;
    identity.spec = *spec;
    for (const Target& target : targets_of_names()) {
      const KernelRequest request{
          .spec = *spec, .plan = identity.plan.value_or(KernelPlan()), .target = target};
      if (!generator->accepts(request).ok()) continue;
      identity.generator = generator->name();
      return identity;
    }
  }
  return parse_spec(name).status();
}

Status generated_code_available(const BuildSettings& settings) {
  return settings.allows(GeneratorKind::kGenerated) ? exec_memory_available() : jit_is_off();
}

// Builds and proves; leaves in `built` how long each took.
Result<Kernel> KernelBuilder::build_fresh(const Generator& generator, const KernelRequest& request,
                                          BuiltKernel& built) const {
  BITNETC_ASSIGN_OR_RETURN(Device* const device, proving_device(request.target, settings_));
  const int64_t start = now_ns();
  auto fresh = generator.build(request, kernel_name(request, generator), settings_);
  built.build_ns = now_ns() - start;
  if (!fresh.ok() || !needs_proof(generator)) return fresh;
  BITNETC_RETURN_IF_ERROR(prove(request.spec, *fresh, *device, kProofSeed, built.table_form));
  built.proof_ns = now_ns() - start - built.build_ns;
  return fresh;
}

Result<BuiltKernel> KernelBuilder::build_and_prove(const Generator& generator,
                                                   const KernelRequest& request) {
  if (!settings_.allows(generator.kind())) return is_too_fast(generator.kind());
  BuiltKernel built{.generator = std::string(generator.name()), .kind = generator.kind()};
  if (const auto* matmul = std::get_if<MatmulSpec>(&request.spec))
    built.table_form = generator.table_form(*matmul);
  const std::string name = kernel_name(request, generator);
  // Kernels of LLVM and CUDA for several targets bear one name, so the target is part of the key.
  const std::string key = fmt::format("{} for {}", name, request.target.describe());
  BITNETC_ASSIGN_OR_RETURN(built.kernel, cache_.get_or_build(key, [&] {
    auto first = build_fresh(generator, request, built);
    KernelStore* const store = settings_.store;
    // Code that was stored by another build of this program may be wrong where fresh code is right.
    if (first.ok() || store == nullptr || !store->disown(name)) return first;
    settings_.notes->note(NoteKind::kCache, fmt::format("stored kernel {}; it is generated again",
                                                        first.status().message()));
    auto second = build_fresh(generator, request, built);
    if (!second.ok()) store->disown(name);
    return second;
  }));
  return built;
}

Result<BuiltKernel> KernelBuilder::build(const KernelRequest& request) {
  BITNETC_RETURN_IF_ERROR(validate(request.spec));
  Selection selection;
  for (const Generator* generator : in_order_of_trial(request.generator)) {
    const std::string name(generator->name());
    const auto accepted = accepted_request(*generator, request);
    if (!accepted.ok()) {
      selection.entries.push_back({name, accepted.status().message()});
      continue;
    }
    auto built = build_and_prove(*generator, *accepted);
    // A GPU without memory for a proof has none for the next candidate's.
    if (built.status().code() == StatusCode::kOutOfMemory && !request.target.is_cpu())
      return built.status();
    if (!built.ok()) {
      selection.entries.push_back({name, built.status().message()});
      continue;
    }
    selection.entries.push_back({name, "taken"});
    built->selection = std::move(selection);
    if (settings_.explain)
      settings_.notes->note(NoteKind::kSelection, fmt::format("{}: {}", built->kernel.name(),
                                                              built->selection.describe()));
    return built;
  }
  return make_error(StatusCode::kUnsupported, "no kernel for {}: {}", spec_name(request.spec),
                    selection.describe());
}

Result<BuiltKernel> KernelBuilder::build_with(std::string_view generator_name,
                                              const KernelRequest& request) {
  BITNETC_RETURN_IF_ERROR(validate(request.spec));
  const Generator* generator = find_generator(generator_name);
  if (generator == nullptr)
    return make_error(StatusCode::kNotFound, "generator '{}' is not part of this build",
                      generator_name);
  BITNETC_RETURN_IF_ERROR(generator->accepts(request).with_context(std::string(generator_name)));
  KernelRequest whole = request;
  whole.plan = plan_or_default(request.plan, generator->plan_fields());
  auto built = build_and_prove(*generator, whole);
  if (built.ok()) built->selection.entries.push_back({std::string(generator_name), "taken"});
  return built;
}

}  // namespace bitnetc
