#include "cli/http_chat_client.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/notification.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/fake_http_server.h"

namespace tandem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char kStream[] = "text/event-stream; charset=utf-8";

v1::ChatRequest Question(const std::string& text) {
  v1::ChatRequest request;
  request.set_model("tiny");
  v1::ChatMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text(text);
  return request;
}

std::string Event(const std::string& data) {
  return absl::StrCat("data: ", data, "\n\n");
}

std::string Delta(const std::string& text) {
  const nlohmann::json chunk = {{"choices",
                                 {{{"index", 0},
                                   {"delta", {{"content", text}}},
                                   {"finish_reason", nullptr}}}}};
  return Event(chunk.dump());
}

const std::string kLast =
    Event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"length"}],)"
          R"("timings_ms":{"prefill":1.5,"total":9}})");
const std::string kUsage =
    Event(R"({"choices":[],"usage":{"prompt_tokens":21,"completion_tokens":2,)"
          R"("total_tokens":23,"prompt_tokens_details":)"
          R"({"cached_tokens":4,"image_tokens":3}}})");
const std::string kDone = Event("[DONE]");

class HttpChatClientTest : public testing::Test {
 protected:
  absl::StatusOr<ChatAnswer> Ask(const v1::ChatRequest& request) {
    return client_.Chat(request, [this](absl::string_view piece) {
      pieces_.emplace_back(piece);
    });
  }
  // The answer to a stream whose connection ends with its bytes.
  absl::Status AskFor(const std::string& bytes) {
    server_.Expect({.writes = {bytes}});
    return Ask(Question("Hi")).status();
  }
  nlohmann::json Body(size_t request) {
    const std::string text = server_.requests()[request];
    return nlohmann::json::parse(text.substr(text.find("\r\n\r\n")));
  }

  FakeHttpServer server_;
  HttpChatClient client_{server_.address(), {{"authorization", "Bearer key"}}};
  std::vector<std::string> pieces_;
};

TEST_F(HttpChatClientTest, GivesTheTextAsItComesAndTheWholeAnswer) {
  server_.Expect({.writes = {ChunkedHead(kStream), HttpChunk(": hello\n\n"),
                             HttpChunk(Delta("He")), HttpChunk(Delta("llo")),
                             HttpChunk(kLast), HttpChunk(kUsage),
                             HttpChunk(kDone), HttpChunk("")}});
  const absl::StatusOr<ChatAnswer> answer = Ask(Question("Hi"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_THAT(pieces_, ElementsAre("He", "llo"));
  EXPECT_EQ(answer->text, "Hello");
  EXPECT_THAT(answer->token_ids, IsEmpty());
  EXPECT_EQ(answer->finish_reason, v1::FINISH_REASON_LENGTH);
  EXPECT_EQ(answer->usage.prompt_tokens(), 21);
  EXPECT_EQ(answer->usage.completion_tokens(), 2);
  EXPECT_EQ(answer->usage.image_tokens(), 3);
  EXPECT_EQ(answer->usage.cached_tokens(), 4);
  EXPECT_EQ(answer->timings.prefill(), 1.5);
  EXPECT_EQ(answer->timings.total(), 9);
}

TEST_F(HttpChatClientTest, IsTheSameHoweverTheBytesAreCut) {
  const std::string body = absl::StrReplaceAll(
      absl::StrCat(Delta("H\xC3\xA9"), ": x\n\n", Delta("llo"), kLast, kDone),
      {{"\n", "\r\n"}});
  FakeHttpServer::Script script;
  for (const char c :
       absl::StrCat(ChunkedHead(kStream), HttpChunk(body), HttpChunk(""))) {
    script.writes.emplace_back(1, c);
  }
  server_.Expect(script);
  const absl::StatusOr<ChatAnswer> answer = Ask(Question("Hi"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "H\xC3\xA9llo");
}

TEST_F(HttpChatClientTest, SendsTheRequestAsOpenAiWantsIt) {
  server_.Expect(
      {.writes = {HttpAnswer("200 OK", kStream, absl::StrCat(kLast, kDone))}});
  v1::ChatRequest request = Question("Hi");
  request.mutable_sampling()->set_temperature(0.7f);
  request.mutable_sampling()->set_max_tokens(5);
  request.mutable_sampling()->set_seed(1234567890123456789u);
  ASSERT_TRUE(Ask(request).ok());
  const std::string sent = server_.requests()[0];
  for (const char* line :
       {"POST /v1/chat/completions HTTP/1.1\r\n",
        "authorization: Bearer key\r\n", "Content-Type: application/json\r\n",
        "x-tandem-timings: 1\r\n", "x-request-id: req-"}) {
    EXPECT_THAT(sent, HasSubstr(line));
  }
  const nlohmann::json body = Body(0);
  EXPECT_EQ(body["model"], "tiny");
  EXPECT_EQ(body["stream"], true);
  EXPECT_EQ(body["stream_options"]["include_usage"], true);
  EXPECT_EQ(body["temperature"].dump(), "0.7");
  EXPECT_EQ(body["max_tokens"], 5);
  EXPECT_EQ(body["seed"], 1234567890123456789u);
  EXPECT_FALSE(body.contains("top_p"));
  EXPECT_EQ(body["messages"].dump(), R"([{"content":"Hi","role":"user"}])");
}

TEST_F(HttpChatClientTest, KeepsWhatAnErrorSays) {
  const absl::Status status = AskFor(HttpAnswer(
      "400 Bad Request", "application/json",
      R"({"error":{"message":"messages[0].content[1].image_url.url: ends",)"
      R"("type":"invalid_request_error",)"
      R"("param":"messages[0].content[1].image_url.url",)"
      R"("code":"image_truncated"}})"));
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(ErrorReason(status), reason::kImageTruncated);
  EXPECT_EQ(ErrorField(status), "messages[0].content[1].image");
  EXPECT_EQ(status.message(), "messages[0].content[1].image: ends");
}

TEST_F(HttpChatClientTest, AnOverloadedServerSaysWhenToComeBack) {
  const absl::Status status = AskFor(HttpAnswer(
      "429 Too Many Requests", "application/json",
      R"({"error":{"message":"full","type":"overloaded_error","param":null,)"
      R"("code":"queue_full"}})",
      "retry-after-ms: 250\r\n"));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(250));
}

TEST_F(HttpChatClientTest, AnErrorThatIsAPageIsToldByItsNumber) {
  const absl::Status status =
      AskFor(HttpAnswer("502 Bad Gateway", "text/html", "<h1>Oh</h1>"));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("HTTP 502"));
}

TEST_F(HttpChatClientTest, AnErrorInTheStreamIsTheAnswersEnd) {
  const absl::Status status = AskFor(HttpAnswer(
      "200 OK", kStream,
      absl::StrCat(Delta("He"),
                   Event(R"({"error":{"message":"gone","type":"server_error",)"
                         R"("param":null,"code":"peer_lost"}})"),
                   kDone)));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ErrorReason(status), reason::kPeerLost);
  EXPECT_EQ(status.message(), "gone");
  EXPECT_THAT(pieces_, ElementsAre("He"));
}

