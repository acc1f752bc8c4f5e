// Downloads a model from a hub that speaks Hugging Face's protocol: the files that bitnetc reads,
// each under a temporary name until its digest is right. config.json comes last: until then the
// folder is no model. What a broken download leaves is gone on with by the next one.
#pragma once

#include <string>
#include <vector>

#include "runtime/cancel_token.h"
#include "runtime/notes.h"
#include "runtime/status.h"

namespace bitnetc {

struct HubSettings {
  std::string endpoint = "https://huggingface.co";
  std::string token;  // for repositories that ask who is there; empty: none
};

struct PullRequest {
  std::string repository;  // "owner/name"
  std::string revision = "main";
  std::string folder;
  // Names in the repository; empty: what a model folder is read from, or the one GGUF file of a
  // repository that has no such folder.
  std::vector<std::string> files = {};
  int retries = 5;  // of a download that breaks off without progress
};

struct PullReport {
  std::string revision;  // the commit
  int files = 0, present = 0;
  int64_t downloaded_bytes = 0;
};

// Error: kInvalidArgument (no such file in the repository, or several to choose from), kNotFound
// (no such repository or revision, or it wants a token), kIoError (the network, the disk, too
// little room, before anything is downloaded), kDataCorrupt (an answer or a file that is not what
// it should be, a wrong digest), kCancelled. What was downloaded stays for the next time.
Result<PullReport> pull_model(const PullRequest& request, const HubSettings& hub, Notes& notes,
                              const CancelToken* cancel = nullptr);

}  // namespace bitnetc
