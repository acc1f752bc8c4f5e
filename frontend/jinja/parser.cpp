#include "frontend/jinja/parser.h"

#include <algorithm>

#include "frontend/jinja/expression_parser.h"

namespace bitnetc::jinja {
namespace {

constexpr int kMaxNesting = 60;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Status run(Body& body) {
    BITNETC_RETURN_IF_ERROR(read_body({}, body));
    return {};
  }
  Position error_position() const { return tokens_.error_position(); }

 private:
  using Ends = std::vector<std::string_view>;

  // Statements up to a tag whose name is in `ends`, which stays current; without ends, up to the
  // end of the template.
  Status read_body(const Ends& ends, Body& body) {
    if (++nesting_ > kMaxNesting)
      return tokens_.fail(StatusCode::kUnsupported,
                          fmt::format("tags nested deeper than {} levels", kMaxNesting),
                          tokens_.current().at);
    for (;;) {
      const Token& token = tokens_.current();
      if (token.kind == TokenKind::kEnd) {
        if (!ends.empty()) return tokens_.expected(one_of(ends));
        break;
      }
      if (token.kind == TokenKind::kBlockBegin) {
        const Token& name = tokens_.next();
        if (std::any_of(ends.begin(), ends.end(),
                        [&](std::string_view end) { return name.is_name(end); })) {
          tokens_.take();
          break;
        }
      }
      BITNETC_RETURN_IF_ERROR(read_one(ends, body));
    }
    --nesting_;
    return {};
  }

  static std::string one_of(const Ends& ends) {
    return fmt::format("the tag {}", fmt::join(ends, " or "));
  }

  Status read_one(const Ends& ends, Body& body) {
    const Token token = tokens_.take();
    Statement statement;
    statement.at = token.at;
    if (token.kind == TokenKind::kText) {
      statement.text = token.text;
      body.push_back(std::move(statement));
      return {};
    }
    if (token.kind == TokenKind::kPrintBegin) {
      statement.kind = StatementKind::kPrint;
      BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.expression_list());
      if (tokens_.current().kind != TokenKind::kPrintEnd)
        return tokens_.expected("}}, the end of the expression");
      tokens_.take();
      body.push_back(std::move(statement));
      return {};
    }
    return read_tag(ends, std::move(statement), body);
  }

  Status read_tag(const Ends& ends, Statement statement, Body& body) {
    using Reader = Status (Parser::*)(Statement&);
    static constexpr std::pair<std::string_view, Reader> kTags[] = {
        {"if", &Parser::read_if},
        {"for", &Parser::read_for},
        {"set", &Parser::read_set},
        {"macro", &Parser::read_macro},
        {"call", &Parser::read_call},
        {"filter", &Parser::read_filter},
        {"with", &Parser::read_with},
        {"block", &Parser::read_block},
        {"autoescape", &Parser::read_autoescape},
        {"break", &Parser::read_break},
        {"generation", &Parser::read_generation},
        {"continue", &Parser::read_continue}};
    const Token name = tokens_.current();
    if (name.kind != TokenKind::kName) return tokens_.expected("the name of a tag");
    for (const auto& [tag, reader] : kTags) {
      if (!name.is_name(tag)) continue;
      tokens_.take();
      BITNETC_RETURN_IF_ERROR((this->*reader)(statement));
      body.push_back(std::move(statement));
      return {};
    }
    for (const char* tag : {"extends", "include", "import", "from"})
      if (name.is_name(tag))
        return tokens_.fail(StatusCode::kUnsupported,
                            fmt::format("the tag {}: a chat template cannot load another", tag),
                            name.at);
    if (!ends.empty()) return tokens_.expected(one_of(ends));
    return tokens_.expected("the name of a tag");
  }

  Status end_tag() {
    if (tokens_.current().kind != TokenKind::kBlockEnd)
      return tokens_.expected("%}, the end of the tag");
    tokens_.take();
    return {};
  }

  // The body up to {% end %}, that tag included.
  Status read_block_body(std::string_view end, Body& body) {
    BITNETC_RETURN_IF_ERROR(end_tag());
    BITNETC_RETURN_IF_ERROR(read_body({end}, body));
    tokens_.take();
    return end_tag();
  }

  // The same where {% break %} of a loop outside does not reach.
  Status read_closed_body(std::string_view end, Body& body) {
    const int loops = std::exchange(loops_, 0);
    BITNETC_RETURN_IF_ERROR(read_block_body(end, body));
    loops_ = loops;
    return {};
  }

