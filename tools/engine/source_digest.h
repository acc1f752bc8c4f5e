// What a source model is, by content: the digest of every file that the frontend reads. Other files
// in the folder, and times, do not count. Digests of large files are remembered in the folder
// "sources" of the cache directory under device, inode, size, mtime and ctime, so that unchanged
// weights are not read again at every start; nobody can set a ctime back, so new weights with an
// old name, size and mtime are seen. The records are bounded (kMostRecords, the least recently used
// go), and each is only a digest: nothing is lost with them.
#pragma once

#include <string>

#include "runtime/cancel_token.h"
#include "runtime/status.h"

namespace bitnetc {

// Names and digests, as text. `cache_dir`: empty where there is none. Error: kIoError naming a file
// that cannot be read; kCancelled.
Result<std::string> source_digest(const std::string& source_path, const std::string& cache_dir,
                                  const CancelToken* cancel);

}  // namespace bitnetc
