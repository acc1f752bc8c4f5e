#include "tools/serve/api/tools.h"

#include <algorithm>

namespace bitnetc::serve {
namespace {

bool is_name(std::string_view name) {
  constexpr std::string_view kSigns =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(kSigns) == name.npos;
}

// Nothing: refused.
std::optional<ChatTool> read_tool(Fields& fields, const Json& tool, ToolStyle style,
                                  const std::string& path) {
  const auto refuse = [&](const std::string& where, const std::string& what) {
    fields.fail_at(where, what);
    return std::optional<ChatTool>();
  };
  if (!tool.is_object()) return refuse(path, "expected an object");
  const bool is_messages = style == ToolStyle::kMessages;
  const std::string type = tool.contains("type") && tool["type"].is_string()
                               ? tool["type"].get<std::string>()
                               : std::string();
  const bool is_function =
      type == "function" || (is_messages && (type.empty() || type == "custom"));
  if (!is_function) return refuse(path + ".type", "expected function; no other tools are there");
  const Json* holder = &tool;
  std::string where = path;
  if (style == ToolStyle::kChat) {
    where += ".function";
    if (!tool.contains("function") || !tool["function"].is_object())
      return refuse(where, "expected an object");
    holder = &tool["function"];
  }
  const char* schema_name = is_messages ? "input_schema" : "parameters";
  if (!holder->contains("name") || !(*holder)["name"].is_string() ||
      !is_name((*holder)["name"].get<std::string>()))
    return refuse(where + ".name", "expected 1 to 64 letters, digits, '_', '.' or '-'");
  ChatTool read{.name = (*holder)["name"].get<std::string>(), .parameters = {}, .json = {}};
  Json schema = {{"type", "object"}, {"properties", Json::object()}};
  if (const auto said = holder->find(schema_name); said != holder->end() && !said->is_null()) {
    if (!said->is_object()) return refuse(where + "." + schema_name, "expected a JSON schema");
    schema = *said;
    read.parameters = said->dump();
  }
  if (style == ToolStyle::kChat) {
    read.json = dump(tool);
    return read;
  }
  Json function = {{"name", read.name}};
  if (const auto said = holder->find("description"); said != holder->end() && said->is_string())
    function["description"] = *said;
  function["parameters"] = std::move(schema);
  read.json = dump({{"type", "function"}, {"function", std::move(function)}});
  return read;
}

// What tool_choice may be, in all styles: a word, or an object with a type.
class ChoiceReader {
 public:
  ChoiceReader(Fields& fields, ToolStyle style, ToolsRequest& request)
      : fields_(fields), style_(style), request_(request) {}

  void read(const Json& choice) {
    request_.choice = choice;
    if (choice.is_string()) return take_word(choice.get<std::string>());
    if (!choice.is_object() || !choice.contains("type") || !choice["type"].is_string())
      return refuse("expected a word or an object with a type");
    const auto type = choice["type"].get<std::string>();
    if (style_ == ToolStyle::kMessages &&
        choice.value("disable_parallel_tool_use", Json(false)) == Json(true))
      request_.may_call_many = false;
    if (type == "function" || type == "tool") return take_name(choice);
    if (type == "allowed_tools") return take_allowed(choice);
    take_word(type);
  }

 private:
  void refuse(const std::string& what) {
    fields_.fail(bad_request("'tool_choice': " + what, "tool_choice"));
  }
  void take_word(const std::string& word) {
    if (word == "none") {
      request_.offered.clear();
      request_.callable.clear();
      return;
    }
    if (word == "auto") return;
    if (word != "required" && word != "any")
      return refuse("expected auto, none, required or one function, not '" + word + "'");
    if (request_.offered.empty()) return refuse("there are no tools to call");
    request_.must_call = true;
  }
  // {"function": {"name"}} in chat, else {"name"}.
  const Json* name_in(const Json& choice) const {
    const Json* holder = &choice;
    if (style_ == ToolStyle::kChat && choice.contains("function")) holder = &choice["function"];
    if (!holder->is_object() || !holder->contains("name") || !(*holder)["name"].is_string())
      return nullptr;
    return &(*holder)["name"];
  }
  std::optional<ChatTool> tool_of(const Json& choice) {
    const Json* name = name_in(choice);
    if (name == nullptr) {
      refuse("expected the name of a function");
      return std::nullopt;
    }
    const auto found =
        std::ranges::find(request_.offered, name->get<std::string>(), &ChatTool::name);
    if (found != request_.offered.end()) return *found;
    refuse("there is no tool '" + name->get<std::string>().substr(0, 64) + "'");
    return std::nullopt;
  }
  void take_name(const Json& choice) {
    std::optional<ChatTool> tool = tool_of(choice);
    if (!tool) return;
    request_.callable = {*std::move(tool)};
    request_.must_call = true;
    request_.may_call_many = false;
  }
  void take_allowed(const Json& choice) {
    const Json& holder = choice.contains("allowed_tools") ? choice["allowed_tools"] : choice;
    if (!holder.is_object() || !holder.contains("tools") || !holder["tools"].is_array() ||
        holder["tools"].empty())
      return refuse("expected a list of allowed tools");
    std::vector<ChatTool> callable;
    for (const Json& each : holder["tools"]) {
      std::optional<ChatTool> tool = tool_of(each);
      if (!tool) return;
      callable.push_back(*std::move(tool));
    }
    request_.callable = std::move(callable);
    const Json mode = holder.value("mode", Json("auto"));
    if (!mode.is_string()) return refuse("expected auto or required as the mode");
    take_word(mode.get<std::string>());
  }

