#include "cli/chat_command.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/api_key_file.h"
#include "cli/chat_client.h"
#include "cli/chat_json.h"
#include "cli/chat_loop.h"
#include "cli/chat_target.h"
#include "cli/chat_turn.h"
#include "cli/conversation.h"
#include "cli/error_line.h"
#include "cli/image_file.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/terminal_text.h"
#include "common/clock.h"
#include "common/errors.h"
#include "common/process.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "kernels/device.h"

namespace tandem {
namespace {

constexpr char kProgram[] = "tandem chat";

std::string Question(const ChatCommand& command) {
  return absl::StrJoin(command.prompt, " ");
}

int Fail(const absl::Status& status, int exit_code) {
  PrintError(kProgram, status);
  return exit_code;
}

absl::Status CheckText(const std::string& option, const std::string& text) {
  const absl::Status status = CheckUtf8(text);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": ", status.message()));
}

// All that can be known to be wrong before a model is loaded.
absl::Status CheckOptions(const ChatCommand& command) {
  const ModelOptions& model = command.server.model;
  TANDEM_RETURN_IF_ERROR(CheckText("PROMPT", Question(command)));
  TANDEM_RETURN_IF_ERROR(CheckText("--system", command.system));
  TANDEM_RETURN_IF_ERROR(CheckText("--served-name", model.served_name));
  TANDEM_RETURN_IF_ERROR(ParseDevice("--device", command.device).status());
  if (model.model.empty() && command.connect.empty()) {
    return absl::InvalidArgumentError(
        "which model? --model DIR loads one here, --connect HOST:PORT asks a "
        "running `tandem serve`");
  }
  if (command.json && command.prompt.empty()) {
    return absl::InvalidArgumentError(
        "--json prints the answer to one PROMPT, and none is given");
  }
  return absl::OkStatus();
}

bool IsAboutAPicture(const absl::Status& status) {
  return absl::StartsWith(ErrorReason(status), "IMAGE_");
}

v1::Sampling SamplingOf(const ChatCommand& command) {
  v1::Sampling sampling;
  if (command.temperature) {
    sampling.set_temperature(static_cast<float>(*command.temperature));
  }
  if (command.max_tokens) sampling.set_max_tokens(*command.max_tokens);
  return sampling;
}

absl::StatusOr<std::unique_ptr<ChatTarget>> OpenTarget(
    const ChatCommand& command, const CallHeaders& headers) {
  if (!command.connect.empty()) {
    TANDEM_ASSIGN_OR_RETURN(const ConnectTarget target,
                            ParseConnect(command.connect));
    return ConnectTo(target, headers);
  }
  EmbeddedServer::Options server = command.server;
  server.vision_device = server.llm_device = command.device;
  return StartEmbedded(server);
}

// What goes with every call: the key, where a file with one is given.
absl::StatusOr<CallHeaders> ReadHeaders(const ChatCommand& command) {
  CallHeaders headers;
  if (command.api_key_file.empty()) return headers;
  TANDEM_ASSIGN_OR_RETURN(const std::string key,
                          ReadApiKeyFile(command.api_key_file));
  headers.emplace_back("authorization", absl::StrCat("Bearer ", key));
  return headers;
}

absl::Status AddImages(const ChatCommand& command, Conversation& conversation) {
  for (const std::string& path : command.images) {
    TANDEM_ASSIGN_OR_RETURN(Picture picture, ReadPicture(path));
    conversation.AddImage(std::move(picture.bytes), path);
  }
  return absl::OkStatus();
}

// One question. With --json nothing but the object reaches standard output.
int AskOnce(const ChatCommand& command, ChatClient& client,
            Conversation& conversation, Interrupt& interrupt) {
  const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  const absl::StatusOr<ChatAnswer> answer = AskTurn(
      client, conversation, interrupt, Question(command),
      [&](absl::string_view text) {
        if (command.json) return;
        std::cout << (is_terminal ? TerminalText(text) : std::string(text))
                  << std::flush;
      });
  if (command.json && answer.ok()) std::cout << AnswerAsJson(*answer);
  if (!command.json || answer.ok()) std::cout << std::endl;
  if (answer.ok()) return kExitOk;
  if (absl::IsCancelled(answer.status())) return Interrupt::kExitCode;
  return Fail(answer.status(),
              IsAboutAPicture(answer.status()) ? kExitConfig : kExitFailure);
}

std::unique_ptr<LineReader> MakeLineReader(bool is_terminal) {
  if (is_terminal) return std::make_unique<LineEditor>("> ");
  return std::make_unique<StreamLineReader>(std::cin);
}

