// bitnetc kernel: what is generated, how it was chosen, what the machine code is, and whether it is
// right.
#include <Zydis/Zydis.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/device.h"
#include "runtime/jit_observer.h"
#include "runtime/overloaded.h"
#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/bitnetc/json_output.h"
#include "tools/engine/engine.h"

namespace bitnetc {
namespace {

struct KernelOptions {
  std::string model, name;
  int seeds = 8;
  bool json = false;
};

// Keeps the last published kernel, so that its text and bytes can be shown.
class LastPublished final : public JitObserver {
 public:
  void on_publish(const PublishedCode& published) override {
    const std::lock_guard lock(mutex_);
    last_ = published;
    code_.assign(published.code.begin(), published.code.end());
    address_ = reinterpret_cast<uint64_t>(published.code.data());
  }
  // `show` also says how long generating takes.
  bool wants_assembly() const override { return true; }
  const PublishedCode& last() const { return last_; }
  const std::vector<uint8_t>& code() const { return code_; }
  uint64_t address() const { return address_; }

 private:
  std::mutex mutex_;
  PublishedCode last_;
  std::vector<uint8_t> code_;
  uint64_t address_ = 0;
};

struct ShownKernel {
  KernelRequest request;
  BuiltKernel built;
  std::shared_ptr<LastPublished> published;
};

// Builds the kernel a user named: a full kernel name, or a spec for which the best candidate is
// taken.
Result<ShownKernel> build_named(const std::string& name, const EngineSettings& settings) {
  BITNETC_ASSIGN_OR_RETURN(const KernelIdentity identity, parse_kernel_name(name));
  const Target& target = settings.target;
  const KernelPlan plan =
      identity.plan.value_or(HeuristicPlanSource().choose(identity.spec, target).plan);
  ShownKernel shown{.request = {.spec = identity.spec, .plan = plan, .target = target},
                    .published = std::make_shared<LastPublished>()};
  JitObservers observers({shown.published.get(), settings.build.observer});
  BuildSettings build = settings.build;
  build.observer = &observers;
  KernelBuilder builder(build);
  BITNETC_ASSIGN_OR_RETURN(shown.built,
                           identity.generator.empty()
                               ? builder.build(shown.request)
                               : builder.build_with(identity.generator, shown.request));
  return shown;
}

const char* formula(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kScale: return "XW * scale";
    case Epilogue::kResidual: return "residual + XW * scale";
    case Epilogue::kRelu2Mul: return "relu(gate)^2 * up of XW * scale";
    case Epilogue::kSiluMul: return "silu(gate) * up of XW * scale";
    case Epilogue::kGeluMul: return "gelu(gate) * up of XW * scale";
  }
  return "?";
}

// What the kernel computes and on what, in the field's notation: M tokens, N rows, K columns.
std::string describe(const KernelSpec& spec) {
  const auto matmul = [](const MatmulSpec& s) {
    const WeightLayout layout = s.weight_layout();
    const std::string m = s.m == kAnyM ? "M" : std::to_string(s.m);
    return fmt::format(
        "operation   Y = {}, XW = X W^T in exact int32{}\n"
        "shapes      x i8[{}][{}], w {} {}x{}, y f32[{}][{}]\n"
        "weights     {}, {:.2f} bits a weight, {} tiles of {} rows",
        formula(s.epilogue), s.row_absmax ? "; the largest |Y| of a token" : "", m, s.k,
        layout_name(s.layout), s.n, s.k, m, s.output_columns(),
        format_bytes(static_cast<double>(layout.total_bytes())), layout.bits_per_weight(),
        layout.tiles(), kTileRows);
  };
  return std::visit(
      Overloaded{
          matmul,
          [](const NormQuantizeSpec& s) {
            return fmt::format(
                "operation   q = int8(RMS norm of x * w), absmax per token\n"
                "shapes      x f32[{}], w f32[{}], q i8[{}], eps {}",
                s.k, s.k, s.padded_k(), s.eps);
          },
          [](const QuantizeSpec& s) {
            return fmt::format(
                "operation   q = int8(x), absmax per token {}\n"
                "shapes      x f32[{}], q i8[{}]",
                s.find_absmax ? "found first" : "known before", s.k, s.padded_k());
          },
          [](const RmsNormSpec& s) {
            return fmt::format(
                "operation   y = {}RMS norm of x * w\nshapes      x, w, y f32[{}], eps {}",
                s.residual ? "residual + " : "", s.k, s.eps);
          },
          [](const HeadNormSpec& s) {
            return fmt::format(
                "operation   each head = RMS norm of the head * w, in place\n"
                "shapes      x f32[{}][{}], w f32[{}], eps {}",
                s.heads, s.head_dim, s.head_dim, s.eps);
          },
          [](const RopeAppendSpec& s) {
            return fmt::format(
                "operation   rotate q and k, append k and v to the cache as {}\n"
                "shapes      {} query heads, {} key/value heads, head dim {}",
                kv_type_name(s.kv_type), s.q_heads, s.kv_heads, s.head_dim);
          },
          [](const AttentionSpec& s) {
            return fmt::format(
                "operation   softmax(q K^T * {}) V for {} query heads of a key/value head\n"
                "shapes      q, out f32[rows][heads][{}], up to {} rows, K and V {} in pages",
                s.scale, s.q_per_kv, s.head_dim, kMostAttentionRows, kv_type_name(s.kv_type));
          },
          [](const EmbedSpec& s) {
            return fmt::format("operation   widen one table row{}\nshapes      {}[{}] -> f32[{}]",
                               s.scale == 1 ? "" : fmt::format(", times {}", s.scale),
                               float_type_name(s.type), s.k, s.k);
          },
          [](const HeadSpec& s) {
            return fmt::format(
                "operation   logits = W h, 64-lane dot products\n"
                "shapes      w {}[{}][{}], h f32[{}]",
                float_type_name(s.type), s.n, s.k, s.k);
          },
          [](const ScreenSpec& s) {
            return fmt::format(
                "operation   estimates of logits from codes of {} bits\n"
                "shapes      codes {}[{}], h i8[{}] twice",
                s.code_bits(), s.n, s.k, s.padded_k());
          },
          [](const SparseUpSpec& s) {
            return fmt::format(
                "operation   y = gate^2 * (x W^T), for the neurons whose gate is positive\n"
                "shapes      x i8[{}], W ternary[{}][{}], gate, y f32[{}]",
                s.k, s.n, s.k, s.n);
          },
          [](const SparseDownSpec& s) {
            return fmt::format(
                "operation   y = {}x W^T, for the neurons whose x is not zero\n"
                "shapes      x i8[{}], W ternary[{}][{}], y f32[{}]",
                s.residual ? "residual + " : "", s.k, s.n, s.k, s.n);
          },
          [](const GluSpec& s) {
            return fmt::format("operation   y = gate and up by {}\nshapes      gate, up, y f32[{}]",
                               epilogue_name(s.epilogue), s.n);
          },
          [](const TablesSpec& s) {
            return fmt::format(
                "operation   the sums that {} weights can make, as {}, for one token\n"
                "shapes      x i8[{}], tables u8[{}]",
                layout_name(s.layout), table_form_name(s.form), s.k, s.table_bytes());
          },
      },
      spec);
}

// "tiles_per_step 1, k_unroll 8, prefetch_bytes 8192": the fields that the kernel's family has.
std::string describe(const KernelPlan& plan, const std::string& generator) {
  std::string text;
  for (const PlanField& each : find_generator(generator)->plan_fields())
    if (const int value = each.of(plan); !each.is_optional || value != each.standard)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", each.name, value);
  return text;
}

Status show(const KernelOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const ShownKernel shown, build_named(options.name, context.settings()));
  const PublishedCode& published = shown.published->last();
  print_out("name        {}\ngenerator   {}\n", shown.built.kernel.name(), shown.built.generator);
  print_out("{}\n", describe(shown.request.spec));
  if (std::holds_alternative<MatmulSpec>(shown.request.spec))
    print_out("plan        {}\n", describe(shown.request.plan, shown.built.generator));
  if (shown.published->code().empty()) {
    print_out("code        compiled ahead of time\n");
  } else {
    print_out("code        {} bytes, generated in {:.3f} ms, proven in {:.3f} ms\n",
              shown.published->code().size(), static_cast<double>(shown.built.build_ns) / 1e6,
              static_cast<double>(shown.built.proof_ns) / 1e6);
  }
  print_out("candidates\n");
  for (const Selection::Entry& entry : shown.built.selection.entries)
    print_out("  {:<32} {}\n", entry.generator, entry.outcome);
  if (verbosity() == Verbosity::kVerbose && !published.assembly.empty())
    write_text_out("\n" + published.assembly + "\n");
  return {};
}

