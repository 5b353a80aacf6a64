// The OpenAI-compatible API over real sockets, with fake services behind.
#include "gateway/openai_http.h"

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/errors.h"
#include "common/sha256.h"
#include "common/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/common/http_client.h"
#include "tests/common/test_files.h"
#include "tests/gateway/chat_fixture.h"

namespace tandem {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr char kHello[] =
    R"({"model":"fake","messages":[{"role":"user","content":"hello"}]})";
constexpr char kStream[] = R"({"model":"fake","stream":true,)"
                           R"("messages":[{"role":"user","content":"hello"}]})";

std::string Post(absl::string_view path, absl::string_view body,
                 absl::string_view headers = "Connection: close\r\n") {
  return absl::StrCat(
      "POST ", path, " HTTP/1.1\r\nContent-Type: application/json\r\n", headers,
      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

// An answer without its chunks' frames.
struct Answer {
  explicit Answer(const std::string& bytes) {
    const size_t end = bytes.find("\r\n\r\n");
    head = bytes.substr(0, end);
    absl::string_view rest = end == std::string::npos
                                 ? ""
                                 : absl::string_view(bytes).substr(end + 4);
    if (!absl::StrContains(head, "chunked")) body = std::string(rest);
    while (absl::StrContains(head, "chunked") && !rest.empty()) {
      const size_t line = rest.find("\r\n");
      size_t size = 0;
      EXPECT_TRUE(absl::SimpleHexAtoi(rest.substr(0, line), &size));
      events.emplace_back(rest.substr(line + 2, size));
      rest.remove_prefix(line + 2 + size + 2);
    }
    if (!events.empty()) events.pop_back();  // the last chunk, empty
  }
  json parsed() const { return json::parse(body); }
  json error() const { return parsed()["error"]; }

  std::string head, body;
  std::vector<std::string> events;
};

class OpenAiHttpTest : public ChatFixture {
 protected:
  void Start(OpenAiHttp::Options options = {}, const Setup& setup = {}) {
    StartGateway(setup);
    openai_ =
        std::make_unique<OpenAiHttp>(options, gateway_->rpc_frame(), health_);
    auto server =
        HttpServer::Start({.listen = {"127.0.0.1", 0},
                           .max_body_bytes = 1 << 20,
                           .refusal = &OpenAiHttp::Refusal},
                          [this](std::shared_ptr<HttpExchange> exchange) {
                            openai_->Handle(std::move(exchange));
                          });
    ASSERT_TRUE(server.ok()) << server.status();
    http_ = *std::move(server);
  }
  void TearDown() override {
    if (http_ != nullptr) ExpectIdle();
    http_ = nullptr;
  }

  int port() const { return http_->address().port; }
  Answer Ask(const std::string& request) {
    return Answer(AskHttp(port(), request));
  }
  Answer Get(absl::string_view path) {
    return Ask(
        absl::StrCat("GET ", path, " HTTP/1.1\r\nConnection: close\r\n\r\n"));
  }
  void ScriptStatus(const absl::Status& status, int pieces_before) {
    FakeLlmService::Script script;
    script.status = status;
    script.pieces_before_status = pieces_before;
    llm_[0]->SetScript(script);
  }

  std::unique_ptr<OpenAiHttp> openai_;
  std::unique_ptr<HttpServer> http_;
};

TEST_F(OpenAiHttpTest, AnswersWhole) {
  Start();
  const Answer answer = Ask(Post("/v1/chat/completions", kHello,
                                 "Connection: close\r\nx-request-id: abc\r\n"));
  EXPECT_THAT(answer.head, AllOf(StartsWith("HTTP/1.1 200 "),
                                 HasSubstr("Content-Type: application/json"),
                                 HasSubstr("x-request-id: abc"),
                                 HasSubstr("X-Content-Type-Options: nosniff")));
  EXPECT_EQ(answer.parsed()["choices"][0]["message"]["content"],
            "Hello, world.");
  EXPECT_EQ(answer.parsed()["model"], "fake");
  EXPECT_FALSE(answer.parsed().contains("timings_ms"));
  EXPECT_EQ(llm_[0]->requests()[0].request_id(), "abc");
}

TEST_F(OpenAiHttpTest, StreamsAnEventAToken) {
  Start();
  const Answer answer = Ask(Post("/v1/chat/completions", kStream));
  EXPECT_THAT(answer.head,
              AllOf(HasSubstr("Content-Type: text/event-stream; charset=utf-8"),
                    HasSubstr("Cache-Control: no-cache"),
                    HasSubstr("X-Accel-Buffering: no")));
  ASSERT_GE(answer.events.size(), 5u);
  std::string text;
  for (const std::string& event : answer.events) {
    EXPECT_THAT(event, AllOf(StartsWith("data: "), testing::EndsWith("\n\n")));
    if (event == "data: [DONE]\n\n") continue;
    const json choice = json::parse(event.substr(6))["choices"][0];
    if (choice["delta"].contains("content")) {
      text += choice["delta"]["content"].get<std::string>();
    }
  }
  EXPECT_EQ(text, "Hello, world.");
  EXPECT_EQ(answer.events.back(), "data: [DONE]\n\n");
}

TEST_F(OpenAiHttpTest, SendsPicturesToTheVisionService) {
  Start();
  std::string data_url;
  const v1::ChatRequest with_image = ImageRequest();
  for (const auto& part : with_image.messages(0).content()) {
    if (part.has_image()) {
      data_url = absl::StrCat("data:image/bmp;base64,",
                              absl::Base64Escape(part.image().data()));
    }
  }
  const json body = {
      {"model", "fake"},
      {"messages",
       {{{"role", "user"},
         {"content",
          {{{"type", "image_url"}, {"image_url", {{"url", data_url}}}},
           {{"type", "text"}, {"text", "what?"}}}}}}}};
  const Answer answer = Ask(Post("/v1/chat/completions", body.dump()));
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200 ")) << answer.body;
  EXPECT_EQ(llm_[0]->requests()[0].images_size(), 1);
}

// A chat of one image.
std::string ImageBody(const std::string& url) {
  const json image = {{"type", "image_url"}, {"image_url", {{"url", url}}}};
  const json message = {{"role", "user"}, {"content", json::array({image})}};
  return json{{"model", "fake"}, {"messages", json::array({message})}}.dump();
}

// Fetches from a server of its own: /image is one, /silent answers never,
// others are not there.
class RemoteImageTest : public OpenAiHttpTest {
 protected:
  RemoteImageTest() {
    auto server = HttpServer::Start(
        {.listen = {"127.0.0.1", 0}},
        HttpServer::Handler([this](std::shared_ptr<HttpExchange> exchange) {
          const std::string& path = exchange->request().path;
          if (path == "/silent") {
            silent_ = exchange;
            ++num_held_;
            return;
          }
          if (path != "/image") return exchange->Respond({.status = 404});
          exchange->Respond(
              {.content_type = "text/html",
               .body = ImageRequest().messages(0).content(0).image().data()});
        }));
    EXPECT_TRUE(server.ok()) << server.status();
    images_ = *std::move(server);
  }
  std::string Host() const {
    return absl::StrCat("http://127.0.0.1:", images_->address().port);
  }
  OpenAiHttp::Options WithHost() const {
    return {.image_hosts = {*ParseImageHost(Host())}};
  }
  Answer AskFor(const std::string& url) {
    return Ask(Post("/v1/chat/completions", ImageBody(url)));
  }

  std::shared_ptr<HttpExchange> silent_;
  std::atomic<int> num_held_ = 0;
  std::unique_ptr<HttpServer> images_;
};

TEST_F(RemoteImageTest, IsFetchedAndSeen) {
  Start(WithHost());
  const Answer answer = AskFor(Host() + "/image");
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200 ")) << answer.body;
  ASSERT_EQ(llm_[0]->requests().size(), 1u);
  EXPECT_EQ(llm_[0]->requests()[0].images_size(), 1);
}

TEST_F(RemoteImageTest, IsRefusedUnlessTheOperatorNamedItsHost) {
  Start();
  const Answer answer = AskFor(Host() + "/image");
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(answer.error()["code"], "unsupported_parameter");
}

TEST_F(RemoteImageTest, ThatIsNotThereNamesItsParameter) {
  const TempDirectory folder;
  Setup setup;
  setup.access.keys_file = folder.Write(
      "keys.json",
      absl::StrCat(R"({"keys":[{"id":"ann","concurrent":1,"sha256":")",
                   Sha256Hex("secret-secret-secret"), R"("}]})"));
  Start(WithHost(), setup);
  // One at a time: a failed fetch gives its place back.
  for (int i = 0; i < 2; ++i) {
    const Answer answer =
        Ask(Post("/v1/chat/completions", ImageBody(Host() + "/missing"),
                 "Connection: close\r\nx-api-key: secret-secret-secret\r\n"));
    EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 400 "));
    EXPECT_EQ(answer.error()["param"], "messages[0].content[0].image_url.url");
    EXPECT_THAT(answer.error()["message"].get<std::string>(),
                HasSubstr("answered 404"));
  }
}

