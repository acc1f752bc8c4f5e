// The form that a request wants its text to have.
#pragma once

#include <optional>
#include <string>

#include "tools/serve/api/generation.h"
#include "tools/serve/engine/grammar_cache.h"

namespace bitnetc::serve {

struct Constraint {
  GrammarSource source;
  std::string param;  // the field that says so
};

// `response_format` of OpenAI, `grammar`, `json_schema`, `regex`, `structured_outputs` and
// `guided_*` of other servers. Nothing: any text; more than one is refused.
std::optional<Constraint> read_constraint(Fields& fields);
// {"type": "json_schema", "schema" or "json_schema": {"schema"}}, {"type": "json_object"}, or
// {"type": "text"}, as the format of `param`. `schema_at`: where errors miss a schema.
std::optional<Constraint> read_format(Fields& fields, const Json& format, const std::string& param,
                                      const std::string& schema_at = "schema");

// Binds the texts of `plan`, which knows its stop ids. Error: 400 blaming the field.
std::optional<ApiError> bind_texts(const std::optional<Constraint>& constraint,
                                   const ServedModel& model, GenerationPlan& plan);

}  // namespace bitnetc::serve
