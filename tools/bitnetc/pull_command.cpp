// bitnetc pull: download a published model.
#include <memory>

#include "tools/bitnetc/command_context.h"
#include "tools/bitnetc/commands.h"
#include "tools/bitnetc/console.h"
#include "tools/engine/hub/pull.h"
#include "tools/engine/hub/repositories.h"

namespace bitnetc {
namespace {

struct PullOptions {
  std::string name, folder, revision = "main";
  std::vector<std::string> files;
  bool list = false;
};

std::string repository_list() {
  std::string text;
  for (const KnownRepository& known : known_repositories())
    text += fmt::format("{:22} {}\n", known.short_name, known.repository);
  return text;
}

Status pull(const PullOptions& options, CommandContext& context) {
  if (options.list) {
    write_report(repository_list());
    return {};
  }
  if (options.name.empty())
    return Status(StatusCode::kInvalidArgument,
                  "NAME: expected a repository or a short name (bitnetc pull --list)");
  PullRequest request{.repository = {},
                      .revision = options.revision,
                      .folder = options.folder,
                      .files = options.files};
  BITNETC_ASSIGN_OR_RETURN(request.repository, find_repository(options.name));
  if (request.folder.empty())
    request.folder = request.repository.substr(request.repository.find('/') + 1);
  HubSettings hub;
  if (!context.options.hub_endpoint.empty()) hub.endpoint = context.options.hub_endpoint;
  hub.token = context.options.hub_token;
  give_time_to_report();
  BITNETC_ASSIGN_OR_RETURN(const PullReport report,
                           pull_model(request, hub, context.notes, &interrupted()));
  print_out("{}: {} files of {} at {}, {} of them there before, {} downloaded\n", request.folder,
            report.files, request.repository, report.revision.substr(0, 12), report.present,
            format_bytes(static_cast<double>(report.downloaded_bytes)));
  return {};
}

}  // namespace

void add_pull_command(Command parent, CommandContext& context) {
  auto options = std::make_shared<PullOptions>();
  Command command = parent.subcommand("pull", "Download a published model");
  command.set_footer(
      "What is there with the right checksum is not downloaded again, and a download that\n"
      "broke off is gone on with. HF_ENDPOINT names another hub, HF_TOKEN who is asking.\n"
      "Examples:\n"
      "  bitnetc pull 2b-4t\n"
      "  bitnetc pull tiiuae/Falcon-E-3B-Instruct -o falcon --revision prequantized\n"
      "  bitnetc pull owner/name --file model-i2_s.gguf");
  command.text("NAME", options->name, "NAME", "owner/name, or a short name that --list prints");
  command.text("-o,--output", options->folder, "FOLDER",
               "Where the files go (default: the repository's name, here)");
  command.text("--revision", options->revision, "REVISION",
               "Branch, tag or commit (default: main)");
  command.repeated_text("--file", options->files, "FILE",
                        "Only this file of the repository (may be repeated)");
  command.flag("--list", options->list, "Print the short names");
  command.verbosity_flags(true, nullptr);
  command.set_action([options, &context]() -> Result<int> {
    BITNETC_RETURN_IF_ERROR(pull(*options, context));
    return kExitOk;
  });
}

}  // namespace bitnetc
