#include "gateway/openai_http.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/log.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/version.h"
#include "gateway/call_record.h"
#include "gateway/openai_answer.h"
#include "gateway/openai_error.h"
#include "gateway/openai_response.h"
#include "gateway/playground.h"
#include "gateway/token_count.h"

namespace tandem {
namespace {

constexpr char kModelPrefix[] = "/v1/models/";

absl::string_view MediaType(const HttpRequest& request) {
  const absl::string_view header = request.Header("content-type");
  return absl::StripTrailingAsciiWhitespace(header.substr(0, header.find(';')));
}

// Names may hold what paths do not ("org/model"); what is not encoded well
// stays as it is.
std::string PercentDecoded(absl::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    int value = 0;
    if (text[0] == '%' && text.size() >= 3 &&
        absl::SimpleHexAtoi(text.substr(1, 2), &value)) {
      decoded.push_back(static_cast<char>(value));
      text.remove_prefix(3);
    } else {
      decoded.push_back(text[0]);
      text.remove_prefix(1);
    }
  }
  return decoded;
}

HttpResponse JsonAnswer(std::string body) {
  return {.content_type = "application/json", .body = std::move(body)};
}

}  // namespace

struct OpenAiHttp::Exchange {
  std::shared_ptr<HttpExchange> http;
  std::string request_id;

  HttpRequest& request() const { return http->request(); }

  void Respond(HttpResponse response) const {
    response.headers.emplace_back(kRequestIdHeader, request_id);
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    http->Respond(std::move(response));
  }
  void Fail(const absl::Status& status) const {
    http->Respond(OpenAiErrorResponse(status, request_id));
  }
  // Counts an answer that is given at once.
  void Finish(CallRecord& record, absl::StatusOr<std::string> body) const {
    record.End(body.status().code());
    if (body.ok()) {
      Respond(JsonAnswer(*std::move(body)));
    } else {
      Fail(body.status());
    }
  }
};

OpenAiHttp::OpenAiHttp(Options options, const RpcFrame& frame,
                       const Health& health)
    : options_(options),
      frame_(frame),
      health_(health),
      started_(absl::ToUnixSeconds(frame.clock.Now())),
      remote_images_(
          options_.image_hosts.empty()
              ? nullptr
              : std::make_unique<RemoteImages>(options_.remote_images)) {}

OpenAiHttp::~OpenAiHttp() = default;

void OpenAiHttp::Handle(std::shared_ptr<HttpExchange> http) const {
  static constexpr Route kRoutes[] = {
      {"POST", "/v1/chat/completions", &OpenAiHttp::Chat},
      {"POST", "/v1/completions", &OpenAiHttp::Complete},
      {"POST", "/tokenize", &OpenAiHttp::Tokenize},
      {"GET", "/v1/models", &OpenAiHttp::ListModels},
      {"GET", kModelPrefix, &OpenAiHttp::GetModel},
      {"GET", "/health", &OpenAiHttp::GetHealth},
      {"GET", "/version", &OpenAiHttp::GetVersion},
  };
  Exchange exchange{http,
                    AcceptRequestId(http->request().Header(kRequestIdHeader))};
  const std::string& path = exchange.request().path;
  const Route* found = nullptr;
  for (const Route& route : kRoutes) {
    const bool is_prefix = absl::EndsWith(route.path, "/");
    if (is_prefix ? absl::StartsWith(path, route.path) : path == route.path) {
      found = &route;
    }
  }
  if (found == nullptr) {
    const bool reads = exchange.request().method == "GET";
    auto page =
        PlaygroundPage(path, exchange.request().Header("accept-encoding"));
    if (reads && page.has_value()) {
      page->headers.emplace_back(kRequestIdHeader, exchange.request_id);
      return http->Respond(*std::move(page));
    }
    return http->Respond(
        OpenAiRefusal(404, "no such path", exchange.request_id));
  }
  if (exchange.request().method != found->method) {
    HttpResponse refusal =
        OpenAiRefusal(405, absl::StrCat("this path takes ", found->method),
                      exchange.request_id);
    refusal.headers.emplace_back("Allow", found->method);
    return http->Respond(std::move(refusal));
  }
  const absl::string_view type = MediaType(exchange.request());
  if (absl::string_view(found->method) == "POST" && !type.empty() &&
      !absl::EqualsIgnoreCase(type, "application/json")) {
    return http->Respond(OpenAiRefusal(415, "the body must be application/json",
                                       exchange.request_id));
  }
  (this->*found->action)(exchange);
}

