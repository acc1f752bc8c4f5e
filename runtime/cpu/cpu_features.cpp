#include "runtime/cpu_features.h"

#include <cstring>
#include <utility>

#include "runtime/amx.h"
#include "runtime/cpu/cpuid.h"
#include "runtime/cpu/feature_probes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace bitnetc {
namespace {

constexpr bool bit(uint32_t word, int index) {
  return (word >> index & 1) != 0;
}

// Register state the operating system saves, as bits of XCR0.
constexpr uint64_t kYmmState = 0x06;      // xmm, ymm
constexpr uint64_t kZmmState = 0xe6;      // and opmask, the upper halves, zmm16-31
constexpr uint64_t kTileState = 0x60000;  // AMX tile configuration and data

std::string register_text(std::initializer_list<uint32_t> words) {
  std::string text;
  for (uint32_t word : words) {
    char bytes[4];
    std::memcpy(bytes, &word, sizeof(bytes));
    text.append(bytes, sizeof(bytes));
  }
  return text;
}

std::string read_vendor(const CpuidSource& source) {
  const CpuidRegisters r = source.cpuid(0, 0);
  return register_text({r.ebx, r.edx, r.ecx});
}

std::string read_brand(const CpuidSource& source) {
  constexpr uint32_t kFirst = 0x80000002, kLast = 0x80000004;
  if (source.cpuid(0x80000000, 0).eax < kLast) return "";
  std::string text;
  for (uint32_t leaf = kFirst; leaf <= kLast; ++leaf) {
    const CpuidRegisters r = source.cpuid(leaf, 0);
    text += register_text({r.eax, r.ebx, r.ecx, r.edx});
  }
  text = text.substr(0, text.find('\0'));
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Family and model as the vendors print them: the extended fields count for family 15 (and, for the
// model, Intel's family 6).
void read_signature(uint32_t eax, CpuFeatures& features) {
  const int base_family = static_cast<int>(eax >> 8 & 0xf);
  const int base_model = static_cast<int>(eax >> 4 & 0xf);
  features.stepping = static_cast<int>(eax & 0xf);
  features.family =
      base_family == 0xf ? base_family + static_cast<int>(eax >> 20 & 0xff) : base_family;
  const bool extended_model = base_family == 0xf || base_family == 0x6;
  features.model = base_model | (extended_model ? static_cast<int>(eax >> 12 & 0xf0) : 0);
}

// The vendor texts that hypervisors leave in CPUID, in the words people use.
std::string read_hypervisor(const CpuidSource& source) {
  constexpr uint32_t kVendorLeaf = 0x40000000;
  const CpuidRegisters r = source.cpuid(kVendorLeaf, 0);
  std::string vendor = register_text({r.ebx, r.ecx, r.edx});
  vendor = vendor.substr(0, vendor.find('\0'));
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"KVMKVMKVM", "KVM"},
      {"Microsoft Hv", "Hyper-V"},
      {"VMwareVMware", "VMware"},
      {"XenVMMXenVMM", "Xen"},
      {"TCGTCGTCGTCG", "QEMU without KVM"},
      {"VBoxVBoxVBox", "VirtualBox"},
      {"bhyve bhyve ", "bhyve"}};
  for (const auto& [text, name] : kNames)
    if (vendor == text) return std::string(name);
  return vendor.empty() ? "unknown" : vendor;
}

CpuFeatures detect() {
#if defined(__x86_64__)
  CpuFeatures features = decode_cpuid({
      .cpuid =
          [](uint32_t leaf, uint32_t subleaf) {
            CpuidRegisters r;
            __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
            return r;
          },
      .xcr0 =
          [] {
            uint32_t low, high;
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            return uint64_t{high} << 32 | low;
          },
  });
  drop_refused(features, feature_probes());
  return features;
#else
  return {.vendor = "unknown", .brand = "not x86-64", .architecture = kHostArchitecture};
#endif
}

}  // namespace

CpuFeatures decode_cpuid(const CpuidSource& source) {
  CpuFeatures features;
  features.vendor = read_vendor(source);
  features.brand = read_brand(source);
  const uint32_t last_leaf = source.cpuid(0, 0).eax;
  if (last_leaf < 1) return features;

  const CpuidRegisters leaf1 = source.cpuid(1, 0);
  read_signature(leaf1.eax, features);
  if (bit(leaf1.ecx, 31)) features.hypervisor = read_hypervisor(source);
  const bool os_uses_xsave = bit(leaf1.ecx, 27);
  const uint64_t state = os_uses_xsave ? source.xcr0() : 0;
  const bool ymm = (state & kYmmState) == kYmmState && bit(leaf1.ecx, 28);
  const bool zmm = (state & kZmmState) == kZmmState && ymm;
  const bool tile = (state & kTileState) == kTileState;

  FeatureSet& set = features.features;
  set.set(Feature::kFma, ymm && bit(leaf1.ecx, 12));
  set.set(Feature::kF16c, ymm && bit(leaf1.ecx, 29));
  if (last_leaf < 7) return features;

  const CpuidRegisters leaf7 = source.cpuid(7, 0);
  set.set(Feature::kAvx2, ymm && bit(leaf7.ebx, 5));
  set.set(Feature::kAvx512f, zmm && bit(leaf7.ebx, 16));
  set.set(Feature::kAvx512dq, zmm && bit(leaf7.ebx, 17));
  set.set(Feature::kAvx512bw, zmm && bit(leaf7.ebx, 30));
  set.set(Feature::kAvx512vl, zmm && bit(leaf7.ebx, 31));
  set.set(Feature::kAvx512Vbmi, zmm && bit(leaf7.ecx, 1));
  set.set(Feature::kAvx512Vnni, zmm && bit(leaf7.ecx, 11));
  set.set(Feature::kGfni, bit(leaf7.ecx, 8));
  set.set(Feature::kAmxInt8, tile && bit(leaf7.edx, 24) && bit(leaf7.edx, 25));
  const uint32_t last_subleaf = leaf7.eax;
  if (last_subleaf >= 1) set.set(Feature::kAvxVnni, ymm && bit(source.cpuid(7, 1).eax, 4));
  return features;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

Target target_of(const CpuFeatures& cpu, bool tiles_allowed) {
  Target target{.architecture = cpu.architecture,
                .features = cpu.features & target_for(Isa::kAmx).features};
  if (!tiles_allowed) target.features.set(Feature::kAmxInt8, false);
  return target;
}

Target machine_target() {
  const CpuFeatures& features = cpu_features();
  return target_of(features, features.has(Feature::kAmxInt8) && allow_amx_tiles().ok());
}

Target host_target(std::optional<Isa> cap) {
  const bool below_amx = cap && *cap < Isa::kAmx;
  return cap_target(below_amx ? target_of(cpu_features(), false) : machine_target(), cap);
}

Status check_isa_cap(const Target& machine, std::optional<Isa> cap) {
  if (!cap || machine.supports(*cap)) return {};
  return make_error(StatusCode::kUnsupported,
                    "BITNETC_ISA={}: this machine has no such tier; {} is used instead",
                    isa_name(*cap), cap_target(machine, cap).name());
}

}  // namespace bitnetc
