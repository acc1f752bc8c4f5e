#include "tools/chat/conversation.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "runtime/mapped_file.h"
#include "runtime/ordered_json.h"
#include "runtime/printable.h"
#include "tools/engine/json_document.h"

namespace bitnetc::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSchema[] = "conversation";
constexpr int kVersion = 1;
constexpr size_t kMostJsonDepth = 16;
constexpr int64_t kMostFileBytes = int64_t{64} << 20;
constexpr char kSystem[] = "system", kUser[] = "user", kAssistant[] = "assistant";
constexpr char kReasoning[] = "reasoning_content";

constexpr StopReason kStopReasons[] = {StopReason::kMaxTokens, StopReason::kEndOfText,
                                       StopReason::kStopString, StopReason::kContextFull,
                                       StopReason::kInterrupted};

// Reads fields of a document and keeps the first thing that is wrong with it.
class SavedFields {
 public:
  explicit SavedFields(const std::string& origin) : origin_(origin) {}

  const Status& status() const { return status_; }
  void fail(const std::string& path, const Json* value, const std::string& expected,
            StatusCode code = StatusCode::kDataCorrupt) {
    if (!status_.ok()) return;
    const std::string is =
        value == nullptr
            ? "is missing"
            : "is " + printable(value->dump(-1, ' ', false, Json::error_handler_t::replace), 60);
    status_ = make_error(code, "{}: {} {}, expected {}", origin_, path, is, expected);
  }

  const Json* find(const Json& object, const std::string& name) {
    const auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
  }
  std::string text(const Json& object, const std::string& name, const std::string& path) {
    const Json* value = find(object, name);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    fail(path + name, value, "a text");
    return {};
  }
  // Decimal, as a text: not every reader of JSON keeps 64 bits.
  uint64_t whole_number(const Json& object, const std::string& name) {
    const Json* value = find(object, name);
    uint64_t number = 0;
    if (value != nullptr && value->is_string()) {
      const auto digits = value->get<std::string>();
      const char* end = digits.data() + digits.size();
      const auto [stop, error] = std::from_chars(digits.data(), end, number);
      if (error == std::errc() && stop == end && !digits.empty()) return number;
    }
    fail(name, value, "a whole number from 0 to 2^64 - 1, as a text");
    return 0;
  }
  template <typename T>
  void number(const Json& object, const char* name, T& to) {
    const Json* value = find(object, name);
    const bool is_right = value != nullptr &&
                          (std::is_integral_v<T> ? value->is_number_integer() : value->is_number());
    if (!is_right)
      return fail(std::string("sampling.") + name, value,
                  std::is_integral_v<T> ? "a whole number" : "a number");
    to = value->get<T>();
  }

 private:
  const std::string origin_;
  Status status_;
};

Json messages_json(const Conversation& conversation) {
  auto messages = Json::array();
  if (conversation.system)
    messages.push_back({{"role", kSystem}, {"content", *conversation.system}});
  for (const Turn& turn : conversation.turns) {
    messages.push_back({{"role", kUser}, {"content", turn.question}});
    messages.push_back({{"role", kAssistant},
                        {"content", turn.answer},
                        {"stop_reason", stop_reason_name(turn.stop)}});
    if (!turn.thought.empty()) messages.back()[kReasoning] = turn.thought;
  }
  return messages;
}

StopReason read_stop_reason(SavedFields& fields, const Json& message, const std::string& path) {
  const Json* value = fields.find(message, "stop_reason");
  std::string names;
  for (const StopReason each : kStopReasons) {
    if (value != nullptr && *value == stop_reason_name(each)) return each;
    names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", stop_reason_name(each));
  }
  fields.fail(path + "stop_reason", value, "one of " + names);
  return {};
}

// The system message, if there is one, then questions and answers in turn.
Conversation read_messages(SavedFields& fields, const Json& document) {
  Conversation conversation;
  const Json* list = fields.find(document, "messages");
  if (list == nullptr || !list->is_array()) {
    fields.fail("messages", list, "a list");
    return conversation;
  }
  const char* expected = kUser;
  for (size_t i = 0; i < list->size() && fields.status().ok(); ++i) {
    const Json& message = (*list)[i];
    const std::string path = fmt::format("messages[{}].", i);
    if (!message.is_object()) {
      fields.fail(fmt::format("messages[{}]", i), &message, "an object");
      break;
    }
    const std::string role = fields.text(message, "role", path);
    std::string content = fields.text(message, "content", path);
    if (i == 0 && role == kSystem) {
      conversation.system = std::move(content);
    } else if (role != expected) {
      fields.fail(path + "role", fields.find(message, "role"), fmt::format("\"{}\"", expected));
    } else if (role == kUser) {
      conversation.turns.push_back({.question = std::move(content)});
      expected = kAssistant;
    } else {
      conversation.turns.back().answer = std::move(content);
      conversation.turns.back().stop = read_stop_reason(fields, message, path);
      if (message.contains(kReasoning))
        conversation.turns.back().thought = fields.text(message, kReasoning, path);
      expected = kUser;
    }
  }
  if (expected == kAssistant)
    fields.fail(fmt::format("messages[{}]", list->size()), nullptr,
                "the answer to the last message");
  return conversation;
}