HttpResponse OpenAiHttp::Refusal(int status, absl::string_view why) {
  return OpenAiRefusal(status, std::string(why), AcceptRequestId(""));
}

void OpenAiHttp::Chat(Exchange& exchange) const {
  Answer(exchange, /*chat=*/true, &ParseChatCompletion);
}

void OpenAiHttp::Complete(Exchange& exchange) const {
  Answer(exchange, /*chat=*/false, &ParseCompletion);
}

void OpenAiHttp::Answer(Exchange& exchange, bool chat, Parse parse) const {
  auto record = std::make_unique<CallRecord>(
      frame_.metrics, frame_.clock,
      CallRecord::Labels{.api = Api::kOpenAi, .method = Method::kChat});
  absl::StatusOr<OpenAiRequest> request;
  absl::StatusOr<ChatEngine::Call> call = Begin(exchange);
  absl::Status status = call.status();
  if (status.ok()) {
    request = parse(exchange.request().body, ParseOptions());
    status = request.status();
  }
  // What it says has been read; what waits for the answer is the connection.
  std::string().swap(exchange.request().body);
  if (!status.ok()) {
    if (call.ok()) call->pass = nullptr;  // before the client may come again
    record->End(status.code());
    return exchange.Fail(status);
  }
  if (!request->unknown_fields.empty()) {
    LogDebug("fields ignored",
             {{kLogRequestId, exchange.request_id},
              {"fields", absl::StrJoin(request->unknown_fields, " ")}});
  }
  if (request->stream) record->SetStreaming(Streaming::kYes);
  const OpenAiForm form{
      .chat = chat,
      .include_usage = request->include_usage,
      .continuous_usage = request->continuous_usage,
      .timings = exchange.request().Header("x-tandem-timings") == "1"};
  const auto answer = std::make_shared<OpenAiAnswer>(
      OpenAiAnswer::Options{.form = form,
                            .stream = request->stream,
                            .request_id = exchange.request_id,
                            .silence = options_.silence},
      frame_.clock, exchange.http, std::move(record));
  exchange.request() = {};
  if (request->remote_images.empty()) {
    answer->Start(frame_.engine, std::move(request->chat), *std::move(call));
  } else {
    FetchAndStart(*std::move(request), *std::move(call), exchange.http, answer);
  }
}

void OpenAiHttp::FetchAndStart(OpenAiRequest request, ChatEngine::Call call,
                               std::shared_ptr<HttpExchange> http,
                               std::shared_ptr<OpenAiAnswer> answer) const {
  struct Waiting {
    OpenAiRequest request;
    ChatEngine::Call call;
  };
  const auto waiting =
      std::make_shared<Waiting>(Waiting{std::move(request), std::move(call)});
  const std::vector<RemoteImage>& images = waiting->request.remote_images;
  const auto fetch = remote_images_->NewFetch(
      images, [&engine = frame_.engine, &images, waiting,
               answer](absl::StatusOr<std::vector<std::string>> files) {
        if (!files.ok()) {
          waiting->call.pass = nullptr;  // before the client may come again
          return answer->Fail(files.status());
        }
        v1::ChatRequest& chat = waiting->request.chat;
        for (size_t i = 0; i < images.size(); ++i) {
          chat.mutable_messages(images[i].message)
              ->mutable_content(images[i].part)
              ->mutable_image()
              ->set_data(std::move((*files)[i]));
        }
        answer->Start(engine, std::move(chat), std::move(waiting->call));
      });
  http->Watch({.on_written = nullptr, .on_gone = [fetch] { fetch->Cancel(); }});
  fetch->Start();
}

absl::StatusOr<ChatEngine::Call> OpenAiHttp::Begin(
    const Exchange& exchange) const {
  TANDEM_RETURN_IF_ERROR(CheckGate(frame_));
  const HttpRequest& request = exchange.request();
  TANDEM_ASSIGN_OR_RETURN(
      std::shared_ptr<AccessPass> pass,
      frame_.access.Enter(request.Header(kAuthorizationHeader),
                          request.Header(kApiKeyHeader)));
  return ChatEngine::Call{
      .request_id = exchange.request_id,
      .deadline = frame_.clock.Now() + DeadlinePolicy().at_most,
      .pass = std::move(pass),
      .trace = StartSpan(request.Header(kTraceParentHeader),
                         request.Header(kTraceStateHeader))};
}

