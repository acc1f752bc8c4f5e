// The .bnc reader and everything that trusts it: container, description, linking. The input is either a
// whole file, or (first byte 0xff) a description that is put into a well-formed container, because random
// bytes never get past the checksums.
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "compiler/link.h"
#include "runtime/compiled_model.h"

namespace {

void read_container(const uint8_t* data, size_t size) {
  auto reader = bitnetc::BncReader::from_bytes({data, size}, "fuzz.bnc");
  if (!reader.ok()) return;
  auto model = bitnetc::CompiledModel::from_reader(*reader);
  if (!model.ok()) return;
  bitnetc::KernelBuilder builder;
  const bitnetc::HeuristicPlanSource plans;
  bitnetc::LinkReport report;
  (void)bitnetc::link(*model, builder,
                      {.target = bitnetc::target_for(bitnetc::Isa::kScalar), .plans = &plans},
                      &report)
      .ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || data[0] != 0xff) {
    read_container(data, size);
    return 0;
  }
  const std::string description(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto parsed = bitnetc::parse_description(description, "fuzz");
  if (parsed.ok()) {
    // What was read must print to something that reads the same.
    const std::string printed = bitnetc::print_description(*parsed);
    auto again = bitnetc::parse_description(printed, "fuzz");
    if (!again.ok() || bitnetc::print_description(*again) != printed) std::abort();
  }
  return 0;
}
