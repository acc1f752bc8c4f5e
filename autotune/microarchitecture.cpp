#include "autotune/microarchitecture.h"

namespace bitnetc {
namespace {

constexpr int kAnyStepping = 15;

struct Design {
  int family, first_model, last_model;
  std::string_view name;
  int last_stepping = kAnyStepping;  // the first entry that matches counts
};

constexpr Design kAmd[] = {
    {0x17, 0x08, 0x08, "Zen+"},  {0x17, 0x18, 0x18, "Zen+"},  {0x17, 0x00, 0x2f, "Zen"},
    {0x17, 0x50, 0x5f, "Zen"},   {0x17, 0x30, 0x4f, "Zen 2"}, {0x17, 0x60, 0x7f, "Zen 2"},
    {0x17, 0x90, 0x91, "Zen 2"}, {0x17, 0xa0, 0xaf, "Zen 2"}, {0x19, 0x00, 0x0f, "Zen 3"},
    {0x19, 0x20, 0x5f, "Zen 3"}, {0x19, 0x10, 0x1f, "Zen 4"}, {0x19, 0x60, 0xaf, "Zen 4"},
    {0x1a, 0x00, 0x2f, "Zen 5"}, {0x1a, 0x40, 0x4f, "Zen 5"}, {0x1a, 0x60, 0x7f, "Zen 5"},
    {0x1a, 0x50, 0x5f, "Zen 6"}, {0x1a, 0x80, 0xaf, "Zen 6"}, {0x1a, 0xc0, 0xcf, "Zen 6"},
};

constexpr Design kIntel[] = {
    {6, 0x3f, 0x3f, "Haswell server"},   {6, 0x3c, 0x3c, "Haswell"},
    {6, 0x45, 0x46, "Haswell"},          {6, 0x4f, 0x4f, "Broadwell server"},
    {6, 0x56, 0x56, "Broadwell server"}, {6, 0x3d, 0x3d, "Broadwell"},
    {6, 0x47, 0x47, "Broadwell"},        {6, 0x55, 0x55, "Skylake server", 4},
    {6, 0x55, 0x55, "Cascade Lake", 9},  {6, 0x55, 0x55, "Cooper Lake"},
    {6, 0x4e, 0x4e, "Skylake"},          {6, 0x5e, 0x5e, "Skylake"},
    {6, 0x8e, 0x8e, "Kaby Lake"},        {6, 0x9e, 0x9e, "Kaby Lake"},
    {6, 0xa5, 0xa6, "Comet Lake"},       {6, 0x66, 0x66, "Cannon Lake"},
    {6, 0x6a, 0x6a, "Ice Lake server"},  {6, 0x6c, 0x6c, "Ice Lake server"},
    {6, 0x7d, 0x7e, "Ice Lake"},         {6, 0x8c, 0x8d, "Tiger Lake"},
    {6, 0xa7, 0xa7, "Rocket Lake"},      {6, 0x97, 0x97, "Alder Lake"},
    {6, 0x9a, 0x9a, "Alder Lake"},       {6, 0xbe, 0xbe, "Gracemont"},
    {6, 0xb7, 0xb7, "Raptor Lake"},      {6, 0xba, 0xba, "Raptor Lake"},
    {6, 0xbf, 0xbf, "Raptor Lake"},      {6, 0xaa, 0xaa, "Meteor Lake"},
    {6, 0xac, 0xac, "Meteor Lake"},      {6, 0xb5, 0xb5, "Arrow Lake"},
    {6, 0xc5, 0xc6, "Arrow Lake"},       {6, 0xbd, 0xbd, "Lunar Lake"},
    {6, 0xcc, 0xcc, "Panther Lake"},     {6, 0x8f, 0x8f, "Sapphire Rapids"},
    {6, 0xcf, 0xcf, "Emerald Rapids"},   {6, 0xad, 0xae, "Granite Rapids"},
    {6, 0xaf, 0xaf, "Sierra Forest"},    {6, 0xdd, 0xdd, "Clearwater Forest"},
};

constexpr Design kHygon[] = {{0x18, 0x00, 0xff, "Dhyana"}};

template <int kCount>
std::string_view find(const Design (&designs)[kCount], int family, int model, int stepping) {
  for (const Design& each : designs) {
    if (each.family == family && each.first_model <= model && model <= each.last_model &&
        stepping <= each.last_stepping)
      return each.name;
  }
  return "unknown";
}

}  // namespace

std::string_view microarchitecture(std::string_view vendor, int family, int model, int stepping) {
  if (vendor == "AuthenticAMD") return find(kAmd, family, model, stepping);
  if (vendor == "GenuineIntel") return find(kIntel, family, model, stepping);
  if (vendor == "HygonGenuine") return find(kHygon, family, model, stepping);
  return "unknown";
}

}  // namespace bitnetc
