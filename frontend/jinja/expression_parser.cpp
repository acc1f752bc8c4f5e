#include "frontend/jinja/expression_parser.h"

#include <algorithm>

namespace bitnetc::jinja {
namespace {

// Deeper than any template that was ever published, and safe on the stack of any thread.
constexpr int kMaxDepth = 100;
constexpr int kMaxHeight = 200;

Expression make(ExpressionKind kind, Position at) {
  Expression expression;
  expression.kind = kind;
  expression.at = at;
  return expression;
}

Expression make(ExpressionKind kind, Position at, ExpressionPtr child) {
  Expression expression = make(kind, at);
  expression.children.push_back(std::move(child));
  return expression;
}

// Counts one level of recursion of the parser while it lives.
class Level {
 public:
  explicit Level(int& depth) : depth_(depth) { ++depth_; }
  ~Level() { --depth_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& depth_;
};

int height_of(const ArgumentList& list) {
  int height = 0;
  const auto see = [&](const ExpressionPtr& each) {
    if (each) height = std::max(height, each->height);
  };
  for (const ExpressionPtr& each : list.positional) see(each);
  for (const auto& [name, each] : list.named) see(each);
  see(list.more_positional);
  see(list.more_named);
  return height;
}

}  // namespace

Token ExpressionParser::take() {
  Token token = current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::skip_operator(std::string_view spelling) {
  if (!current().is_operator(spelling)) return false;
  take();
  return true;
}

bool ExpressionParser::skip_name(std::string_view spelling) {
  if (!current().is_name(spelling)) return false;
  take();
  return true;
}

Status ExpressionParser::expect_operator(std::string_view spelling) {
  return skip_operator(spelling) ? Status() : expected(fmt::format("'{}'", spelling));
}

Status ExpressionParser::expect_name(std::string_view spelling) {
  return skip_name(spelling) ? Status() : expected(fmt::format("'{}'", spelling));
}

Result<std::string> ExpressionParser::expect_any_name(std::string_view what) {
  if (current().kind != TokenKind::kName) return expected(what);
  return to_utf8(take().text);
}

Status ExpressionParser::expected(std::string_view what) {
  return fail(StatusCode::kDataCorrupt,
              fmt::format("expected {}, found {}", what, current().describe()), current().at);
}

Status ExpressionParser::fail(StatusCode code, std::string message, Position at) {
  error_at_ = at;
  return Status(code, std::move(message));
}

Status ExpressionParser::enter() {
  if (depth_ <= kMaxDepth) return {};
  return fail(StatusCode::kUnsupported,
              fmt::format("an expression nested deeper than {} levels", kMaxDepth), current().at);
}

Result<ExpressionPtr> ExpressionParser::finish(Expression expression) {
  int height = height_of(expression.arguments);
  for (const ExpressionPtr& child : expression.children)
    if (child) height = std::max(height, child->height);
  expression.height = height + 1;
  if (expression.height > kMaxHeight)
    return fail(StatusCode::kUnsupported,
                fmt::format("an expression of more than {} levels", kMaxHeight), expression.at);
  return ExpressionPtr(std::make_unique<const Expression>(std::move(expression)));
}

Result<ExpressionPtr> ExpressionParser::expression() {
  const Level level(depth_);
  BITNETC_RETURN_IF_ERROR(enter());
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, disjunction());
  while (current().is_name("if")) {
    Expression conditional = make(ExpressionKind::kConditional, take().at);
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr condition, disjunction());
    conditional.children.push_back(std::move(condition));
    conditional.children.push_back(std::move(value));
    if (skip_name("else")) {
      BITNETC_ASSIGN_OR_RETURN(ExpressionPtr otherwise, expression());
      conditional.children.push_back(std::move(otherwise));
    }
    BITNETC_ASSIGN_OR_RETURN(value, finish(std::move(conditional)));
  }
  return value;
}

Result<ExpressionPtr> ExpressionParser::expression_without_condition() {
  return expression_list(/*with_condition=*/false);
}

bool ExpressionParser::at_tuple_end() const {
  return current().kind == TokenKind::kPrintEnd || current().kind == TokenKind::kBlockEnd ||
         current().is_operator(")") || current().is_name("recursive");
}

Result<ExpressionPtr> ExpressionParser::expression_list(bool with_condition) {
  const auto one = [&] { return with_condition ? expression() : disjunction(); };
  const Position at = current().at;
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr first, one());
  if (!current().is_operator(",")) return first;
  Expression tuple = make(ExpressionKind::kTuple, at, std::move(first));
  while (skip_operator(",")) {
    if (at_tuple_end()) break;
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr item, one());
    tuple.children.push_back(std::move(item));
  }
  return finish(std::move(tuple));
}

