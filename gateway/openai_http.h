#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/health.h"
#include "common/http_server.h"
#include "gateway/openai_request.h"
#include "gateway/remote_images.h"
#include "gateway/rpc_call.h"

namespace tandem {

class OpenAiAnswer;

// The OpenAI-compatible API on the wire: HTTP exchanges to the engine and back,
// no decisions.
//
//   POST /v1/chat/completions   whole, or as server-sent events
//   POST /v1/completions        raw text
//   POST /tokenize
//   GET  /v1/models[/ID]
//   GET  /health                200 {}, or 503 while nobody can be served
//   GET  /version
//   GET  /                      the playground, and its files behind it
//
// The API, /v1 and /tokenize, asks for a key where keys are configured. Every
// answer has x-request-id (the client's, where it is valid), every failure an
// error object. The header `x-tandem-timings: 1` adds timings_ms to an answer.
// HTTP knows no deadlines: a request may take as long as gRPC's longest.
class OpenAiHttp {
 public:
  struct Options {
    bool strict_fields = false;
    // See OpenAiAnswer.
    absl::Duration silence = absl::Seconds(15);
    // Where images of a request may be fetched from; empty: nowhere.
    std::vector<ImageHost> image_hosts = {};
    RemoteImages::Options remote_images = {};
  };
  // All of `frame`, and `health`, outlives this and the server whose exchanges
  // it handles.
  OpenAiHttp(Options options, const RpcFrame& frame, const Health& health);
  // Cancels the fetches that are in flight.
  ~OpenAiHttp();

  // For HttpServer. Any thread.
  void Handle(std::shared_ptr<HttpExchange> exchange) const;
  // For HttpServer::Options::refusal.
  static HttpResponse Refusal(int status, absl::string_view why);

 private:
  struct Exchange;  // one of them, and what is known of it
  using Action = void (OpenAiHttp::*)(Exchange&) const;
  struct Route {
    const char* method;
    const char* path;  // ends with "/": a prefix
    Action action;
  };

  void Chat(Exchange& exchange) const;
  void Complete(Exchange& exchange) const;
  void Tokenize(Exchange& exchange) const;
  void ListModels(Exchange& exchange) const;
  void GetModel(Exchange& exchange) const;
  void GetHealth(Exchange& exchange) const;
  void GetVersion(Exchange& exchange) const;

  using Parse = absl::StatusOr<OpenAiRequest> (*)(std::string& body,
                                                  const OpenAiOptions&);
  void Answer(Exchange& exchange, bool chat, Parse parse) const;
  absl::StatusOr<ChatEngine::Call> Begin(const Exchange& exchange) const;
  absl::StatusOr<std::shared_ptr<AccessPass>> Identify(
      const Exchange& exchange) const;
  OpenAiOptions ParseOptions() const;
  // Begins the answer when the request's remote images are there. A client that
  // leaves cancels the fetch.
  void FetchAndStart(OpenAiRequest request, ChatEngine::Call call,
                     std::shared_ptr<HttpExchange> http,
                     std::shared_ptr<OpenAiAnswer> answer) const;

  const Options options_;
  const RpcFrame frame_;
  const Health& health_;
  const int64_t started_;  // seconds since 1970
  // Null: no image is fetched. First to go: its fetches use the rest.
  const std::unique_ptr<RemoteImages> remote_images_;
};

}  // namespace tandem