Status disassemble(const KernelOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const ShownKernel shown, build_named(options.name, context.settings()));
  const std::vector<uint8_t>& code = shown.published->code();
  if (code.empty()) {
    return make_error(StatusCode::kInvalidArgument,
                      "{}: served by {}, which is compiled ahead of time and has no generated code",
                      options.name, shown.built.generator);
  }
  print_out("# {}\n", shown.built.kernel.name());
  size_t offset = 0;
  while (offset < code.size()) {
    ZydisDisassembledInstruction instruction;
    const ZyanStatus status =
        ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, shown.published->address() + offset,
                              code.data() + offset, code.size() - offset, &instruction);
    if (!ZYAN_SUCCESS(status)) {  // constants behind the code
      print_out("{:6x}  .byte 0x{:02x}\n", offset, code[offset]);
      ++offset;
      continue;
    }
    print_out("{:6x}  {}\n", offset, instruction.text);
    offset += instruction.info.length;
  }
  return {};
}

Status list(const KernelOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const Engine engine,
                           make_engine(options.model, context.engine_options()));
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const LinkedKernel& kernel : engine.link_report.kernels)
      rows.push_back({{"name", kernel.name},
                      {"generator", kernel.generator},
                      {"steps", kernel.steps},
                      {"build_ns", kernel.build_ns},
                      {"proof_ns", kernel.proof_ns}});
    write_json("kernel-list", 1, {{"kernels", rows}});
    return {};
  }
  size_t width = 0;
  for (const LinkedKernel& kernel : engine.link_report.kernels)
    width = std::max(width, kernel.name.size());
  print_out("{:<{}} {:>5} {:>9} {:>9}\n", "kernel", width, "steps", "build ms", "proof ms");
  for (const LinkedKernel& kernel : engine.link_report.kernels)
    print_out("{:<{}} {:>5} {:>9.3f} {:>9.3f}\n", kernel.name, width, kernel.steps,
              static_cast<double>(kernel.build_ns) / 1e6,
              static_cast<double>(kernel.proof_ns) / 1e6);
  return {};
}