Result<ExpressionPtr> ExpressionParser::disjunction() {
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr left, conjunction());
  while (current().is_name("or")) {
    Expression either = make(ExpressionKind::kOr, take().at, std::move(left));
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr right, conjunction());
    either.children.push_back(std::move(right));
    BITNETC_ASSIGN_OR_RETURN(left, finish(std::move(either)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::conjunction() {
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr left, negation());
  while (current().is_name("and")) {
    Expression both = make(ExpressionKind::kAnd, take().at, std::move(left));
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr right, negation());
    both.children.push_back(std::move(right));
    BITNETC_ASSIGN_OR_RETURN(left, finish(std::move(both)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::negation() {
  if (!current().is_name("not")) return comparison();
  const Level level(depth_);
  BITNETC_RETURN_IF_ERROR(enter());
  const Position at = take().at;
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, negation());
  return finish(make(ExpressionKind::kNot, at, std::move(value)));
}

std::optional<std::string> ExpressionParser::comparison_operator() {
  for (const char* spelling : {"==", "!=", "<=", ">=", "<", ">"})
    if (skip_operator(spelling)) return spelling;
  if (skip_name("in")) return "in";
  if (current().is_name("not") && next().is_name("in")) {
    take();
    take();
    return "not in";
  }
  return std::nullopt;
}

Result<ExpressionPtr> ExpressionParser::comparison() {
  const Position at = current().at;
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr first, sum());
  std::optional<std::string> spelling = comparison_operator();
  if (!spelling) return first;
  Expression chain = make(ExpressionKind::kCompare, at, std::move(first));
  for (; spelling; spelling = comparison_operator()) {
    chain.comparisons.push_back(*spelling);
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr operand, sum());
    chain.children.push_back(std::move(operand));
  }
  return finish(std::move(chain));
}

Result<ExpressionPtr> ExpressionParser::sum() {
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr left, concatenation());
  while (current().is_operator("+") || current().is_operator("-")) {
    const Token sign = take();
    Expression binary = make(ExpressionKind::kBinary, sign.at, std::move(left));
    binary.operation = to_utf8(sign.text);
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr right, concatenation());
    binary.children.push_back(std::move(right));
    BITNETC_ASSIGN_OR_RETURN(left, finish(std::move(binary)));
  }
  return left;
}

// Binds tighter than + and looser than *.
Result<ExpressionPtr> ExpressionParser::concatenation() {
  const Position at = current().at;
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr first, product());
  if (!current().is_operator("~")) return first;
  Expression joined = make(ExpressionKind::kConcatenate, at, std::move(first));
  while (skip_operator("~")) {
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr item, product());
    joined.children.push_back(std::move(item));
  }
  return finish(std::move(joined));
}

Result<ExpressionPtr> ExpressionParser::product() {
  const auto at_operator = [&] {
    return current().is_operator("*") || current().is_operator("/") ||
           current().is_operator("//") || current().is_operator("%");
  };
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr left, power());
  while (at_operator()) {
    const Token sign = take();
    Expression binary = make(ExpressionKind::kBinary, sign.at, std::move(left));
    binary.operation = to_utf8(sign.text);
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr right, power());
    binary.children.push_back(std::move(right));
    BITNETC_ASSIGN_OR_RETURN(left, finish(std::move(binary)));
  }
  return left;
}