TEST_F(RemoteImageTest, ThatDoesNotComeIsUnavailable) {
  OpenAiHttp::Options options = WithHost();
  options.remote_images.timeout = absl::Milliseconds(50);
  Start(options);
  const Answer answer = AskFor(Host() + "/silent");
  EXPECT_THAT(answer.head, AllOf(StartsWith("HTTP/1.1 503 "),
                                 HasSubstr("retry-after-ms: 1000")));
  EXPECT_EQ(answer.error()["code"], "unavailable");
  EXPECT_EQ(
      Requests(absl::StatusCode::kUnavailable, Method::kChat, Api::kOpenAi), 1);
}

TEST_F(RemoteImageTest, IsLetGoOfWhenTheClientLeaves) {
  OpenAiHttp::Options options = WithHost();
  options.remote_images.timeout = absl::InfiniteDuration();
  Start(options);
  {
    RawConnection client(port());
    client.Send(Post("/v1/chat/completions", ImageBody(Host() + "/silent")));
    WaitUntil([&] { return num_held_ == 1; });
  }
  WaitUntil([&] { return images_->num_connections() == 0; });
  EXPECT_TRUE(llm_[0]->requests().empty());
}

TEST_F(OpenAiHttpTest, TellsTimingsWhoAsksForThem) {
  Start();
  const std::string headers = "Connection: close\r\nx-tandem-timings: 1\r\n";
  EXPECT_TRUE(Ask(Post("/v1/chat/completions", kHello, headers))
                  .parsed()
                  .contains("timings_ms"));
  const Answer stream = Ask(Post("/v1/chat/completions", kStream, headers));
  const std::string& last = stream.events[stream.events.size() - 2];
  EXPECT_GT(json::parse(last.substr(6))["timings_ms"]["total"], 0);
}

