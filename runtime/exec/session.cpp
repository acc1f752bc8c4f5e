#include "runtime/session.h"

#include <algorithm>
#include <cmath>

#include "runtime/exec/work_claims.h"

namespace bitnetc {
namespace {

// Score scratch is rounded up to whole softmax chunks (docs/numerics.md).
constexpr size_t kSoftmaxChunk = 256;
// Vocabulary rows a pool member takes at once: 16 logits are one cache line.
constexpr int64_t kHeadRowGroup = 16;

bool is_tail(StepKind kind) {
  return kind == StepKind::kRmsNorm || kind == StepKind::kHead;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(std::shared_ptr<const Executable> executable,
                                                 const SessionOptions& options) {
  const ModelConfig& config = executable->model->description().config;
  if (options.threads < 1) {
    return make_error(StatusCode::kInvalidArgument, "threads = {}, expected at least 1",
                      options.threads);
  }
  if (options.chunk_tokens < 1) {
    return make_error(StatusCode::kInvalidArgument, "chunk_tokens = {}, expected at least 1",
                      options.chunk_tokens);
  }
  if (options.context_tokens < 0 || options.context_tokens > config.max_positions) {
    return make_error(StatusCode::kInvalidArgument,
                      "context of {} tokens: this model was made for at most {}",
                      options.context_tokens, config.max_positions);
  }
  try {
    return std::unique_ptr<Session>(new Session(std::move(executable), options));
  } catch (const std::bad_alloc&) {
    return make_error(StatusCode::kOutOfMemory,
                      "no memory for a session of {} tokens of context; try a smaller one",
                      options.context_tokens == 0 ? config.max_positions : options.context_tokens);
  }
}

Session::Session(std::shared_ptr<const Executable> executable, const SessionOptions& options)
    : executable_(std::move(executable)), options_(options) {
  const ModelDescription& model = executable_->model->description();
  const int64_t context =
      options.context_tokens > 0 ? options.context_tokens : model.config.max_positions;
  kv_ = {.kv_heads = executable_->kv_heads,
         .head_dim = executable_->head_dim,
         .capacity =
             static_cast<int64_t>(round_up(static_cast<size_t>(context), KvLayout::kKeyBlock))};
  for (int64_t layer = 0; layer < model.config.layers; ++layer) {
    k_cache_.emplace_back(static_cast<size_t>(kv_.layer_elements()));
    v_cache_.emplace_back(static_cast<size_t>(kv_.layer_elements()));
  }
  options_.context_tokens = context;
  options_.chunk_tokens = static_cast<int>(
      std::min({int64_t{options.chunk_tokens}, int64_t{kMaxTokensPerCall}, context}));
  const auto rows = static_cast<size_t>(options_.chunk_tokens);
  for (const BufferInfo& info : model.program.buffers) {
    Activations buffer;
    buffer.stride = info.columns;
    const size_t elements = rows * static_cast<size_t>(info.columns);
    if (info.kind == BufferKind::kF32) {
      buffer.f32 = Buffer<float>(elements);
    } else {
      buffer.q = Buffer<int8_t>(elements);
      buffer.q_step = Buffer<float>(rows);
      buffer.q_sum = Buffer<int32_t>(rows);
    }
    buffers_.push_back(std::move(buffer));
  }
  int64_t table_bytes = 0;
  for (const LinkedStep& step : executable_->steps)
    table_bytes = std::max(table_bytes, step.table_bytes);
  tables_ = Buffer<uint8_t>(static_cast<size_t>(table_bytes));
  logits_ = Buffer<float>(static_cast<size_t>(model.config.vocab_size));
  for (int member = 0; member < options.threads; ++member)
    score_scratch_.emplace_back(round_up(static_cast<size_t>(context), kSoftmaxChunk));
  row_absmax_ = Buffer<float>(static_cast<size_t>(options.threads * kMaxTokensPerCall));
  claims_ = std::make_unique<WorkClaims>(options.threads);
  pool_ = std::make_unique<ThreadPool>(options.threads, options.pin_threads);
}

Session::~Session() = default;

Status Session::check_tokens(std::span<const int32_t> tokens) const {
  const int64_t vocab = executable_->model->description().config.vocab_size;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab) {
      return make_error(StatusCode::kInvalidArgument, "token {} has id {}, expected 0..{}", i,
                        tokens[i], vocab - 1);
    }
  }
  const int64_t room = options_.context_tokens - position_;
  if (static_cast<int64_t>(tokens.size()) > room) {
    return make_error(StatusCode::kInvalidArgument,
                      "{} tokens do not fit: {} of {} positions of the context are taken",
                      tokens.size(), position_, options_.context_tokens);
  }
  return {};
}

Status Session::append(std::span<const int32_t> tokens, const std::atomic<bool>* cancel) {
  BITNETC_RETURN_IF_ERROR(check_tokens(tokens));
  while (!tokens.empty()) {
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed))
      return Status(StatusCode::kCancelled, "stopped while reading the prompt");
    const auto chunk =
        tokens.first(std::min(tokens.size(), static_cast<size_t>(options_.chunk_tokens)));
    tokens = tokens.subspan(chunk.size());
    BITNETC_RETURN_IF_ERROR(run_chunk(chunk, tokens.empty(), nullptr));
  }
  return {};
}

