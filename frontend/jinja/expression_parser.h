// Expressions, and the tokens they are read from. The statements are parser.cpp's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "frontend/jinja/ast.h"

namespace bitnetc::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<ExpressionPtr> expression();                    // with its conditional
  Result<ExpressionPtr> expression_without_condition();  // what stands behind `in` of a loop
  // One expression, or several with commas between them as a tuple.
  Result<ExpressionPtr> expression_list(bool with_condition = true);
  // (a, b=1) behind a name.
  Result<ArgumentList> arguments();
  // upper|trim(1): filters over the text of a block.
  Result<ExpressionPtr> block_filters();

  // The names of every reference since the last call: what a macro's body speaks of.
  struct SpecialNames {
    bool varargs = false, kwargs = false, caller = false;
  };
  SpecialNames& special_names() { return special_names_; }

  const Token& current() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool skip_operator(std::string_view spelling);
  bool skip_name(std::string_view spelling);
  Status expect_operator(std::string_view spelling);
  Status expect_name(std::string_view spelling);
  Result<std::string> expect_any_name(std::string_view what);

  // kDataCorrupt: "expected `what`, found ...", at the current token.
  Status expected(std::string_view what);
  Status fail(StatusCode code, std::string message, Position at);
  Position error_position() const { return error_at_.value_or(current().at); }

 private:
  Result<ExpressionPtr> disjunction();
  Result<ExpressionPtr> conjunction();
  Result<ExpressionPtr> negation();
  Result<ExpressionPtr> comparison();
  Result<ExpressionPtr> sum();
  Result<ExpressionPtr> concatenation();
  Result<ExpressionPtr> product();
  Result<ExpressionPtr> power();
  Result<ExpressionPtr> unary(bool with_filters);
  Result<ExpressionPtr> primary();
  Result<ExpressionPtr> parenthesised();
  Result<ExpressionPtr> list();
  Result<ExpressionPtr> dict();
  Result<ExpressionPtr> postfix(ExpressionPtr value);
  Result<ExpressionPtr> subscript(ExpressionPtr value);
  Result<ExpressionPtr> subscripted(ExpressionPtr value, Position at);
  Result<ExpressionPtr> filters_and_tests(ExpressionPtr value);
  Result<ExpressionPtr> filter(ExpressionPtr value);
  Result<ExpressionPtr> test(ExpressionPtr value);
  Result<ExpressionPtr> call(ExpressionPtr callee);
  Status argument(ArgumentList& list);
  Result<std::string> dotted_name(std::string_view what);
  bool at_tuple_end() const;
  std::optional<std::string> comparison_operator();

  struct Draft;
  Result<ExpressionPtr> finish(Expression expression);
  Status enter();

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  std::optional<Position> error_at_;
  SpecialNames special_names_;
};

}  // namespace bitnetc::jinja