int Converse(const ChatCommand& command, ChatClient& client,
             Conversation& conversation, Interrupt& interrupt) {
  if (!command.prompt.empty()) {
    return AskOnce(command, client, conversation, interrupt);
  }
  const bool is_terminal =
      isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  RealClock clock;
  const std::unique_ptr<LineReader> lines = MakeLineReader(is_terminal);
  ChatLoop loop(client, conversation, interrupt, clock,
                {.lines = *lines,
                 .out = std::cout,
                 .err = std::cerr,
                 .is_terminal = is_terminal});
  // A person has seen what failed; a script has only the exit code.
  return loop.Run() || is_terminal ? kExitOk : kExitFailure;
}

}  // namespace

int RunChat(const ChatCommand& command) {
  if (const absl::Status status = CheckOptions(command); !status.ok()) {
    return Fail(status, kExitConfig);
  }
  Interrupt interrupt;
  Conversation conversation({.model = command.server.model.served_name,
                             .system = command.system,
                             .max_tiles = command.max_tiles.value_or(0),
                             .sampling = SamplingOf(command)});
  if (const absl::Status status = AddImages(command, conversation);
      !status.ok()) {
    return Fail(status, kExitConfig);
  }
  const absl::StatusOr<CallHeaders> headers = ReadHeaders(command);
  if (!headers.ok()) return Fail(headers.status(), kExitConfig);
  const absl::StatusOr<std::unique_ptr<ChatTarget>> target =
      OpenTarget(command, *headers);
  if (!target.ok()) return Fail(target.status(), ExitCodeFor(target.status()));
  ChatClient& client = (*target)->client();
  const absl::StatusOr<v1::Model> model =
      client.FindModel(command.server.model.served_name);
  if (!model.ok()) return Fail(model.status(), ExitCodeFor(model.status()));
  conversation.SetModel(model->id());
  return Converse(command, client, conversation, interrupt);
}

void AddChatOptions(CommandLine& line, ChatCommand* command) {
  ModelOptions& model = command->server.model;
  line.Group("Which model");
  line.Add("model", "DIR", &model.model,
           "Loads the InternVL3 model in this folder and answers in this "
           "process.");
  line.Add("connect", "[SCHEME://]HOST:PORT", &command->connect,
           "Instead of --model: asks a running `tandem serve` or "
           "tandem-gateway over gRPC (grpc://, or no scheme), or any "
           "OpenAI-compatible server (http://).");
  line.Exclude("model", "connect");
  line.Add("api-key-file", "FILE", &command->api_key_file,
           "With --connect: a file with the key that the server asks for.");
  line.Exclude("model", "api-key-file");
  line.Add("served-name", "NAME", &model.served_name,
           "With --connect: the model to ask. Default: the only one served.");
  line.Group("What to ask");
  line.AddPositional("PROMPT", &command->prompt,
                     "One question. Without it: a conversation, line by line, "
                     "with pictures named in a line (@cat.png); /help lists "
                     "what else can be typed.");
  line.AddList("image", "FILE", &command->images,
               "A picture in front of the first question: JPEG, PNG, WebP or "
               "BMP. Repeat it for several.");
  line.Add("system", "TEXT", &command->system,
           "What the model is told first. Default: the model's own words.");
  line.Add("max-tiles", "1..40", &command->max_tiles,
           "Most tiles that a picture is cut into, thumbnail not counted: more "
           "show finer detail and take longer. Default: the model's.");
  line.Group("How to answer");
  line.Add("temperature", "0..2", &command->temperature,
           "0 takes the likeliest token, more lets chance in. Default: the "
           "model's.");
  line.Add("max-tokens", "1..", &command->max_tokens,
           "Longest answer. Default: what the context holds.");
  line.AddFlag("json", &command->json,
               "One JSON object: text, token_ids (none over HTTP), "
               "finish_reason, usage, timings_ms.");
  line.Group("With --model");
  line.Add("device", "DEVICE", &command->device,
           "What to compute on: cpu, or a card, cuda:0.");
  line.Add("dtype", "auto|float32|bfloat16", &model.dtype,
           "Of weights and arithmetic; auto is what the model is stored in.");
  line.Add("profile", "custom|hf", &model.profile,
           "Prompt and preprocessing: the model's own code, or the Hugging "
           "Face processor.");
  line.Example("tandem chat --model models/demo/weights");
  line.Example(
      "tandem chat --model models/demo/weights --image photo.jpg 'What is in "
      "the picture?'");
  line.Example("tandem chat --connect 127.0.0.1:50051 --json 'Hello'");
  line.Example("tandem chat --connect http://127.0.0.1:8080");
}

}  // namespace tandem