  Fields& fields_;
  const ToolStyle style_;
  ToolsRequest& request_;
};

}  // namespace

ToolsRequest read_tools(Fields& fields, ToolStyle style) {
  ToolsRequest request;
  fields.refuse("functions", "expected 'tools'", Json::array());
  fields.refuse("function_call", "expected 'tool_choice'", "none");
  if (const Json* tools = fields.find("tools")) {
    request.tools = *tools;
    if (!tools->is_array() || tools->size() > kMostTools)
      fields.fail(
          bad_request(fmt::format("'tools': expected a list of at most {}", kMostTools), "tools"));
    for (size_t i = 0; tools->is_array() && i < tools->size() && !fields.error(); ++i) {
      const std::string path = fmt::format("tools[{}]", i);
      std::optional<ChatTool> tool = read_tool(fields, (*tools)[i], style, path);
      if (!tool) break;
      if (std::ranges::count(request.offered, tool->name, &ChatTool::name) > 0)
        fields.fail(bad_request(fmt::format("'{}': '{}' is there twice", path, tool->name), path));
      request.offered.push_back(*std::move(tool));
    }
  }
  request.callable = request.offered;
  request.may_call_many = fields.boolean("parallel_tool_calls").value_or(true);
  const Json* choice = fields.find("tool_choice");
  if (choice != nullptr && !fields.error()) ChoiceReader(fields, style, request).read(*choice);
  return request;
}

Checked<std::optional<Constraint>> constraint_with_tools(const ToolsRequest& tools,
                                                         std::optional<Constraint> constraint,
                                                         ToolCallForm form) {
  if (!tools) return constraint;
  Constraint joined{{.kind = GrammarSource::Kind::kToolCalls,
                     .calls = {.form = form,
                               .tools = tools.callable,
                               .must_call = tools.must_call,
                               .may_call_many = tools.may_call_many}},
                    "tools"};
  if (constraint) {
    using Kind = GrammarSource::Kind;
    if (constraint->source.kind == Kind::kJsonSchema)
      joined.source.calls.text_schema = constraint->source.text;
    else if (constraint->source.kind == Kind::kJsonObject)
      joined.source.calls.text_schema = R"({"type": "object"})";
    else
      return bad_request(
          fmt::format("'{}': beside tools expected a JSON schema", constraint->param),
          constraint->param);
  }
  return std::optional<Constraint>(std::move(joined));
}

std::string read_arguments(Fields& fields, const Json& arguments, const std::string& path) {
  if (arguments.is_object()) return dump(arguments);
  if (arguments.is_string()) {
    auto text = arguments.get<std::string>();
    if (text.empty()) return "{}";
    if (parse_object(text).ok()) return text;
  }
  fields.fail_at(path, "expected a JSON object");
  return {};
}

std::vector<ToolCall> read_tool_calls(Fields& fields, const Json& calls, const std::string& path) {
  const auto refuse = [&](const std::string& where, const std::string& what) {
    fields.fail_at(where, what);
    return std::vector<ToolCall>();
  };
  if (!calls.is_array()) return refuse(path, "expected a list");
  std::vector<ToolCall> read;
  for (size_t i = 0; i < calls.size(); ++i) {
    const Json& each = calls[i];
    const std::string where = fmt::format("{}[{}].function", path, i);
    if (!each.is_object() || !each.contains("function") || !each["function"].is_object())
      return refuse(where, "expected an object");
    const Json& function = each["function"];
    if (!function.contains("name") || !function["name"].is_string())
      return refuse(where + ".name", "is required and a text");
    ToolCall call{.id = {}, .name = function["name"].get<std::string>(), .arguments = "{}"};
    if (each.contains("id") && each["id"].is_string()) call.id = each["id"].get<std::string>();
    if (function.contains("arguments") && !function["arguments"].is_null())
      call.arguments = read_arguments(fields, function["arguments"], where + ".arguments");
    read.push_back(std::move(call));
  }
  return read;
}

}  // namespace bitnetc::serve
