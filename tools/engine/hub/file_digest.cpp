#include "tools/engine/hub/file_digest.h"

#include <openssl/evp.h>

#include "tools/engine/dynamic_library.h"

namespace bitnetc {
namespace {

struct Crypto {
  decltype(::EVP_MD_CTX_new)* context_new = nullptr;
  decltype(::EVP_MD_CTX_free)* context_free = nullptr;
  decltype(::EVP_DigestInit_ex)* init = nullptr;
  decltype(::EVP_DigestUpdate)* update = nullptr;
  decltype(::EVP_DigestFinal_ex)* finish = nullptr;
  decltype(::EVP_sha256)* sha256 = nullptr;
  decltype(::EVP_sha1)* sha1 = nullptr;

  static Result<Crypto> open() {
    BITNETC_ASSIGN_OR_RETURN(const DynamicLibrary library,
                             DynamicLibrary::open("libcrypto.so.3", "libssl3"));
    Crypto crypto;
    BITNETC_RETURN_IF_ERROR(library.find("EVP_MD_CTX_new", crypto.context_new));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_MD_CTX_free", crypto.context_free));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_DigestInit_ex", crypto.init));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_DigestUpdate", crypto.update));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_DigestFinal_ex", crypto.finish));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_sha256", crypto.sha256));
    BITNETC_RETURN_IF_ERROR(library.find("EVP_sha1", crypto.sha1));
    return crypto;
  }
};

}  // namespace

struct FileDigest::Impl {
  Crypto crypto;
  EVP_MD_CTX* context = nullptr;
};

FileDigest::FileDigest(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FileDigest::~FileDigest() {
  impl_->crypto.context_free(impl_->context);
}

Result<std::unique_ptr<FileDigest>> FileDigest::create(DigestKind kind, int64_t bytes) {
  auto impl = std::make_unique<Impl>();
  BITNETC_ASSIGN_OR_RETURN(impl->crypto, Crypto::open());
  const Crypto& crypto = impl->crypto;
  impl->context = crypto.context_new();
  const bool is_git = kind == DigestKind::kGitBlob;
  if (impl->context == nullptr ||
      crypto.init(impl->context, is_git ? crypto.sha1() : crypto.sha256(), nullptr) != 1) {
    crypto.context_free(impl->context);
    return Status(StatusCode::kUnsupported, "libcrypto has no SHA-256 or SHA-1");
  }
  std::unique_ptr<FileDigest> digest(new FileDigest(std::move(impl)));
  if (is_git) {
    const std::string header = fmt::format("blob {}", bytes);
    digest->update({reinterpret_cast<const uint8_t*>(header.c_str()), header.size() + 1});
  }
  return digest;
}

void FileDigest::update(std::span<const uint8_t> bytes) {
  BITNETC_CHECK(impl_->crypto.update(impl_->context, bytes.data(), bytes.size()) == 1,
                "EVP_DigestUpdate");
}

std::string FileDigest::hex() {
  uint8_t bytes[EVP_MAX_MD_SIZE];
  unsigned count = 0;
  BITNETC_CHECK(impl_->crypto.finish(impl_->context, bytes, &count) == 1, "EVP_DigestFinal_ex");
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace bitnetc