// The specs of a model's steps, and of the tables its layouts may need.
Result<std::set<std::string>> specs_of(const CompiledModel& model) {
  std::set<std::string> specs;
  for (const Step& step : model.description().program.steps) {
    specs.insert(step.kernel);
    BITNETC_ASSIGN_OR_RETURN(const KernelSpec spec, parse_spec(step.kernel));
    const auto* matmul = std::get_if<MatmulSpec>(&spec);
    if (matmul == nullptr || matmul->layout == LayoutId::kI2S) continue;
    for (const TableForm form : {TableForm::kWords, TableForm::kBytes})
      specs.insert(spec_name(TablesSpec{.k = matmul->k, .layout = matmul->layout, .form = form}));
  }
  return specs;
}

struct CheckCount {
  int checked = 0, failed = 0;
};

// Every generator that accepts the request, not only the one that would be taken. Ctrl-C ends it
// between two problems.
void check_request(const KernelRequest& request, int seeds, const BuildSettings& settings,
                   CheckCount& count) {
  KernelBuilder builder(settings);
  for (const auto& generator : KernelBuilder::generators()) {
    if (interrupted()) return;
    if (generator->kind() == GeneratorKind::kReference || !generator->accepts(request).ok())
      continue;
    if (!settings.allows(generator->kind())) continue;
    const auto built = builder.build_with(generator->name(), request);
    Status status = built.status();
    for (int seed = 1; status.ok() && seed <= seeds && !interrupted(); ++seed)
      status = prove(request.spec, built->kernel, cpu_device(), static_cast<uint64_t>(seed),
                     built->table_form);
    if (interrupted()) return;
    ++count.checked;
    if (!status.ok()) ++count.failed;
    if (status.ok() && verbosity() != Verbosity::kVerbose) continue;
    print_out("{}  {}{}\n", status.ok() ? "ok    " : "FAILED", kernel_name(request, *generator),
              status.ok() ? "" : ": " + status.message());
    flush_out();
  }
}

