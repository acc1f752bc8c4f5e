// The handlers of requests, one for each route. Each answers its exchange, now or later.
#pragma once

#include <memory>

#include "tools/serve/exchange.h"

namespace bitnetc::serve {

using ExchangePtr = std::shared_ptr<Exchange>;

// state.cpp
void handle_live(const ExchangePtr& exchange);
void handle_health(const ExchangePtr& exchange);
void handle_metrics(const ExchangePtr& exchange);
void handle_slots(const ExchangePtr& exchange);
void handle_props(const ExchangePtr& exchange);
void handle_models(const ExchangePtr& exchange);
void handle_model(const ExchangePtr& exchange);
void handle_version(const ExchangePtr& exchange);
void handle_tags(const ExchangePtr& exchange);
// tokenize.cpp
void handle_tokenize(const ExchangePtr& exchange);
void handle_detokenize(const ExchangePtr& exchange);
void handle_apply_template(const ExchangePtr& exchange);
void handle_tokenizer_info(const ExchangePtr& exchange);
// One file each.
void handle_completions(const ExchangePtr& exchange);
void handle_native_completion(const ExchangePtr& exchange);
void handle_chat(const ExchangePtr& exchange);
void handle_embeddings(const ExchangePtr& exchange);
void handle_messages(const ExchangePtr& exchange);
void handle_count_tokens(const ExchangePtr& exchange);
void handle_responses(const ExchangePtr& exchange);
void handle_input_tokens(const ExchangePtr& exchange);
// tools/serve/web: the files of the page.
void handle_page(const ExchangePtr& exchange);

}  // namespace bitnetc::serve