absl::StatusOr<std::shared_ptr<AccessPass>> OpenAiHttp::Identify(
    const Exchange& exchange) const {
  return frame_.access.Identify(exchange.request().Header(kAuthorizationHeader),
                                exchange.request().Header(kApiKeyHeader));
}

OpenAiOptions OpenAiHttp::ParseOptions() const {
  return {.limits = frame_.engine.options().limits,
          .strict_fields = options_.strict_fields,
          .image_hosts = options_.image_hosts};
}

void OpenAiHttp::Tokenize(Exchange& exchange) const {
  auto record = std::make_shared<CallRecord>(
      frame_.metrics, frame_.clock,
      CallRecord::Labels{.api = Api::kOpenAi, .method = Method::kCountTokens});
  const absl::StatusOr<v1::Model> model = frame_.engine.GetModel("", nullptr);
  const uint32_t max_model_len = model.ok() ? model->max_context_tokens() : 0;
  absl::StatusOr<ChatEngine::Call> call = Begin(exchange);
  absl::StatusOr<v1::CountTokensRequest> request;
  absl::Status status = call.status();
  if (status.ok()) {
    request = ParseTokenize(exchange.request().body, ParseOptions());
    status = request.status();
  }
  if (!status.ok()) {
    if (call.ok()) call->pass = nullptr;
    return exchange.Finish(*record, status);
  }
  const auto count = frame_.engine.NewTokenCount(
      *std::move(call), [exchange, record, max_model_len](
                            absl::StatusOr<v1::CountTokensResponse> counted) {
        if (!counted.ok()) {
          return exchange.Finish(*record, InOpenAiTerms(counted.status()));
        }
        exchange.Finish(*record, OpenAiTokensJson(*counted, max_model_len));
      });
  exchange.http->Watch(
      {.on_written = nullptr, .on_gone = [count] { count->Cancel(); }});
  count->Start(*request);
}

void OpenAiHttp::ListModels(Exchange& exchange) const {
  CallRecord record(frame_.metrics, frame_.clock,
                    {.api = Api::kOpenAi, .method = Method::kListModels});
  exchange.Finish(record, [&]() -> absl::StatusOr<std::string> {
    TANDEM_ASSIGN_OR_RETURN(const auto pass, Identify(exchange));
    TANDEM_ASSIGN_OR_RETURN(const std::vector<v1::Model> models,
                            frame_.engine.ListModels(pass.get()));
    return OpenAiModelsJson(models, started_);
  }());
}

void OpenAiHttp::GetModel(Exchange& exchange) const {
  CallRecord record(frame_.metrics, frame_.clock,
                    {.api = Api::kOpenAi, .method = Method::kGetModel});
  exchange.Finish(record, [&]() -> absl::StatusOr<std::string> {
    TANDEM_ASSIGN_OR_RETURN(const auto pass, Identify(exchange));
    TANDEM_ASSIGN_OR_RETURN(
        const v1::Model model,
        frame_.engine.GetModel(PercentDecoded(absl::StripPrefix(
                                   exchange.request().path, kModelPrefix)),
                               pass.get()));
    return OpenAiModelJson(model, started_);
  }());
}

void OpenAiHttp::GetHealth(Exchange& exchange) const {
  const Health::State state = health_.Get();
  if (state.live && state.ready && frame_.engine.is_ready()) {
    return exchange.Respond(JsonAnswer("{}"));
  }
  exchange.Fail(RetryableError(
      absl::StatusCode::kUnavailable, reason::kBackendUnavailable,
      state.reason.empty() ? "no llm service is ready" : state.reason,
      absl::Seconds(1)));
}

void OpenAiHttp::GetVersion(Exchange& exchange) const {
  exchange.Respond(JsonAnswer(absl::StrCat(
      "{\"version\":\"", Version(), "\",\"commit\":\"", Commit(), "\"}")));
}

}  // namespace tandem
