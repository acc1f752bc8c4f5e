// The .bnc reader and everything that trusts it. The input is either a whole file, or (first byte
// 0xff) a description, which is put into a well-formed container with sections of the sizes that
// its steps imply, because random bytes never get past the checksums. What is accepted is linked
// and runs one token.
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "compiler/check_program.h"
#include "compiler/link.h"
#include "compiler/passes/bindings.h"
#include "runtime/executor.h"

namespace {

using namespace bitnetc;

// Larger models are possible and would only be slow here.
constexpr int64_t kMostBytes = int64_t{1} << 22;

void run_one_token(std::shared_ptr<const CompiledModel> model) {
  if (!check_program(*model).ok() || !check_values(*model).ok()) return;
  int64_t row_bytes = 0;
  for (const BufferInfo& buffer : model->description().program.buffers)
    row_bytes += buffer.per_row * element_bytes(buffer.type);
  const ModelConfig& config = model->description().config;
  if (row_bytes > kMostBytes ||
      config.layers * config.kv_heads * config.head_dim > kMostBytes / 256)
    return;
  static KernelBuilder builder;
  const HeuristicPlanSource plans;
  LinkReport report;
  auto executable = link(std::move(model), builder,
                         {.target = target_for(Isa::kScalar), .plans = &plans}, &report);
  if (!executable.ok()) return;
  auto executor = CpuExecutor::create(*executable, {});
  if (!executor.ok()) std::abort();
  Sequence sequence((*executor)->pool());
  const BatchRow row{
      .sequence = &sequence, .token = 0, .position = 0, .need = {.kind = LogitsNeed::Kind::kAll}};
  (void)(*executor)->run({&row, 1}).ok();
}

void read_container(std::span<const uint8_t> bytes) {
  auto reader = BncReader::from_bytes(bytes, "fuzz.bnc");
  if (!reader.ok()) return;
  auto model = CompiledModel::from_reader(*reader);
  if (model.ok()) run_one_token(*std::move(model));
}

// Zeros are weights of every layout and finite floats of every type.
bool add_sections(BncWriter& writer, const ModelDescription& description) {
  std::set<std::string> written = {kSectionTokenizer};
  if (!writer.add_section(kSectionTokenizer, {}).ok()) return false;
  int64_t total = 0;
  for (const Step& step : description.program.steps) {
    const auto spec = parse_spec(step.kernel);
    if (!spec.ok()) continue;
    for (const Operand& operand : step_operands(*spec, description.config)) {
      const StepOperand* given = step.operand(operand.name);
      if (operand.role != Role::kWeight || given == nullptr || given->section.empty()) continue;
      if (operand.fixed > kMostBytes || (total += operand.fixed * 8) > kMostBytes) return false;
      const std::vector<uint8_t> zeros(
          static_cast<size_t>(operand.fixed * element_bytes(operand.type)));
      if (written.insert(given->section).second && !writer.add_section(given->section, zeros).ok())
        return false;
    }
  }
  return true;
}

void read_description(const std::string& text) {
  auto parsed = parse_description(text, "fuzz");
  if (!parsed.ok()) return;
  // What was read must print to something that reads the same.
  const std::string printed = print_description(*parsed);
  auto again = parse_description(printed, "fuzz");
  if (!again.ok() || print_description(*again) != printed) std::abort();

  const std::string path = "/dev/shm/fuzz_bnc-" + std::to_string(::getpid()) + ".bnc";
  {
    auto writer = BncWriter::create(path);
    if (!writer.ok() || !add_sections(**writer, *parsed) || !(*writer)->finish(printed).ok())
      return;
  }
  auto model = CompiledModel::open(path);
  ::unlink(path.c_str());
  if (model.ok()) run_one_token(*std::move(model));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || data[0] != 0xff) {
    read_container({data, size});
  } else {
    read_description(std::string(reinterpret_cast<const char*>(data) + 1, size - 1));
  }
  return 0;
}