TEST_F(OpenAiHttpTest, CompletesRawText) {
  Start();
  const Answer answer = Ask(Post(
      "/v1/completions", R"({"model":"fake","prompt":"Once","max_tokens":9})"));
  EXPECT_EQ(answer.parsed()["object"], "text_completion");
  EXPECT_EQ(answer.parsed()["choices"][0]["text"], "Hello, world.");
  EXPECT_THAT(answer.parsed()["id"].get<std::string>(), StartsWith("cmpl-"));
  EXPECT_EQ(llm_[0]->requests()[0].prompt(), "Once");
}

TEST_F(OpenAiHttpTest, Tokenizes) {
  Start();
  const json text =
      Ask(Post("/tokenize", R"({"model":"fake","prompt":"ab"})")).parsed();
  EXPECT_EQ(text["count"], 2);
  EXPECT_EQ(text["tokens"], json({97, 98}));
  EXPECT_GT(text["max_model_len"], 0);
  EXPECT_GT(Ask(Post("/tokenize", kHello)).parsed()["count"], 0);
  EXPECT_EQ(
      Ask(Post("/tokenize", R"({"model":"no","prompt":"ab"})")).error()["code"],
      "model_not_found");
}

TEST_F(OpenAiHttpTest, ListsTheModel) {
  Start();
  EXPECT_EQ(Get("/v1/models").parsed()["data"][0]["id"], "fake");
  EXPECT_EQ(Get("/v1/models/fake").parsed()["id"], "fake");
  EXPECT_EQ(Get("/v1/models/f%61ke").parsed()["id"], "fake");
  EXPECT_THAT(Get("/v1/models/a%2Fb%").error()["message"].get<std::string>(),
              HasSubstr("\"a/b%\""));
  const Answer unknown = Get("/v1/models/other");
  EXPECT_THAT(unknown.head, StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(unknown.error()["code"], "model_not_found");
}

TEST_F(OpenAiHttpTest, HealthFollowsTheBackendsAndTheDrain) {
  health_.AddCondition("backends asked");
  Start();
  EXPECT_THAT(Get("/health").head, StartsWith("HTTP/1.1 503 "));
  health_.SetCondition("backends asked", true);
  const Answer healthy = Get("/health");
  EXPECT_THAT(healthy.head, StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(healthy.body, "{}");
  EXPECT_EQ(Get("/version").parsed()["version"], std::string(Version()));
  health_.Drain();
  EXPECT_THAT(Get("/health").head,
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after-ms")));
}

TEST_F(OpenAiHttpTest, ServesThePlayground) {
  Start();
  EXPECT_THAT(Get("/").head, AllOf(StartsWith("HTTP/1.1 200 "),
                                   HasSubstr("Content-Type: text/html")));
}

TEST_F(OpenAiHttpTest, RefusesWhatItDoesNotKnowWithAnErrorObject) {
  Start();
  const Answer path = Get("/v2/chat");
  EXPECT_THAT(path.head,
              AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("x-request-id: ")));
  EXPECT_EQ(path.error()["type"], "invalid_request_error");
  const Answer method = Get("/v1/chat/completions");
  EXPECT_THAT(method.head,
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: POST\r\n")));
  EXPECT_EQ(method.error()["code"], "method_not_allowed");
  EXPECT_THAT(Ask(Post("/v1/models", "{}")).head, HasSubstr("Allow: GET"));
  const Answer form =
      Ask("POST /v1/chat/completions HTTP/1.1\r\nConnection: "
          "close\r\nContent-Type: "
          "application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b");
  EXPECT_THAT(form.head, StartsWith("HTTP/1.1 415 "));
  const Answer large = Ask(
      "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n");
  EXPECT_THAT(large.head, StartsWith("HTTP/1.1 413 "));
  EXPECT_EQ(large.error()["code"], "content_too_large");
}

TEST_F(OpenAiHttpTest, AMistakeNamesItsParameter) {
  Start();
  const Answer answer = Ask(Post(
      "/v1/chat/completions",
      R"({"model":"fake","n":3,"messages":[{"role":"user","content":"x"}]})"));
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(answer.error()["param"], "n");
  EXPECT_EQ(answer.error()["code"], "invalid_value");
  EXPECT_TRUE(
      Ask(Post("/v1/chat/completions", "{")).error()["param"].is_null());
}

TEST_F(OpenAiHttpTest, AFailureBeforeTheFirstTokenHasItsStatus) {
  Start();
  ScriptStatus(MakeError(absl::StatusCode::kInternal, reason::kNumericFault,
                         "NaN in the logits"),
               /*pieces_before=*/0);
  for (const char* body : {kHello, kStream}) {
    const Answer answer = Ask(Post("/v1/chat/completions", body));
    EXPECT_THAT(answer.head, AllOf(StartsWith("HTTP/1.1 500 "),
                                   HasSubstr("x-should-retry: false")));
    EXPECT_EQ(answer.error()["code"], "numeric_fault");
  }
}

TEST_F(OpenAiHttpTest, AFailureAfterTheFirstTokenIsAnEvent) {
  Start();
  ScriptStatus(absl::UnavailableError("gone"), /*pieces_before=*/2);
  const Answer answer = Ask(Post("/v1/chat/completions", kStream));
  EXPECT_THAT(answer.head, StartsWith("HTTP/1.1 200 "));
  ASSERT_EQ(answer.events.size(), 4u);
  const json error = json::parse(answer.events[2].substr(6))["error"];
  EXPECT_EQ(error["code"], "peer_lost");
  EXPECT_EQ(error["type"], "server_error");
  EXPECT_EQ(answer.events[3], "data: [DONE]\n\n");
}

TEST_F(OpenAiHttpTest, ASilentAnswerIsKeptAlive) {
  Start({.silence = absl::Milliseconds(5)});
  FakeLlmService::Script script;
  script.hold_after = 0;
  llm_[0]->SetScript(script);
  RawConnection client(port());
  client.Send(Post("/v1/chat/completions", kStream));
  client.ReadUntil(": keep-alive\n\n");
  client.ReadUntil(": keep-alive\n\n");
  llm_[0]->Release();
  EXPECT_THAT(client.ReadToEnd(), HasSubstr("data: [DONE]"));
}

TEST_F(OpenAiHttpTest, AClientThatLeavesCancelsTheAnswer) {
  Start();
  FakeLlmService::Script script;
  for (const int hold_after : {0, 2}) {
    script.hold_after = hold_after;
    llm_[0]->SetScript(script);
    for (const char* body : {kHello, kStream}) {
      {
        RawConnection client(port());
        client.Send(Post("/v1/chat/completions", body));
        WaitUntil([&] { return llm_[0]->num_held() == 1; });
      }
      WaitUntil([&] { return llm_[0]->num_calls() == 0; });
    }
  }
  EXPECT_EQ(llm_[0]->num_cancelled(), 4);
}

TEST_F(OpenAiHttpTest, OneConnectionCarriesManyAnswers) {
  Start();
  RawConnection client(port());
  for (int i = 0; i < 3; ++i) {
    client.Send(Post("/v1/chat/completions", kStream, ""));
    EXPECT_THAT(client.ReadUntil("0\r\n\r\n"), HasSubstr("[DONE]"));
    client.Send(Post("/v1/chat/completions", kHello, ""));
    EXPECT_THAT(client.ReadUntil("\"image_tokens\":0}}}"), HasSubstr("200 OK"));
  }
}

TEST_F(OpenAiHttpTest, RefusesWhenItDrains) {
  Start();
  host_->Shutdown(absl::Notification());
  const Answer answer = Ask(Post("/v1/chat/completions", kHello));
  EXPECT_THAT(answer.head,
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("retry-after-ms: "),
                    Not(HasSubstr("x-should-retry"))));
  EXPECT_EQ(answer.error()["code"], "unavailable");
}

TEST_F(OpenAiHttpTest, RefusesUnknownFieldsWhereTheOperatorSaysSo) {
  Start({.strict_fields = true});
  const std::string body =
      R"({"model":"fake","fish":1,"messages":[{"role":"user","content":"x"}]})";
  EXPECT_EQ(Ask(Post("/v1/chat/completions", body)).error()["param"], "fish");
}

TEST_F(OpenAiHttpTest, AsksForAKeyWhereKeysAreConfigured) {
  const TempDirectory folder;
  Setup setup;
  setup.access.keys_file = folder.Write(
      "keys.json",
      absl::StrCat(R"({"keys":[{"id":"ann","concurrent":1,"sha256":")",
                   Sha256Hex("secret-secret-secret"), R"("}]})"));
  Start({}, setup);
  const Answer none = Ask(Post("/v1/chat/completions", kHello));
  EXPECT_THAT(none.head, StartsWith("HTTP/1.1 401 "));
  EXPECT_EQ(none.error()["code"], "invalid_api_key");
  EXPECT_THAT(Get("/v1/models").head, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(Get("/version").head, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/").head, StartsWith("HTTP/1.1 200 "));
  const Answer wrong =
      Ask(Post("/tokenize", R"({"prompt":"ab"})",
               "Connection: close\r\nAuthorization: Bearer guess\r\n"));
  EXPECT_THAT(wrong.head, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(wrong.body, Not(HasSubstr("guess")));
  // One at a time: each gives its place back before its answer ends.
  for (const char* header : {"Authorization: Bearer secret-secret-secret\r\n",
                             "X-API-Key: secret-secret-secret\r\n"}) {
    const std::string headers = absl::StrCat("Connection: close\r\n", header);
    for (const char* body : {kHello, kStream, "{"}) {
      const Answer answer = Ask(Post("/v1/chat/completions", body, headers));
      EXPECT_THAT(answer.head,
                  StartsWith(body[1] == 0 ? "HTTP/1.1 400 " : "HTTP/1.1 200 "));
    }
    EXPECT_EQ(
        Ask(Post("/tokenize", R"({"prompt":"ab"})", headers)).parsed()["count"],
        2);
  }
}

TEST_F(OpenAiHttpTest, CarriesTheTraceOn) {
  Start();
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";
  Ask(Post("/v1/chat/completions", kHello,
           absl::StrCat("Connection: close\r\ntraceparent: 00-", trace,
                        "-b7ad6b7169203331-01\r\n")));
  ASSERT_EQ(llm_[0]->traces().size(), 1u);
  EXPECT_THAT(llm_[0]->traces()[0].first, HasSubstr(trace));
}

}  // namespace
}  // namespace tandem
