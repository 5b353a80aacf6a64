// tandem: options and commands.
#include "cli/chat_command.h"
#include "cli/models_command.h"
#include "cli/serve_command.h"
#include "cli/tiles_command.h"
#include "common/options.h"

namespace tandem {
namespace {

int Main(int argc, char** argv) {
  CommandLine line("tandem",
                   "Serves InternVL3 vision-language models, and talks to "
                   "them.");
  CommandLine& serve = line.Command(
      "serve", "Serves a model: the three services in one process.");
  CommandLine& chat = line.Command(
      "chat", "Asks a model, about pictures too; one question or many.");
  CommandLine& tiles = line.Command(
      "tiles", "Shows what a model will see of a picture, as PNG files.");
  CommandLine& models = line.Command(
      "models", "Tells what is in a model's folder and what it needs.");
  ServeCommand serve_command;
  ChatCommand chat_command;
  TilesCommand tiles_command;
  ModelsCommand models_command;
  AddServeOptions(serve, &serve_command);
  AddChatOptions(chat, &chat_command);
  AddTilesOptions(tiles, &tiles_command);
  AddModelsOptions(models, &models_command);
  chat.LogLevelDefault("error");
  line.Example("tandem chat --model models/demo/weights 'Hello'");
  line.Example("tandem serve --model models/demo/weights");
  if (const auto exit_code = line.Start(argc, argv)) return *exit_code;
  if (&line.chosen() == &serve) return RunServe(serve_command);
  if (&line.chosen() == &chat) return RunChat(chat_command);
  if (&line.chosen() == &tiles) return RunTiles(tiles_command);
  return RunModels(models_command);
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