Status Session::append_all_logits(std::span<const int32_t> tokens, const Visit& visit) {
  BITNETC_RETURN_IF_ERROR(check_tokens(tokens));
  while (!tokens.empty()) {
    const auto chunk =
        tokens.first(std::min(tokens.size(), static_cast<size_t>(options_.chunk_tokens)));
    tokens = tokens.subspan(chunk.size());
    BITNETC_RETURN_IF_ERROR(run_chunk(chunk, true, &visit));
  }
  return {};
}

// Runs every step but the tail for all tokens of the chunk, then the tail (final norm and head) for the
// rows whose logits are wanted. All pool members walk the same step list and meet after each step.
Status Session::run_chunk(std::span<const int32_t> tokens, bool wants_logits, const Visit* visit) {
  const auto rows = static_cast<int64_t>(tokens.size());
  pool_->run([&](int member) {
    for (const LinkedStep& step : executable_->steps) {
      if (is_tail(step.kind)) continue;
      if (rows == 1 && step.build_tables) {
        run_build_tables(step, member);
        pool_->barrier();
      }
      run_step(step, tokens, member);
      pool_->barrier();
      if (!tap_) continue;
      if (member == 0) call_tap(step, rows);
      pool_->barrier();
    }
  });
  const int64_t first_position = position_;
  position_ += rows;
  if (!wants_logits) return {};

  for (int64_t row = visit != nullptr ? 0 : rows - 1; row < rows; ++row) {
    pool_->run([&](int member) {
      for (const LinkedStep& step : executable_->steps) {
        if (!is_tail(step.kind)) continue;
        run_head(step, row, member);
        pool_->barrier();
      }
    });
    const auto finite = [](float x) { return std::isfinite(x); };
    if (!std::all_of(logits_.begin(), logits_.end(), finite)) {
      return make_error(StatusCode::kDataCorrupt,
                        "the logits at position {} are not finite: the model's weights overflow",
                        first_position + row);
    }
    if (visit != nullptr) (*visit)(first_position + row, logits());
  }
  return {};
}

