// Digests that hubs give for their files, through OpenSSL's libcrypto, which is opened when the
// first digest is made. The only file that knows libcrypto is file_digest.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "runtime/status.h"

namespace bitnetc {

enum class DigestKind {
  kSha256,   // of the bytes: files in large file storage
  kGitBlob,  // SHA-1 of "blob <size>\0" and the bytes: files in git itself
};

class FileDigest {
 public:
  // `bytes`: how many there will be. Error: kUnsupported where this system has no libcrypto.
  static Result<std::unique_ptr<FileDigest>> create(DigestKind kind, int64_t bytes);
  ~FileDigest();

  void update(std::span<const uint8_t> bytes);
  std::string hex();  // once, after the last byte

 private:
  struct Impl;
  explicit FileDigest(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bitnetc