// From the left, as Jinja has it: 2 ** 3 ** 2 is 64.
Result<ExpressionPtr> ExpressionParser::power() {
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr left, unary(true));
  while (current().is_operator("**")) {
    Expression binary = make(ExpressionKind::kBinary, take().at, std::move(left));
    binary.operation = "**";
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr right, unary(true));
    binary.children.push_back(std::move(right));
    BITNETC_ASSIGN_OR_RETURN(left, finish(std::move(binary)));
  }
  return left;
}

Result<ExpressionPtr> ExpressionParser::unary(bool with_filters) {
  const Level level(depth_);
  BITNETC_RETURN_IF_ERROR(enter());
  ExpressionPtr value;
  if (current().is_operator("-") || current().is_operator("+")) {
    const Token sign = take();
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr operand, unary(false));
    Expression signed_value = make(ExpressionKind::kUnary, sign.at, std::move(operand));
    signed_value.operation = to_utf8(sign.text);
    BITNETC_ASSIGN_OR_RETURN(value, finish(std::move(signed_value)));
  } else {
    BITNETC_ASSIGN_OR_RETURN(value, primary());
  }
  BITNETC_ASSIGN_OR_RETURN(value, postfix(std::move(value)));
  if (!with_filters) return value;
  return filters_and_tests(std::move(value));
}

Result<ExpressionPtr> ExpressionParser::primary() {
  const Token& token = current();
  Expression constant = make(ExpressionKind::kConstant, token.at);
  switch (token.kind) {
    case TokenKind::kName: {
      const Token name_token = take();
      const std::string name = to_utf8(name_token.text);
      if (name == "true" || name == "True" || name == "false" || name == "False") {
        constant.constant = Value::boolean(name == "true" || name == "True");
      } else if (name != "none" && name != "None") {
        constant.kind = ExpressionKind::kName;
        constant.name = name;
        special_names_.varargs |= name == "varargs";
        special_names_.kwargs |= name == "kwargs";
        special_names_.caller |= name == "caller";
      }
      return finish(std::move(constant));
    }
    case TokenKind::kString: {
      Text text;
      while (current().kind == TokenKind::kString) text += take().text;
      constant.constant = Value::string(std::move(text));
      return finish(std::move(constant));
    }
    case TokenKind::kInteger:
      constant.constant = Value::integer(take().integer);
      return finish(std::move(constant));
    case TokenKind::kReal:
      constant.constant = Value::real(take().real);
      return finish(std::move(constant));
    default: break;
  }
  if (token.is_operator("(")) return parenthesised();
  if (token.is_operator("[")) return list();
  if (token.is_operator("{")) return dict();
  return expected("an expression");
}

Result<ExpressionPtr> ExpressionParser::parenthesised() {
  const Position at = take().at;
  if (skip_operator(")")) return finish(make(ExpressionKind::kTuple, at));
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, expression_list());
  BITNETC_RETURN_IF_ERROR(expect_operator(")"));
  return value;
}

Result<ExpressionPtr> ExpressionParser::list() {
  Expression items = make(ExpressionKind::kList, take().at);
  while (!skip_operator("]")) {
    if (!items.children.empty()) BITNETC_RETURN_IF_ERROR(expect_operator(","));
    if (skip_operator("]")) break;
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr item, expression());
    items.children.push_back(std::move(item));
  }
  return finish(std::move(items));
}

Result<ExpressionPtr> ExpressionParser::dict() {
  Expression entries = make(ExpressionKind::kDict, take().at);
  while (!skip_operator("}")) {
    if (!entries.children.empty()) BITNETC_RETURN_IF_ERROR(expect_operator(","));
    if (skip_operator("}")) break;
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr key, expression());
    BITNETC_RETURN_IF_ERROR(expect_operator(":"));
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, expression());
    entries.children.push_back(std::move(key));
    entries.children.push_back(std::move(value));
  }
  return finish(std::move(entries));
}

