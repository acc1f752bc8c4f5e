#include "tools/capi/sampling.h"

#include "tools/capi/structs.h"
#include "tools/engine/sampling_defaults.h"

namespace bitnetc::capi {
namespace {

bitnetc_sampling sampling_of(const SamplingParams& params) {
  return {.size = sizeof(bitnetc_sampling),
          .temperature = params.temperature,
          .top_p = params.top_p,
          .min_p = params.min_p,
          .repeat_penalty = params.repeat_penalty,
          .top_k = params.top_k,
          .repeat_last_n = params.repeat_last_n,
          .seed = params.seed};
}

}  // namespace

Result<SamplingParams> read_sampling(const OpenModel& open, const bitnetc_sampling* given) {
  SamplingParams params = default_sampling(open.description().generation);
  bitnetc_sampling sampling = sampling_of(params);
  BITNETC_RETURN_IF_ERROR(read_struct(given, "bitnetc_sampling", sampling));
  params.temperature = sampling.temperature;
  params.top_p = sampling.top_p;
  params.min_p = sampling.min_p;
  params.repeat_penalty = sampling.repeat_penalty;
  params.top_k = sampling.top_k;
  params.repeat_last_n = sampling.repeat_last_n;
  params.seed = sampling.seed;
  BITNETC_RETURN_IF_ERROR(validate(params));
  return params;
}

extern "C" BITNETC_API bitnetc_status bitnetc_model_get_sampling(const bitnetc_model* model,
                                                                 bitnetc_sampling* sampling) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    const SamplingParams params = default_sampling(model->open->description().generation);
    return write_struct(sampling_of(params), "bitnetc_sampling", sampling);
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sampler_create(const bitnetc_model* model,
                                                             const bitnetc_sampling* sampling,
                                                             bitnetc_sampler** sampler) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(model, "model"));
    BITNETC_RETURN_IF_ERROR(need(sampler, "sampler"));
    BITNETC_ASSIGN_OR_RETURN(const SamplingParams params, read_sampling(*model->open, sampling));
    *sampler = new bitnetc_sampler{Sampler(params)};
    return {};
  });
}

extern "C" BITNETC_API bitnetc_status bitnetc_sampler_sample(bitnetc_sampler* sampler,
                                                             const float* logits,
                                                             size_t logit_count,
                                                             const int32_t* history,
                                                             size_t history_count, int32_t* token) {
  return guarded([&]() -> Outcome {
    BITNETC_RETURN_IF_ERROR(need(sampler, "sampler"));
    BITNETC_RETURN_IF_ERROR(need(logits, "logits"));
    BITNETC_RETURN_IF_ERROR(need_array(history, history_count, "history"));
    BITNETC_RETURN_IF_ERROR(need(token, "token"));
    if (logit_count == 0) return Status(StatusCode::kInvalidArgument, "logit_count is 0");
    *token = *sampler->sampler.sample({.ids = {}, .logits = {logits, logit_count}},
                                      {history, history_count});
    return {};
  });
}

extern "C" BITNETC_API void bitnetc_sampler_free(bitnetc_sampler* sampler) {
  delete sampler;
}

}  // namespace bitnetc::capi
