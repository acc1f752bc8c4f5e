// Chat templates: the Jinja that transformers renders, over values that the caller gives. A
// template reads nothing but those values: no file, no environment, no clock. A Template is
// immutable; any thread may render one.
//
// The language is Jinja's, less what loads other templates: tags if, for (with filter, else,
// recursive, break, continue), set, macro, call, filter, with, block, raw, generation; the
// operators, filters, tests and methods of Python's strings, lists and dicts that do not change
// their object; namespace, range, dict, cycler, joiner, raise_exception, strftime_now. Integers are
// of 64 bits. White space as transformers sets it: trim_blocks, lstrip_blocks, no final newline.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "frontend/jinja/value.h"
#include "runtime/status.h"

namespace bitnetc::jinja {

// What one rendering may use. A template that needs more is refused, not cut.
struct Limits {
  int64_t steps = 10'000'000;  // of the interpreter; about a second
  int64_t output_characters = int64_t{1} << 24;
  int depth = 500;  // expressions, tags and macros around each other
};

struct RenderOptions {
  std::tm now = {};  // what strftime_now() prints
  Limits limits = {};
};

// [begin, end) in bytes of the rendered text.
struct Span {
  size_t begin = 0;
  size_t end = 0;
};

struct Rendering {
  std::string text;              // UTF-8
  std::vector<Span> marked;      // characters that came from marked values; apart and in order
  std::vector<Span> generation;  // what each {% generation %} block printed
};

class Template {
 public:
  // `origin`, printable, opens every message: "chat_template.jinja:3:14: expected ...".
  //   Error  kDataCorrupt for a syntax error, kUnsupported for what is not part of the language
  static Result<Template> parse(std::string_view source, const std::string& origin);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // `variables` is a dict whose keys are strings.
  //   Error  kInvalidArgument with the template's own text if it calls raise_exception;
  //          kUnsupported at a limit, an unknown filter or an integer beyond 64 bits;
  //          kDataCorrupt for any other failure: an undefined value, types that do not fit
  Result<Rendering> render(const Value& variables, const RenderOptions& options) const;

 private:
  struct Impl;
  explicit Template(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

}  // namespace bitnetc::jinja
