// Whether schemas exclude each other: no value can be valid for two of them, as far as types,
// constants and required properties with constants tell.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "frontend/grammar/schema_merge.h"

namespace bitnetc::grammar {

class Exclusions {
 public:
  // Takes one more schema, without a $ref. Returns an earlier one, by its place, that may share a
  // value with it.
  std::optional<size_t> add(const SchemaJson& schema);

 private:
  using Ids = std::vector<uint32_t>;  // of constants, ascending
  struct Facts {
    bool is_object = false;  // else nothing is known of it
    uint32_t types = 0;      // a bit each
    std::optional<Ids> constants;
    std::map<uint32_t, Ids> properties;  // required ones with constants, by the id of their name
  };

  Facts facts_of(const SchemaJson& schema);
  std::optional<Ids> constants_of(const SchemaJson& schema);
  std::map<uint32_t, Ids> required_constants_of(const SchemaJson& schema);
  static bool are_apart(const Facts& a, const Facts& b);

  std::vector<Facts> facts_;
  std::map<SchemaJson, uint32_t> ids_;  // of constants
  std::map<std::string, uint32_t> name_ids_;
};

}  // namespace bitnetc::grammar
