// The handlers of requests, one for each route. Each answers its exchange, now or later.
#pragma once

#include <memory>

#include "tools/serve/exchange.h"

namespace bitnetc::serve {

using ExchangePtr = std::shared_ptr<Exchange>;

// state.cpp
void handle_live(ExchangePtr exchange);
void handle_health(ExchangePtr exchange);
void handle_metrics(ExchangePtr exchange);
void handle_slots(ExchangePtr exchange);
void handle_props(ExchangePtr exchange);
void handle_models(ExchangePtr exchange);
void handle_model(ExchangePtr exchange);
void handle_version(ExchangePtr exchange);
void handle_tags(ExchangePtr exchange);
// tokenize.cpp
void handle_tokenize(ExchangePtr exchange);
void handle_detokenize(ExchangePtr exchange);
void handle_apply_template(ExchangePtr exchange);
void handle_tokenizer_info(ExchangePtr exchange);
// One file each.
void handle_completions(ExchangePtr exchange);
void handle_native_completion(ExchangePtr exchange);
void handle_chat(ExchangePtr exchange);
void handle_embeddings(ExchangePtr exchange);
void handle_messages(ExchangePtr exchange);
void handle_count_tokens(ExchangePtr exchange);
void handle_responses(ExchangePtr exchange);
void handle_input_tokens(ExchangePtr exchange);
// tools/serve/web: the files of the page.
void handle_page(ExchangePtr exchange);

}  // namespace bitnetc::serve
