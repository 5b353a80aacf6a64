#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/embedded_server.h"
#include "common/options.h"

namespace tandem {

// `tandem chat`: asks a model, served elsewhere or in this process.
struct ChatCommand {
  EmbeddedServer::Options server;
  std::string device = "cpu";
  std::string connect;
  std::string api_key_file;
  std::vector<std::string> images;
  std::string system;
  std::optional<double> temperature;
  std::optional<int> max_tokens;
  std::optional<int> max_tiles;
  bool json = false;
  std::vector<std::string> prompt;
};

void AddChatOptions(CommandLine& line, ChatCommand* command);

// Returns the exit code: 0; 78 where options or files are wrong; 130 where
// Ctrl-C ended it; 1 for every other error. Each is one line on standard error;
// standard output holds answers alone.
int RunChat(const ChatCommand& command);

}  // namespace tandem