  Status read_if(Statement& statement) {
    statement.kind = StatementKind::kIf;
    for (;;) {
      Branch branch;
      BITNETC_ASSIGN_OR_RETURN(branch.condition, tokens_.expression_list(false));
      BITNETC_RETURN_IF_ERROR(end_tag());
      BITNETC_RETURN_IF_ERROR(read_body({"elif", "else", "endif"}, branch.body));
      statement.branches.push_back(std::move(branch));
      const Token tag = tokens_.take();
      if (tag.is_name("elif")) continue;
      if (tag.is_name("endif")) return end_tag();
      Branch otherwise;
      BITNETC_RETURN_IF_ERROR(read_block_body("endif", otherwise.body));
      statement.branches.push_back(std::move(otherwise));
      return {};
    }
  }

  Status read_for(Statement& statement) {
    statement.kind = StatementKind::kFor;
    BITNETC_ASSIGN_OR_RETURN(statement.target, read_target(false));
    BITNETC_RETURN_IF_ERROR(tokens_.expect_name("in"));
    BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.expression_without_condition());
    if (tokens_.skip_name("if")) {
      BITNETC_ASSIGN_OR_RETURN(statement.condition, tokens_.expression());
    }
    statement.is_recursive = tokens_.skip_name("recursive");
    BITNETC_RETURN_IF_ERROR(end_tag());
    ++loops_;
    BITNETC_RETURN_IF_ERROR(read_body({"endfor", "else"}, statement.body));
    --loops_;
    if (tokens_.take().is_name("endfor")) return end_tag();
    return read_block_body("endfor", statement.otherwise);
  }

  Status read_break(Statement& statement) { return read_jump(statement, StatementKind::kBreak); }
  Status read_continue(Statement& statement) {
    return read_jump(statement, StatementKind::kContinue);
  }

  Status read_jump(Statement& statement, StatementKind kind) {
    statement.kind = kind;
    if (loops_ == 0)
      return tokens_.fail(
          StatusCode::kDataCorrupt,
          fmt::format("'{}' outside a loop", kind == StatementKind::kBreak ? "break" : "continue"),
          statement.at);
    return end_tag();
  }

  // a, (b, c): names to be set; `allows_attribute`: also name.attribute, alone.
  Result<Target> read_target(bool allows_attribute) {
    if (++nesting_ > kMaxNesting)
      return tokens_.fail(StatusCode::kUnsupported, "targets nested too deep",
                          tokens_.current().at);
    Target first;
    BITNETC_ASSIGN_OR_RETURN(first, read_one_target(allows_attribute));
    --nesting_;
    if (!tokens_.current().is_operator(",")) return first;
    Target tuple{.at = first.at, .parts = {}, .is_tuple = true};
    tuple.parts.push_back(std::move(first));
    while (tokens_.skip_operator(",")) {
      const Token& token = tokens_.current();
      if (token.is_name("in") || token.is_operator("=") || token.is_operator(")")) break;
      BITNETC_ASSIGN_OR_RETURN(Target part, read_one_target(false));
      tuple.parts.push_back(std::move(part));
    }
    return tuple;
  }

  Result<Target> read_one_target(bool allows_attribute) {
    Target target;
    target.at = tokens_.current().at;
    if (tokens_.skip_operator("(")) {
      BITNETC_ASSIGN_OR_RETURN(target, read_target(false));
      BITNETC_RETURN_IF_ERROR(tokens_.expect_operator(")"));
      return target;
    }
    BITNETC_ASSIGN_OR_RETURN(target.name, tokens_.expect_any_name("a name to set"));
    for (const char* constant : {"true", "false", "none", "True", "False", "None"})
      if (target.name == constant)
        return tokens_.fail(StatusCode::kDataCorrupt,
                            fmt::format("'{}' is a constant and cannot be set", constant),
                            target.at);
    if (allows_attribute && tokens_.skip_operator(".")) {
      BITNETC_ASSIGN_OR_RETURN(target.attribute, tokens_.expect_any_name("an attribute to set"));
    }
    return target;
  }

  Status read_set(Statement& statement) {
    BITNETC_ASSIGN_OR_RETURN(statement.target, read_target(true));
    if (tokens_.skip_operator("=")) {
      statement.kind = StatementKind::kSet;
      BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.expression_list());
      return end_tag();
    }
    statement.kind = StatementKind::kSetBlock;
    if (tokens_.skip_operator("|")) {
      BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.block_filters());
    }
    return read_block_body("endset", statement.body);
  }

  // (a, b=1)
  Status read_parameters(MacroDefinition& macro) {
    BITNETC_RETURN_IF_ERROR(tokens_.expect_operator("("));
    while (!tokens_.skip_operator(")")) {
      if (!macro.parameters.empty()) BITNETC_RETURN_IF_ERROR(tokens_.expect_operator(","));
      const Position at = tokens_.current().at;
      BITNETC_ASSIGN_OR_RETURN(std::string name, tokens_.expect_any_name("a parameter"));
      macro.parameters.push_back(std::move(name));
      if (tokens_.skip_operator("=")) {
        BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, tokens_.expression());
        macro.defaults.push_back(std::move(value));
      } else if (!macro.defaults.empty()) {
        return tokens_.fail(StatusCode::kDataCorrupt,
                            "a parameter without a default behind one with a default", at);
      }
    }
    return {};
  }

  Status read_macro_body(std::string_view end, MacroDefinition& macro) {
    const ExpressionParser::SpecialNames before = std::exchange(tokens_.special_names(), {});
    BITNETC_RETURN_IF_ERROR(read_closed_body(end, macro.body));
    ExpressionParser::SpecialNames& names = tokens_.special_names();
    macro.takes_more_positional = names.varargs;
    macro.takes_more_named = names.kwargs;
    macro.takes_caller = names.caller;
    names.varargs |= before.varargs;
    names.kwargs |= before.kwargs;
    names.caller |= before.caller;
    return {};
  }

  Status read_macro(Statement& statement) {
    statement.kind = StatementKind::kMacro;
    MacroDefinition macro;
    BITNETC_ASSIGN_OR_RETURN(macro.name, tokens_.expect_any_name("the name of the macro"));
    BITNETC_RETURN_IF_ERROR(read_parameters(macro));
    BITNETC_RETURN_IF_ERROR(read_macro_body("endmacro", macro));
    statement.macro = std::make_shared<const MacroDefinition>(std::move(macro));
    return {};
  }

  Status read_call(Statement& statement) {
    statement.kind = StatementKind::kCallBlock;
    MacroDefinition caller;
    caller.name = "caller";
    if (tokens_.current().is_operator("(")) BITNETC_RETURN_IF_ERROR(read_parameters(caller));
    BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.expression());
    if (statement.expression->kind != ExpressionKind::kCall)
      return tokens_.fail(StatusCode::kDataCorrupt, "expected a call, like name()", statement.at);
    BITNETC_RETURN_IF_ERROR(read_macro_body("endcall", caller));
    statement.macro = std::make_shared<const MacroDefinition>(std::move(caller));
    return {};
  }

  Status read_filter(Statement& statement) {
    statement.kind = StatementKind::kFilterBlock;
    BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.block_filters());
    return read_block_body("endfilter", statement.body);
  }

  Status read_with(Statement& statement) {
    statement.kind = StatementKind::kWith;
    while (tokens_.current().kind != TokenKind::kBlockEnd) {
      if (!statement.bindings.empty()) BITNETC_RETURN_IF_ERROR(tokens_.expect_operator(","));
      BITNETC_ASSIGN_OR_RETURN(Target target, read_one_target(false));
      BITNETC_RETURN_IF_ERROR(tokens_.expect_operator("="));
      BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, tokens_.expression());
      statement.bindings.emplace_back(std::move(target), std::move(value));
    }
    return read_block_body("endwith", statement.body);
  }

  Status read_block(Statement& statement) {
    statement.kind = StatementKind::kScope;
    BITNETC_ASSIGN_OR_RETURN(const std::string name,
                             tokens_.expect_any_name("the name of the block"));
    if (std::find(blocks_.begin(), blocks_.end(), name) != blocks_.end())
      return tokens_.fail(StatusCode::kDataCorrupt,
                          fmt::format("the block '{}' is defined twice", name), statement.at);
    blocks_.push_back(name);
    const int loops = std::exchange(loops_, 0);
    BITNETC_RETURN_IF_ERROR(end_tag());
    BITNETC_RETURN_IF_ERROR(read_body({"endblock"}, statement.body));
    loops_ = loops;
    tokens_.take();
    tokens_.skip_name(name);
    return end_tag();
  }

  Status read_autoescape(Statement& statement) {
    statement.kind = StatementKind::kScope;
    BITNETC_ASSIGN_OR_RETURN(statement.expression, tokens_.expression());
    return read_block_body("endautoescape", statement.body);
  }

  Status read_generation(Statement& statement) {
    statement.kind = StatementKind::kGeneration;
    return read_closed_body("endgeneration", statement.body);
  }

  ExpressionParser tokens_;
  int nesting_ = 0;
  int loops_ = 0;  // around the current tag
  std::vector<std::string> blocks_;
};

}  // namespace

bool parse(std::string_view source, Body& body, LocatedError& error) {
  std::vector<Token> tokens;
  if (!tokenize(source, tokens, error)) return false;
  Parser parser(std::move(tokens));
  Status status = parser.run(body);
  if (status.ok()) return true;
  error = {parser.error_position(), std::move(status)};
  return false;
}

}  // namespace bitnetc::jinja