TEST_F(HttpChatClientTest, ALostConnectionIsSaid) {
  const std::string whole =
      absl::StrCat(ChunkedHead(kStream), HttpChunk(Delta("He")));
  for (const std::string& bytes :
       {whole, whole.substr(0, whole.size() - 4), ChunkedHead(kStream),
        std::string("HTTP/1.1 200 OK\r\n"), std::string()}) {
    const absl::Status status = AskFor(bytes);
    EXPECT_TRUE(absl::IsUnavailable(status)) << status << bytes;
    EXPECT_EQ(ErrorReason(status), reason::kPeerLost);
  }
}

TEST_F(HttpChatClientTest, AStreamThatEndsBeforeTheAnswerIsLost) {
  const absl::Status status =
      AskFor(HttpAnswer("200 OK", kStream, Delta("He")));
  EXPECT_EQ(ErrorReason(status), reason::kPeerLost) << status;
}

TEST_F(HttpChatClientTest, AnAnswerIsWholeWithItsLastWordWhateverComesThen) {
  // The last chunk of the body never comes.
  server_.Expect({.writes = {ChunkedHead(kStream),
                             HttpChunk(absl::StrCat(Delta("x"), kDone))}});
  EXPECT_TRUE(Ask(Question("Hi")).ok());
  // A server that does without [DONE] and without a length.
  server_.Expect(
      {.writes = {absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: ", kStream,
                               "\r\n\r\n", Delta("y"), kLast)}});
  const absl::StatusOr<ChatAnswer> answer = Ask(Question("Hi"));
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->text, "y");
}

TEST_F(HttpChatClientTest, WhatIsNoOpenAiServerIsSaid) {
  for (const std::string& bytes :
       {std::string("SSH-2.0-OpenSSH_9.2\r\n"),
        HttpAnswer("200 OK", "text/html", "<h1>Hi</h1>"),
        HttpAnswer("200 OK", kStream, Event("{broken")),
        HttpAnswer("200 OK", kStream, Event("[1]")),
        HttpAnswer("200 OK", kStream, std::string(2 << 20, 'x'))}) {
    const absl::Status status = AskFor(bytes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal)
        << status << bytes.substr(0, 40);
  }
}

