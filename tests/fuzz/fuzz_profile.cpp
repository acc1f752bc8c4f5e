// Any bytes as a profile of tuning. After a first byte 0xff the checksums of entries are made good,
// because random changes never get past them. What is read prints and reads back, and whatever it
// claims, choices made by it are kernels that exist and take their plans.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/profile/text.h"
#include "autotune/profile_plans.h"
#include "codegen/kernel_builder.h"

namespace bitnetc {
namespace {

// With the right checksum behind every "  end ", as long as there is one for it.
std::string with_checksums(std::string text) {
  size_t entry = 0;
  for (size_t end = text.find(kProfileEnd); end != text.npos; end = text.find(kProfileEnd, entry)) {
    const size_t gap = text.rfind("\n\n", end);
    if (gap != text.npos) entry = std::max(entry, gap + 2);
    const std::string digest = entry_digest(std::string_view(text).substr(entry, end - entry));
    text.replace(end + kProfileEnd.size(), digest.size(), digest);
    entry = end + kProfileEnd.size() + digest.size();
  }
  return text;
}

void check_choices(const Profile& profile, const Target& target) {
  for (const ProfileEntry& entry : profile.entries) {
    const ProfilePlanSource plans(profile, entry.key.threads, Usage::kGeneration);
    const KernelChoice choice = plans.choose(entry.key.spec, target);
    (void)plans.layout_for(entry.key.spec, target);
    if (choice.generator.empty()) continue;
    const Generator* generator = find_generator(choice.generator);
    BITNETC_CHECK(generator != nullptr, "{} does not exist", choice.generator);
    const auto accepted = accepted_request(*generator, {.spec = entry.key.spec,
                                                        .plan = choice.plan,
                                                        .target = target,
                                                        .generator = choice.generator});
    BITNETC_CHECK(accepted.ok(), "{}", accepted.status().message());
  }
}

void fuzz_one(std::string_view text) {
  std::vector<std::string> problems;
  auto profile = parse_profile(text, "fuzz", problems);
  if (!profile.ok()) {
    BITNETC_CHECK(!profile.status().message().empty(), "a failure without a message");
    return;
  }
  for (const std::string& problem : problems)
    BITNETC_CHECK(problem.size() < 1000, "a message of {} bytes", problem.size());
  const std::string printed = print_profile(*profile);
  std::vector<std::string> none;
  const auto again = parse_profile(printed, "again", none);
  BITNETC_CHECK(again.ok() && none.empty() && again->entries == profile->entries,
                "what was read does not read back:\n{}", printed);
  const Target target = target_for(Isa::kAmx);
  check_choices(*profile, target);
  drop_unusable(*profile, target, problems);
  check_choices(*profile, target);
}

}  // namespace
}  // namespace bitnetc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0xff) {
    bitnetc::fuzz_one(bitnetc::with_checksums(std::string(text.substr(1))));
  } else {
    bitnetc::fuzz_one(text);
  }
  return 0;
}
