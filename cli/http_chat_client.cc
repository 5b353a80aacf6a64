#include "cli/http_chat_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/openai_error.h"
#include "cli/openai_messages.h"
#include "cli/openai_stream.h"
#include "cli/sse_parser.h"
#include "common/errors.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::json;

// The longest that a gateway allows.
constexpr absl::Duration kAnswerTimeout = absl::Seconds(600);
// Of an answer that is read as a whole: a list of models, an error.
constexpr size_t kMaxWholeBytes = 1 << 20;

absl::Status NoOpenAi(absl::string_view what) {
  return MakeError(absl::StatusCode::kInternal, reason::kInternal,
                   absl::StrCat("this is no OpenAI-compatible server: ", what));
}

absl::Status Append(absl::string_view piece, std::string& whole) {
  if (whole.size() + piece.size() > kMaxWholeBytes) {
    return NoOpenAi(
        absl::StrCat("its answer has more than ", kMaxWholeBytes, " bytes"));
  }
  whole.append(piece.data(), piece.size());
  return absl::OkStatus();
}

// What an entry of /v1/models tells; what it leaves out stays 0.
v1::Model ModelOf(const Json& entry) {
  v1::Model model;
  model.set_id(entry["id"].get<std::string>());
  const auto length = entry.find("max_model_len");
  if (length != entry.end() && length->is_number_unsigned()) {
    model.set_max_context_tokens(length->get<uint32_t>());
  }
  return model;
}

absl::StatusOr<std::vector<v1::Model>> ModelsOf(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("data") || !json["data"].is_array()) {
    return NoOpenAi("/v1/models is no list");
  }
  std::vector<v1::Model> models;
  for (const Json& entry : json["data"]) {
    if (!entry.is_object() || !entry.contains("id") ||
        !entry["id"].is_string()) {
      return NoOpenAi("a model of /v1/models has no id");
    }
    models.push_back(ModelOf(entry));
  }
  return models;
}

// The body of a streamed answer on its way to the person who waits.
class StreamReader {
 public:
  explicit StreamReader(const ChatClient::OnText& on_text)
      : on_text_(on_text) {}

  absl::Status OnBody(const HttpHead& head, absl::string_view piece) {
    if (head.status != 200) return Append(piece, refusal_);
    if (head.content_type != "text/event-stream") {
      return NoOpenAi(absl::StrCat("it streams \"", head.content_type, "\""));
    }
    const auto events = parser_.Feed(piece);
    if (!events.ok()) return NoOpenAi(events.status().message());
    for (const std::string& event : *events) {
      TANDEM_ASSIGN_OR_RETURN(const std::string text, stream_.OnEvent(event));
      if (!text.empty()) on_text_(text);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ChatAnswer> End(const HttpHead& head) const {
    if (head.status != 200) {
      return FromHttpError(refusal_, head.status, head.retry_delay);
    }
    if (stream_.whole()) return stream_.answer();
    return MakeError(absl::StatusCode::kUnavailable, reason::kPeerLost,
                     "the stream ended before the answer did");
  }

  bool done() const { return stream_.done(); }
  const ChatAnswer& answer() const { return stream_.answer(); }

 private:
  const ChatClient::OnText& on_text_;
  SseParser parser_;
  OpenAiStream stream_;
  std::string refusal_;
};

}  // namespace

HttpChatClient::HttpChatClient(HostPort server, CallHeaders headers)
    : exchange_(std::move(server)), headers_(std::move(headers)) {}

absl::StatusOr<v1::Model> HttpChatClient::FindModel(const std::string& name) {
  std::string body;
  TANDEM_ASSIGN_OR_RETURN(
      const HttpHead head,
      exchange_.Send({.target = "/v1/models", .headers = headers_},
                     [&](const HttpHead&, absl::string_view piece) {
                       return Append(piece, body);
                     }));
  if (head.status != 200) {
    return FromHttpError(body, head.status, head.retry_delay);
  }
  TANDEM_ASSIGN_OR_RETURN(const std::vector<v1::Model> models, ModelsOf(body));
  if (name.empty()) {
    if (models.size() == 1) return models.front();
    return absl::InvalidArgumentError(absl::StrCat(
        models.size(), " models are served; choose one with --served-name"));
  }
  for (const v1::Model& model : models) {
    if (model.id() == name) return model;
  }
  return MakeError(absl::StatusCode::kNotFound, reason::kModelNotFound,
                   absl::StrCat("model \"", name, "\" is not served"),
                   {{"model", name}});
}

absl::StatusOr<ChatAnswer> HttpChatClient::Chat(const v1::ChatRequest& request,
                                                const OnText& on_text) {
  TANDEM_RETURN_IF_ERROR(CheckChatRequest(request));
  HttpCall call = {.method = "POST",
                   .target = "/v1/chat/completions",
                   .headers = headers_,
                   .body = ChatBody(request),
                   .timeout = kAnswerTimeout};
  call.headers.emplace_back("accept", "text/event-stream");
  call.headers.emplace_back("x-tandem-timings", "1");
  call.headers.emplace_back(kRequestIdHeader, AcceptRequestId(""));
  StreamReader reader(on_text);
  const absl::StatusOr<HttpHead> head =
      exchange_.Send(call, [&](const HttpHead& h, absl::string_view piece) {
        return reader.OnBody(h, piece);
      });
  // Nothing is missing, however the connection ended.
  if (reader.done()) return reader.answer();
  if (!head.ok()) return head.status();
  return reader.End(*head);
}

}  // namespace tandem