TEST_F(HttpChatClientTest, CancelEndsTheAnswer) {
  server_.Expect(
      {.writes = {ChunkedHead(kStream), HttpChunk(Delta("He"))}, .hang = true});
  absl::Notification begun;
  std::thread canceller([&] {
    begun.WaitForNotification();
    client_.Cancel();
  });
  const absl::Status status =
      client_.Chat(Question("Hi"), [&](absl::string_view) { begun.Notify(); })
          .status();
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  // The next one is not affected, nor is it by a Cancel of nothing.
  client_.Cancel();
  EXPECT_TRUE(AskFor(HttpAnswer("200 OK", kStream, kDone)).ok());
}

TEST_F(HttpChatClientTest, CancelEndsTheWaitForAServerThatSaysNothing) {
  server_.Expect({.hang = true});
  std::thread canceller([&] {
    while (server_.requests().empty()) std::this_thread::yield();
    client_.Cancel();
  });
  const absl::Status status = Ask(Question("Hi")).status();
  canceller.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(HttpChatClientTest, RefusesWhatNoServerCouldReadBeforeItIsSent) {
  const absl::Status status = Ask(Question("a\xFFz")).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(ErrorField(status), "messages[0].content[0].text");
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(HttpChatClientTest, HearsARefusalOfABodyThatWasNotReadToItsEnd) {
  server_.Expect(
      {.writes = {HttpAnswer(
           "413 Payload Too Large", "application/json",
           R"({"error":{"message":"too large","type":"invalid_request_error",)"
           R"("param":null,"code":"content_too_large"}})")},
       .impatient = true});
  v1::ChatRequest request = Question("Hi");
  request.mutable_messages(0)->add_content()->mutable_image()->set_data(
      std::string(8 << 20, 'x'));
  const absl::Status status = Ask(request).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(ErrorReason(status), "CONTENT_TOO_LARGE");
}

TEST_F(HttpChatClientTest, FindsTheModel) {
  const std::string list = HttpAnswer(
      "200 OK", "application/json",
      R"({"object":"list","data":[{"id":"a","max_model_len":512}]})");
  for (const char* name : {"", "a"}) {
    server_.Expect({.writes = {list}});
    const absl::StatusOr<v1::Model> model = client_.FindModel(name);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->id(), "a");
    EXPECT_EQ(model->max_context_tokens(), 512);
  }
  EXPECT_THAT(server_.requests()[0], HasSubstr("GET /v1/models HTTP/1.1\r\n"));
  EXPECT_THAT(server_.requests()[0], HasSubstr("authorization: Bearer key"));
  server_.Expect({.writes = {list}});
  const absl::Status status = client_.FindModel("b").status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(ErrorReason(status), reason::kModelNotFound);
}

TEST_F(HttpChatClientTest, AsksForANameWhereSeveralModelsAreServed) {
  server_.Expect(
      {.writes = {HttpAnswer("200 OK", "application/json",
                             R"({"data":[{"id":"a"},{"id":"b"}]})")}});
  const absl::Status status = client_.FindModel("").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--served-name"));
}

TEST_F(HttpChatClientTest, AListOfModelsThatIsNoneIsSaid) {
  for (const char* body :
       {"", "[]", "{}", R"({"data":[{}]})", R"({"data":7})"}) {
    server_.Expect(
        {.writes = {HttpAnswer("200 OK", "application/json", body)}});
    EXPECT_EQ(client_.FindModel("").status().code(),
              absl::StatusCode::kInternal)
        << body;
  }
  server_.Expect({.writes = {HttpAnswer(
                      "401 Unauthorized", "application/json",
                      R"({"error":{"message":"no key",)"
                      R"("type":"authentication_error","code":null}})")}});
  EXPECT_TRUE(absl::IsUnauthenticated(client_.FindModel("").status()));
}

TEST(HttpClientTest, ASilentServerIsGivenUpAtTheDeadline) {
  FakeHttpServer server;
  server.Expect({.hang = true});
  HttpClient exchange(server.address());
  const absl::Status status =
      exchange
          .Send({.target = "/", .timeout = absl::Milliseconds(50)},
                [](const HttpHead&, absl::string_view) {
                  return absl::OkStatus();
                })
          .status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(ErrorReason(status), reason::kDeadlineExceeded);
}

TEST(HttpClientTest, AnAnswerAboveTheBoundIsGivenUp) {
  FakeHttpServer server;
  server.Expect(
      {.writes = {HttpAnswer("200 OK", "text/plain", std::string(100, 'x'))}});
  HttpClient exchange(server.address());
  const absl::Status status = exchange
                                  .Send({.target = "/", .max_body_bytes = 99},
                                        [](const HttpHead&, absl::string_view) {
                                          return absl::OkStatus();
                                        })
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
}

TEST(HttpClientTest, SaysThatNobodyAnswers) {
  // Port 1 is nobody's.
  HttpChatClient client({.host = "127.0.0.1", .port = 1});
  const absl::Status status = client.FindModel("").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace tandem
