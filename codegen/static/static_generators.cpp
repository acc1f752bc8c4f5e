#include "codegen/static/static_generators.h"

#ifdef BITNETC_HAVE_X64

#include "codegen/function_kernel.h"
#include "codegen/static/static_kernels.h"

namespace bitnetc {

namespace {

// Shapes a kernel cannot take although its operation allows them.
template <typename Spec>
Status check_shape(const Spec&) {
  return {};
}
Status check_shape(const AttentionSpec& spec) {
  if (spec.head_dim < 8)
    return make_error(StatusCode::kUnsupported, "head_dim = {} is less than one vector of 8",
                      spec.head_dim);
  return {};
}

// Serves specs of one operation with one function.
template <typename Spec, auto kFunction>
class StaticAvx2 final : public Generator {
 public:
  explicit StaticAvx2(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  std::string_view suffix() const override { return "static_avx2"; }
  int revision() const override { return 1; }
  GeneratorKind kind() const override { return GeneratorKind::kCompiled; }

  Status accepts(const KernelRequest& request) const override {
    const Spec* spec = std::get_if<Spec>(&request.spec);
    if (spec == nullptr)
      return make_error(StatusCode::kUnsupported, "{} is another operation",
                        spec_name(request.spec));
    if (!request.target.supports(Isa::kAvx2))
      return make_error(StatusCode::kUnsupported, "needs avx2, the target is {}",
                        request.target.describe());
    BITNETC_RETURN_IF_ERROR(validate(request.spec));
    return check_shape(*spec);
  }

  Result<Kernel> build(const KernelRequest& request, const std::string& kernel_name,
                       const BuildSettings&) const override {
    return make_function_kernel<kFunction>(kernel_name, std::get<Spec>(request.spec));
  }

 private:
  std::string_view name_;
};

}  // namespace

std::unique_ptr<Generator> make_static_attention_avx2() {
  return std::make_unique<StaticAvx2<AttentionSpec, attention_avx2>>("static_attention_avx2");
}
std::unique_ptr<Generator> make_static_head_avx2() {
  return std::make_unique<StaticAvx2<HeadSpec, head_avx2>>("static_head_avx2");
}
std::unique_ptr<Generator> make_static_rope_append_avx2() {
  return std::make_unique<StaticAvx2<RopeAppendSpec, rope_append_avx2>>("static_rope_append_avx2");
}
std::unique_ptr<Generator> make_static_embed_avx2() {
  return std::make_unique<StaticAvx2<EmbedSpec, embed_avx2>>("static_embed_avx2");
}
std::unique_ptr<Generator> make_static_rms_norm_avx2() {
  return std::make_unique<StaticAvx2<RmsNormSpec, rms_norm_avx2>>("static_rms_norm_avx2");
}
std::unique_ptr<Generator> make_static_head_norm_avx2() {
  return std::make_unique<StaticAvx2<HeadNormSpec, head_norm_avx2>>("static_head_norm_avx2");
}
std::unique_ptr<Generator> make_static_glu_avx2() {
  return std::make_unique<StaticAvx2<GluSpec, glu_avx2>>("static_glu_avx2");
}
std::unique_ptr<Generator> make_static_quantize_avx2() {
  return std::make_unique<StaticAvx2<QuantizeSpec, quantize_avx2>>("static_quantize_avx2");
}

}  // namespace bitnetc

#endif  // BITNETC_HAVE_X64