// This member's share of one step for all tokens of a chunk.
void Session::run_step(const LinkedStep& step, std::span<const int32_t> tokens, int member) {
  const auto rows = static_cast<int64_t>(tokens.size());
  if (step.kind == StepKind::kMatmul) return run_matmul(step, rows, member);
  if (step.kind == StepKind::kAttention) return run_attention(step, rows, member);

  const Range mine = share(rows, member, pool_->size());
  for (int64_t row = mine.begin; row < mine.end; ++row) {
    switch (step.kind) {
      case StepKind::kEmbed: {
        Activations& out = buffers_[static_cast<size_t>(step.output)];
        step.kernel()(EmbedArgs{.table = step.weights,
                                .h = out.f32.data() + row * out.stride,
                                .token = tokens[static_cast<size_t>(row)]});
        break;
      }
      case StepKind::kNormQuantize: {
        const Activations& in = buffers_[static_cast<size_t>(step.input)];
        Activations& out = buffers_[static_cast<size_t>(step.output)];
        step.kernel()(
            NormQuantizeArgs{.x = in.f32.data() + row * in.stride,
                             .weight = reinterpret_cast<const float*>(step.weights),
                             .q = out.q.data() + row * out.stride,
                             .scale = out.q_step.data() + row,
                             .sum = out.q_sum.data() + row,
                             .normed = tap_ ? normed_tap_.data() + row * out.stride : nullptr});
        break;
      }
      case StepKind::kQuantize: {
        const Activations& in = buffers_[static_cast<size_t>(step.input)];
        Activations& out = buffers_[static_cast<size_t>(step.output)];
        step.kernel()(QuantizeArgs{.x = in.f32.data() + row * in.stride,
                                   .absmax = row_absmax_.data() + row,
                                   .absmax_count = pool_->size(),
                                   .absmax_stride = kMaxTokensPerCall,
                                   .q = out.q.data() + row * out.stride,
                                   .scale = out.q_step.data() + row,
                                   .sum = out.q_sum.data() + row});
        break;
      }
      case StepKind::kRopeAppend: {
        Activations& qkv = buffers_[static_cast<size_t>(step.input)];
        const auto layer = static_cast<size_t>(step.layer);
        const int64_t position = position_ + row;
        const int64_t angle = position * (executable_->head_dim / 2);
        step.kernel()(RopeAppendArgs{.qkv = qkv.f32.data() + row * qkv.stride,
                                     .cos = executable_->rope_cos + angle,
                                     .sin = executable_->rope_sin + angle,
                                     .k_cache = k_cache_[layer].data(),
                                     .v_cache = v_cache_[layer].data(),
                                     .position = position,
                                     .head_stride = kv_.head_stride()});
        break;
      }
      default: BITNETC_CHECK(false, "step {} is not a row step", step.name);
    }
  }
}

// The sums of the one token of a call; blocks of columns are shared among members.
void Session::run_build_tables(const LinkedStep& step, int member) {
  const Range blocks = share(step.table_blocks, member, pool_->size());
  step.build_tables(BuildTablesArgs{.x = buffers_[static_cast<size_t>(step.input)].q.data(),
                                    .tables = tables_.data(),
                                    .block_begin = blocks.begin,
                                    .block_end = blocks.end});
}

// A few tokens meet a kernel made for their number, more the one for any.
void Session::run_matmul(const LinkedStep& step, int64_t rows, int member) {
  const Activations& in = buffers_[static_cast<size_t>(step.input)];
  Activations& out = buffers_[static_cast<size_t>(step.output)];
  const float* residual =
      step.residual < 0 ? nullptr : buffers_[static_cast<size_t>(step.residual)].f32.data();
  float* const row_absmax = row_absmax_.data() + int64_t{member} * kMaxTokensPerCall;
  if (step.row_absmax) std::fill_n(row_absmax, rows, 0.0f);
  MatmulArgs args{.x = in.q.data(),
                  .tables = tables_.data(),
                  .w = step.weights,
                  .y = out.f32.data(),
                  .x_scale = in.q_step.data(),
                  .x_sum = in.q_sum.data(),
                  .tile_scale = step.scales,
                  .residual = residual,
                  .x_stride = in.stride,
                  .y_stride = out.stride,
                  .m = rows,
                  .row_absmax = row_absmax};
  const Kernel& kernel = step.kernels[static_cast<size_t>(rows <= kMaxBakedM ? rows : 0)];
  claims_->each_piece(step.tiles / step.tiles_per_unit, member, [&](Range units) {
    args.tile_begin = units.begin * step.tiles_per_unit;
    args.tile_end = units.end * step.tiles_per_unit;
    kernel(args);
  });
}