Result<ExpressionPtr> ExpressionParser::postfix(ExpressionPtr value) {
  for (;;) {
    if (current().is_operator(".") || current().is_operator("[")) {
      BITNETC_ASSIGN_OR_RETURN(value, subscript(std::move(value)));
    } else if (current().is_operator("(")) {
      BITNETC_ASSIGN_OR_RETURN(value, call(std::move(value)));
    } else {
      return value;
    }
  }
}

Result<ExpressionPtr> ExpressionParser::subscript(ExpressionPtr value) {
  const Token opening = take();
  if (opening.is_operator("[")) return subscripted(std::move(value), opening.at);
  if (current().kind == TokenKind::kName) {
    Expression attribute = make(ExpressionKind::kAttribute, opening.at, std::move(value));
    attribute.name = to_utf8(take().text);
    return finish(std::move(attribute));
  }
  if (current().kind != TokenKind::kInteger) return expected("a name or a number behind '.'");
  Expression index = make(ExpressionKind::kConstant, current().at);
  index.constant = Value::integer(take().integer);
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr index_node, finish(std::move(index)));
  Expression item = make(ExpressionKind::kItem, opening.at, std::move(value));
  item.children.push_back(std::move(index_node));
  return finish(std::move(item));
}

// Behind [: an index, indices with commas (a tuple), or a slice.
Result<ExpressionPtr> ExpressionParser::subscripted(ExpressionPtr value, Position at) {
  ExpressionPtr parts[3];
  size_t count = 0;
  bool is_slice = false;
  for (; count < 3; ++count) {
    if (!current().is_operator(":") && !current().is_operator("]")) {
      BITNETC_ASSIGN_OR_RETURN(parts[count], expression_list());
    }
    if (!skip_operator(":")) break;
    is_slice = true;
  }
  BITNETC_RETURN_IF_ERROR(expect_operator("]"));
  if (!is_slice && parts[0] == nullptr)
    return fail(StatusCode::kDataCorrupt, "expected an index between [ and ]", at);
  Expression access =
      make(is_slice ? ExpressionKind::kSlice : ExpressionKind::kItem, at, std::move(value));
  for (size_t i = 0; i < (is_slice ? 3u : 1u); ++i) access.children.push_back(std::move(parts[i]));
  return finish(std::move(access));
}

Result<ExpressionPtr> ExpressionParser::filters_and_tests(ExpressionPtr value) {
  for (;;) {
    if (current().is_operator("|")) {
      BITNETC_ASSIGN_OR_RETURN(value, filter(std::move(value)));
    } else if (current().is_name("is")) {
      BITNETC_ASSIGN_OR_RETURN(value, test(std::move(value)));
    } else if (current().is_operator("(")) {
      BITNETC_ASSIGN_OR_RETURN(value, call(std::move(value)));
    } else {
      return value;
    }
  }
}

Result<std::string> ExpressionParser::dotted_name(std::string_view what) {
  BITNETC_ASSIGN_OR_RETURN(std::string name, expect_any_name(what));
  while (skip_operator(".")) {
    BITNETC_ASSIGN_OR_RETURN(const std::string part, expect_any_name(what));
    name += "." + part;
  }
  return name;
}

Result<ExpressionPtr> ExpressionParser::filter(ExpressionPtr value) {
  take();
  Expression filtered = make(ExpressionKind::kFilter, current().at);
  if (value != nullptr) filtered.children.push_back(std::move(value));
  BITNETC_ASSIGN_OR_RETURN(filtered.name, dotted_name("the name of a filter"));
  if (current().is_operator("(")) {
    BITNETC_ASSIGN_OR_RETURN(filtered.arguments, arguments());
  }
  return finish(std::move(filtered));
}