SamplingParams read_sampling(SavedFields& fields, const Json& document) {
  SamplingParams sampling;
  const Json* object = fields.find(document, "sampling");
  if (object == nullptr || !object->is_object()) {
    fields.fail("sampling", object, "an object");
    return sampling;
  }
  fields.number(*object, "temperature", sampling.temperature);
  fields.number(*object, "top_k", sampling.top_k);
  fields.number(*object, "top_p", sampling.top_p);
  fields.number(*object, "min_p", sampling.min_p);
  fields.number(*object, "repeat_penalty", sampling.repeat_penalty);
  fields.number(*object, "repeat_last_n", sampling.repeat_last_n);
  sampling.seed = fields.whole_number(document, "seed");
  return sampling;
}

Result<Json> parse_document(std::string_view text, const std::string& origin) {
  Result<Json> document = parse_ordered_json(text, {.depth = kMostJsonDepth});
  if (document.ok() && document->is_object()) return document;
  constexpr char kExpected[] = "expected a conversation as /save writes it";
  if (document.ok())
    return make_error(StatusCode::kDataCorrupt, "{}: is no JSON object, {}", origin, kExpected);
  const Status& status = document.status();
  if (status.code() == StatusCode::kUnsupported)
    return make_error(StatusCode::kDataCorrupt, "{}: {}, {}", origin, status.message(), kExpected);
  return make_error(StatusCode::kDataCorrupt, "{}: is no JSON: {}", origin, status.message());
}

}  // namespace

std::vector<ChatMessage> Conversation::messages() const {
  std::vector<ChatMessage> all;
  if (system) all.push_back({kSystem, *system});
  for (const Turn& turn : turns) {
    all.push_back({kUser, turn.question});
    all.push_back({.role = kAssistant, .content = turn.answer, .reasoning_content = turn.thought});
  }
  return all;
}

std::string saved_chat_json(const SavedChat& chat, const std::string& version) {
  const ChatSettings& settings = chat.settings;
  return json_document(kSchema, kVersion,
                       {{"messages", messages_json(chat.conversation)},
                        {"model", settings.model},
                        {"fingerprint", settings.fingerprint},
                        {"seed", std::to_string(settings.sampling.seed)},
                        {"answers", std::to_string(chat.answers)},
                        {"sampling", sampling_json(settings.sampling)},
                        {"bitnetc_version", version}}) +
         "\n";
}

Result<SavedChat> parse_saved_chat(std::string_view text, const std::string& origin) {
  BITNETC_ASSIGN_OR_RETURN(const Json document, parse_document(text, origin));
  SavedFields fields(origin);
  const std::string schema = fmt::format("bitnetc.{}", kSchema);
  if (const Json* value = fields.find(document, "schema"); value == nullptr || *value != schema)
    fields.fail("schema", value, fmt::format("\"{}\"", schema));
  if (const Json* value = fields.find(document, "version"); value == nullptr || *value != kVersion)
    fields.fail("version", value, std::to_string(kVersion), StatusCode::kUnsupported);
  SavedChat chat;
  chat.conversation = read_messages(fields, document);
  chat.settings = {.model = fields.text(document, "model", ""),
                   .fingerprint = fields.text(document, "fingerprint", ""),
                   .sampling = read_sampling(fields, document)};
  chat.answers = fields.whole_number(document, "answers");
  BITNETC_RETURN_IF_ERROR(fields.status());
  return chat;
}

Result<SavedChat> read_saved_chat(const std::string& path) {
  BITNETC_ASSIGN_OR_RETURN(const auto file, MappedFile::open(path));
  const std::span<const uint8_t> bytes = file->bytes();
  if (std::ssize(bytes) > kMostFileBytes)
    return make_error(StatusCode::kUnsupported, "{}: has {} bytes, expected at most {}",
                      printable_path(path), bytes.size(), kMostFileBytes);
  return parse_saved_chat({reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                          printable_path(path));
}

std::string differences(const ChatSettings& saved, const ChatSettings& here) {
  std::string names;
  const auto compare = [&](const char* name, const auto& a, const auto& b) {
    if (a != b) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  };
  const SamplingParams &a = saved.sampling, &b = here.sampling;
  compare("model or template", saved.fingerprint, here.fingerprint);
  compare("temperature", a.temperature, b.temperature);
  compare("top_k", a.top_k, b.top_k);
  compare("top_p", a.top_p, b.top_p);
  compare("min_p", a.min_p, b.min_p);
  compare("repeat_penalty", a.repeat_penalty, b.repeat_penalty);
  compare("repeat_last_n", a.repeat_last_n, b.repeat_last_n);
  compare("seed", a.seed, b.seed);
  return names;
}

}  // namespace bitnetc::chat