void Session::run_attention(const LinkedStep& step, int64_t rows, int member) {
  const Activations& qkv = buffers_[static_cast<size_t>(step.input)];
  Activations& out = buffers_[static_cast<size_t>(step.output)];
  const auto layer = static_cast<size_t>(step.layer);
  const int64_t heads = executable_->q_heads, d = executable_->head_dim;
  const int64_t queries_per_kv = heads / executable_->kv_heads;
  const Range mine = share(rows * heads, member, pool_->size());
  for (int64_t unit = mine.begin; unit < mine.end; ++unit) {
    const int64_t row = unit / heads, head = unit % heads;
    const int64_t slice = head / queries_per_kv * kv_.head_stride();
    step.kernel()(AttentionArgs{.q = qkv.f32.data() + row * qkv.stride + head * d,
                                .k_cache = k_cache_[layer].data() + slice,
                                .v_cache = v_cache_[layer].data() + slice,
                                .out = out.f32.data() + row * out.stride + head * d,
                                .scratch = score_scratch_[static_cast<size_t>(member)].data(),
                                .position = position_ + row});
  }
}

// One row of the tail: the final norm on member 0, the vocabulary shared among all.
void Session::run_head(const LinkedStep& step, int64_t row, int member) {
  const Activations& in = buffers_[static_cast<size_t>(step.input)];
  const float* x = in.f32.data() + row * in.stride;
  if (step.kind == StepKind::kRmsNorm) {
    if (member != 0) return;
    Activations& out = buffers_[static_cast<size_t>(step.output)];
    return step.kernel()(RmsNormArgs{.x = x,
                                     .weight = reinterpret_cast<const float*>(step.weights),
                                     .y = out.f32.data() + row * out.stride});
  }
  const int64_t groups = (step.rows + kHeadRowGroup - 1) / kHeadRowGroup;
  claims_->each_piece(groups, member, [&](Range piece) {
    step.kernel()(HeadArgs{.hidden = x,
                           .table = step.weights,
                           .logits = logits_.data(),
                           .row_begin = piece.begin * kHeadRowGroup,
                           .row_end = std::min(step.rows, piece.end * kHeadRowGroup)});
  });
}

void Session::set_tap(StepTap tap) {
  tap_ = std::move(tap);
  int64_t widest = 0;
  for (const Activations& buffer : buffers_) widest = std::max(widest, buffer.stride);
  normed_tap_ = Buffer<float>(static_cast<size_t>(options_.chunk_tokens * widest));
}

void Session::call_tap(const LinkedStep& step, int64_t rows) {
  const int written = step.kind == StepKind::kRopeAppend ? step.input : step.output;
  const Activations& out = buffers_[static_cast<size_t>(written)];
  StepOutput output{.step = step, .rows = rows, .columns = out.stride, .stride = out.stride};
  if (step.kind == StepKind::kNormQuantize || step.kind == StepKind::kQuantize) {
    if (step.kind == StepKind::kNormQuantize) output.f32 = normed_tap_.data();
    output.q = out.q.data();
    output.q_step = out.q_step.data();
  } else {
    output.f32 = out.f32.data();
  }
  tap_(output);
}

int64_t Session::memory_bytes() const {
  size_t total = logits_.bytes() + normed_tap_.bytes() + tables_.bytes() + row_absmax_.bytes();
  for (const auto& cache : k_cache_) total += 2 * cache.bytes();
  for (const auto& buffer : buffers_)
    total += buffer.f32.bytes() + buffer.q.bytes() + buffer.q_step.bytes() + buffer.q_sum.bytes();
  for (const auto& scratch : score_scratch_) total += scratch.bytes();
  return static_cast<int64_t>(total);
}

}  // namespace bitnetc
