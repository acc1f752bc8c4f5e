// The files in which sentence-transformers says how a text encoder is used.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model_config.h"
#include "runtime/status.h"

namespace bitnetc {

// modules.json: a Transformer, a Pooling and nothing but a Normalize behind them.
// Error: kDataCorrupt; kUnsupported naming another module.
Status check_modules(std::string_view json, const std::string& origin);

// sentence_bert_config.json, for a model of `positions`. `notes` gets a line where texts are cut
// shorter than that elsewhere. Error: kDataCorrupt; kUnsupported for texts in lower case.
Status check_text_limits(std::string_view json, const std::string& origin, int64_t positions,
                         std::vector<std::string>* notes);

// 1_Pooling/config.json, in either spelling: "pooling_mode": "mean", or one of the flags
// pooling_mode_*. Error: kDataCorrupt (none or several of them); kUnsupported naming a pooling that
// is not implemented, or prompts that do not count in the mean.
Result<Pooling> read_pooling(std::string_view json, const std::string& origin);

// config_sentence_transformers.json: prompts and the default one.
// Error: kDataCorrupt naming the key.
Status read_prompts(std::string_view json, const std::string& origin, EncoderDefaults* encoder);

// The texts of these three files for a model whose vectors have `columns` numbers.
std::string modules_json();
std::string pooling_json(Pooling pooling, int64_t columns);
std::string prompts_json(const EncoderDefaults& encoder);

}  // namespace bitnetc