Result<int> check(const KernelOptions& options, CommandContext& context) {
  BITNETC_ASSIGN_OR_RETURN(const auto model, open_model(options.model, context.engine_options()));
  BITNETC_ASSIGN_OR_RETURN(const std::set<std::string> specs, specs_of(*model));
  const Target& target = context.settings().target;
  const HeuristicPlanSource plans;
  CheckCount count;
  give_time_to_report();
  for (const std::string& name : specs) {
    BITNETC_ASSIGN_OR_RETURN(KernelSpec spec, parse_spec(name));
    auto* matmul = std::get_if<MatmulSpec>(&spec);
    for (int m = matmul != nullptr ? kAnyM : 1; m <= (matmul != nullptr ? kMaxSmallM : 1); ++m) {
      if (matmul != nullptr) matmul->m = m;
      check_request({.spec = spec, .plan = plans.choose(spec, target).plan, .target = target},
                    options.seeds, context.settings().build, count);
    }
  }
  stop_gracefully();
  print_out("{}{} kernels checked against the reference with {} seeds on {}: {} failed\n",
            interrupted() ? "stopped: " : "", count.checked, options.seeds, target.name(),
            count.failed);
  if (interrupted()) return kExitInterrupted;
  return count.failed == 0 ? kExitOk : kExitCheckFailed;
}

}  // namespace

void add_kernel_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<KernelOptions>();
  Command command =
      parent.subcommand("kernel", "List, show, disassemble, check, time and explain kernels");
  command.set_footer(
      "Examples:\n"
      "  bitnetc kernel list model.bnc\n"
      "  bitnetc kernel show matmul_i8_i2s_f32_n2560_k2560_m1_residual\n"
      "  bitnetc kernel disasm matmul_i8_i2s_f32_n256_k256_m1_scale | less\n"
      "  BITNETC_ISA=avx2 bitnetc kernel check model.bnc -v\n"
      "  bitnetc kernel bench --m 1 --regime memory\n"
      "  bitnetc kernel explain model.bnc");
  constexpr char kModelHelp[] = ".bnc or .gguf file, folder or bundled name (default: bundled)";

  Command list_command = command.subcommand("list", "The kernels a model runs on this machine");
  list_command.text("MODEL", options->model, "MODEL", kModelHelp);
  list_command.json_flag(options->json);
  list_command.verbosity_flags(true, nullptr);
  list_command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(list(*options, context));
    return kExitOk;
  });

  Command show_command =
      command.subcommand("show", "One kernel: spec, plan, candidates and why they declined");
  show_command.text("NAME", options->name, "NAME", "Kernel name or spec name");
  show_command.require("NAME");
  show_command.verbosity_flags(true, "Also the intermediate form, if it has one");
  show_command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(show(*options, context));
    return kExitOk;
  });

  Command disasm_command = command.subcommand("disasm", "The machine code of one kernel");
  disasm_command.text("NAME", options->name, "NAME", "Kernel name or spec name");
  disasm_command.require("NAME");
  disasm_command.verbosity_flags(true, nullptr);
  disasm_command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(disassemble(*options, context));
    return kExitOk;
  });

  Command check_command = command.subcommand(
      "check", "Every kernel that can serve a model, held against the reference bit by bit");
  check_command.text("MODEL", options->model, "MODEL", kModelHelp);
  check_command.integer("--seeds", options->seeds, {.least = 1, .most = 1'000'000},
                        "Random problems per kernel (default: 8)");
  check_command.verbosity_flags(true, "Every kernel, not only failures");
  check_command.set_action([options, &context] { return check(*options, context); });

  add_kernel_bench_command(command, context);
  add_kernel_explain_command(command, context);
}

}  // namespace bitnetc
