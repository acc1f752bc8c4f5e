#include "frontend/jinja/jinja.h"

#include "frontend/jinja/interpreter.h"
#include "frontend/jinja/parser.h"
#include "frontend/unicode/utf8.h"
#include "runtime/printable.h"

namespace bitnetc::jinja {
namespace {

constexpr size_t kMaxSourceBytes = size_t{4} << 20;

Status located(const std::string& origin, Position at, const Status& status) {
  return make_error(status.code(), "{}:{}:{}: {}", origin, at.line, at.column,
                    printable(status.message()));
}

// The text of an Interpreter as bytes, with the places of its characters.
class ByteMap {
 public:
  explicit ByteMap(const Text& text) {
    offsets_.reserve(text.size() + 1);
    for (const char32_t character : text) {
      offsets_.push_back(bytes_.size());
      append_utf8(code_point(character), bytes_);
    }
    offsets_.push_back(bytes_.size());
  }
  Span span(size_t begin, size_t end) const { return {offsets_[begin], offsets_[end]}; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  std::vector<size_t> offsets_;
};

}  // namespace

struct Template::Impl {
  std::string origin;
  Body body;
};

Template::Template(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source, const std::string& origin) {
  if (source.size() > kMaxSourceBytes)
    return make_error(StatusCode::kUnsupported, "{}: a template of {} bytes, expected at most {}",
                      origin, source.size(), kMaxSourceBytes);
  if (const size_t at = find_invalid_utf8(source); at != std::string_view::npos)
    return make_error(StatusCode::kDataCorrupt, "{}: not valid UTF-8 at byte {}", origin, at);
  auto impl = std::make_unique<Impl>();
  impl->origin = origin;
  LocatedError error;
  if (!jinja::parse(source, impl->body, error)) return located(origin, error.at, error.status);
  return Template(std::move(impl));
}

Result<Rendering> Template::render(const Value& variables, const RenderOptions& options) const {
  BITNETC_CHECK(variables.table() != nullptr, "the variables are a {}", variables.type_name());
  Interpreter interpreter(variables, options);
  const Status status = interpreter.run(impl_->body);
  if (!status.ok()) return located(impl_->origin, interpreter.error_position(), status);
  const Text& output = interpreter.output();
  ByteMap bytes(output);
  Rendering rendering;
  for (size_t begin = 0; begin < output.size();) {
    size_t end = begin;
    while (end < output.size() && mark_of(output[end]) == mark_of(output[begin])) ++end;
    if (mark_of(output[begin]) != 0) rendering.marked.push_back(bytes.span(begin, end));
    begin = end;
  }
  for (const Interpreter::Range& range : interpreter.generation())
    rendering.generation.push_back(bytes.span(range.begin, range.end));
  rendering.text = bytes.take();
  return rendering;
}

}  // namespace bitnetc::jinja