Result<ExpressionPtr> ExpressionParser::block_filters() {
  Expression first = make(ExpressionKind::kFilter, current().at);
  BITNETC_ASSIGN_OR_RETURN(first.name, dotted_name("the name of a filter"));
  if (current().is_operator("(")) {
    BITNETC_ASSIGN_OR_RETURN(first.arguments, arguments());
  }
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, finish(std::move(first)));
  while (current().is_operator("|")) {
    BITNETC_ASSIGN_OR_RETURN(value, filter(std::move(value)));
  }
  return value;
}

// A test takes its argument without brackets, too: the next value, unless what follows is else, or,
// and.
Result<ExpressionPtr> ExpressionParser::test(ExpressionPtr value) {
  Expression tested = make(ExpressionKind::kTest, take().at, std::move(value));
  const bool is_negated = skip_name("not");
  BITNETC_ASSIGN_OR_RETURN(tested.name, dotted_name("the name of a test"));
  const Token& token = current();
  const bool is_value = token.kind == TokenKind::kName || token.kind == TokenKind::kString ||
                        token.kind == TokenKind::kInteger || token.kind == TokenKind::kReal ||
                        token.is_operator("[") || token.is_operator("{");
  const bool ends = token.is_name("else") || token.is_name("or") || token.is_name("and");
  if (token.is_operator("(")) {
    BITNETC_ASSIGN_OR_RETURN(tested.arguments, arguments());
  } else if (is_value && !ends) {
    if (token.is_name("is")) return expected("one test, not a chain of them");
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr argument, primary());
    BITNETC_ASSIGN_OR_RETURN(argument, postfix(std::move(argument)));
    tested.arguments.positional.push_back(std::move(argument));
  }
  const Position at = tested.at;
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr result, finish(std::move(tested)));
  if (!is_negated) return result;
  return finish(make(ExpressionKind::kNot, at, std::move(result)));
}

Result<ExpressionPtr> ExpressionParser::call(ExpressionPtr callee) {
  Expression called = make(ExpressionKind::kCall, current().at, std::move(callee));
  BITNETC_ASSIGN_OR_RETURN(called.arguments, arguments());
  return finish(std::move(called));
}

Status ExpressionParser::argument(ArgumentList& list) {
  const bool may_be_positional = list.named.empty() && !list.more_positional && !list.more_named;
  const Position at = current().at;
  const auto misplaced = [&] {
    return fail(StatusCode::kDataCorrupt, "an argument behind one that must come last", at);
  };
  if (current().is_operator("*") || current().is_operator("**")) {
    const bool is_named = take().is_operator("**");
    ExpressionPtr& more = is_named ? list.more_named : list.more_positional;
    if (more || list.more_named) return misplaced();
    BITNETC_ASSIGN_OR_RETURN(more, expression());
    return {};
  }
  if (current().kind == TokenKind::kName && next().is_operator("=")) {
    if (list.more_named) return misplaced();
    std::string name = to_utf8(take().text);
    take();
    for (const auto& [other, value] : list.named)
      if (other == name)
        return fail(StatusCode::kDataCorrupt, fmt::format("argument '{}' is given twice", name),
                    at);
    BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, expression());
    list.named.emplace_back(std::move(name), std::move(value));
    return {};
  }
  if (!may_be_positional) return misplaced();
  BITNETC_ASSIGN_OR_RETURN(ExpressionPtr value, expression());
  list.positional.push_back(std::move(value));
  return {};
}

Result<ArgumentList> ExpressionParser::arguments() {
  ArgumentList list;
  BITNETC_RETURN_IF_ERROR(expect_operator("("));
  bool is_first = true;
  while (!skip_operator(")")) {
    if (!std::exchange(is_first, false)) {
      BITNETC_RETURN_IF_ERROR(expect_operator(","));
      if (skip_operator(")")) break;
    }
    BITNETC_RETURN_IF_ERROR(argument(list));
  }
  return list;
}

}  // namespace bitnetc::jinja
