#include "tools/serve/api/constraint.h"

namespace bitnetc::serve {
namespace {

using Kind = GrammarSource::Kind;

// Of GBNF.
std::string literal(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20)
      quoted += fmt::format("\\x{:02x}", c);
    else
      quoted += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
  }
  return quoted + '"';
}

// Collects what is said; the second one is an error.
class Said {
 public:
  explicit Said(Fields& fields) : fields_(fields) {}

  void add(std::optional<Constraint> constraint) {
    if (!constraint) return;
    if (said_)
      fields_.fail(bad_request(fmt::format("'{}' and '{}': expected one form of the text",
                                           said_->param, constraint->param),
                               constraint->param));
    else
      said_ = std::move(constraint);
  }
  void add_text(const Json* value, Kind kind, const std::string& param) {
    if (value == nullptr || value->is_null()) return;
    if (!value->is_string()) return fields_.fail_at(param, "expected a text");
    add(Constraint{{.kind = kind, .text = value->get<std::string>()}, param});
  }
  // A schema, or its text.
  void add_schema(const Json* value, const std::string& param) {
    if (value == nullptr || value->is_null()) return;
    if (!value->is_object() && !value->is_boolean() && !value->is_string())
      return fields_.fail_at(param, "expected a JSON schema, an object");
    const std::string text = value->is_string() ? value->get<std::string>() : value->dump();
    add(Constraint{{.kind = Kind::kJsonSchema, .text = text}, param});
  }
  void add_choice(const Json* value, const std::string& param) {
    if (value == nullptr || value->is_null()) return;
    bool is_good = value->is_array() && !value->empty();
    std::string grammar = "root ::= ";
    for (size_t i = 0; is_good && i < value->size(); ++i) {
      is_good = (*value)[i].is_string();
      if (is_good) grammar += (i > 0 ? " | " : "") + literal((*value)[i].get<std::string>());
    }
    if (!is_good) return fields_.fail_at(param, "expected a list of texts");
    add(Constraint{{.kind = Kind::kGbnf, .text = std::move(grammar)}, param});
  }
  std::optional<Constraint> take() { return std::move(said_); }

 private:
  Fields& fields_;
  std::optional<Constraint> said_;
};

void read_structured_outputs(Fields& fields, Said& said) {
  const Json* outputs = fields.find("structured_outputs");
  if (outputs == nullptr) return;
  constexpr char kName[] = "structured_outputs";
  if (!outputs->is_object())
    return fields.fail(bad_request("'structured_outputs': expected an object", kName));
  Fields inner(*outputs, "structured_outputs.");
  said.add_schema(inner.find("json"), inner.path("json"));
  said.add_text(inner.find("regex"), Kind::kRegex, inner.path("regex"));
  said.add_text(inner.find("grammar"), Kind::kGbnf, inner.path("grammar"));
  said.add_choice(inner.find("choice"), inner.path("choice"));
  if (inner.boolean("json_object").value_or(false))
    said.add(Constraint{{.kind = Kind::kJsonObject}, inner.path("json_object")});
  inner.accept_without_effect({"disable_any_whitespace", "disable_fallback"});
  for (const std::string& name : inner.ignored())
    if (name != inner.path("disable_any_whitespace") && name != inner.path("disable_fallback"))
      fields.fail(unsupported_field(name, "expected json, regex, grammar, choice or json_object"));
  if (inner.error()) fields.fail(*inner.error());
}

}  // namespace

std::optional<Constraint> read_format(Fields& fields, const Json& format, const std::string& param,
                                      const std::string& schema_at) {
  const auto refuse = [&](const std::string& where, const std::string& what) {
    fields.fail_at(where, what);
    return std::optional<Constraint>();
  };
  if (!format.is_object() || !format.contains("type") || !format["type"].is_string())
    return refuse(param, "expected an object with a type");
  const auto type = format["type"].get<std::string>();
  if (type == "text") return std::nullopt;
  if (type != "json_object" && type != "json_schema")
    return refuse(param + ".type", "expected text, json_object or json_schema, not '" + type + "'");
  // OpenAI puts the schema of chat one level down, other servers beside the type.
  const Json* holder = &format;
  std::string where = param;
  if (const auto inner = format.find("json_schema"); inner != format.end() && !inner->is_null()) {
    if (!inner->is_object()) return refuse(param + ".json_schema", "expected an object");
    holder = &*inner;
    where += ".json_schema";
  }
  Said said(fields);
  for (const char* name : {"schema", "value"})
    if (const auto schema = holder->find(name); schema != holder->end())
      said.add_schema(&*schema, where + "." + name);
  std::optional<Constraint> constraint = said.take();
  if (constraint) return constraint;
  if (type == "json_schema") return refuse(param + "." + schema_at, "is required");
  return Constraint{{.kind = Kind::kJsonObject}, param};
}

std::optional<Constraint> read_constraint(Fields& fields) {
  Said said(fields);
  if (const Json* format = fields.find("response_format"))
    said.add(read_format(fields, *format, "response_format", "json_schema.schema"));
  said.add_text(fields.find("grammar"), Kind::kGbnf, "grammar");
  said.add_schema(fields.find("json_schema"), "json_schema");
  said.add_text(fields.find("regex"), Kind::kRegex, "regex");
  read_structured_outputs(fields, said);
  said.add_schema(fields.find("guided_json"), "guided_json");
  said.add_text(fields.find("guided_regex"), Kind::kRegex, "guided_regex");
  said.add_text(fields.find("guided_grammar"), Kind::kGbnf, "guided_grammar");
  said.add_choice(fields.find("guided_choice"), "guided_choice");
  fields.refuse("ebnf", "expected 'grammar', in GBNF");
  return said.take();
}

std::optional<ApiError> bind_texts(const std::optional<Constraint>& constraint,
                                   const ServedModel& model, GenerationPlan& plan) {
  if (!constraint) return std::nullopt;
  auto filter = model.grammars->filter(constraint->source, plan.stop_ids);
  if (!filter.ok()) {
    const StatusCode code = filter.status().code();
    const bool is_clients =
        code == StatusCode::kInvalidArgument || code == StatusCode::kUnsupported;
    if (!is_clients) return error_of(filter.status(), constraint->param);
    return bad_request(fmt::format("'{}': {}", constraint->param, filter.status().message()),
                       constraint->param);
  }
  plan.params.sampling.filter = *std::move(filter);
  return std::nullopt;
}

}  // namespace bitnetc::serve
