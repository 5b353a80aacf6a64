#include "gateway/openai_response.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "common/errors.h"
#include "gateway/openai_error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

json Parsed(absl::string_view event) {
  EXPECT_TRUE(absl::ConsumePrefix(&event, "data: ")) << event;
  EXPECT_TRUE(absl::ConsumeSuffix(&event, "\n\n")) << event;
  EXPECT_FALSE(absl::StrContains(event, "\n")) << event;
  return json::parse(event.begin(), event.end());
}

v1::ChatChunk Chunk(const std::string& text, int num_tokens = 1) {
  v1::ChatChunk chunk;
  chunk.set_id("chatcmpl-1");
  chunk.set_model("m");
  chunk.set_created(12);
  chunk.set_system_fingerprint("fp");
  chunk.set_delta_text(text);
  for (int i = 0; i < num_tokens; ++i) chunk.add_token_ids(i);
  return chunk;
}

v1::ChatChunk LastChunk(const std::string& text = "") {
  v1::ChatChunk chunk = Chunk(text);
  chunk.set_finish_reason(v1::FINISH_REASON_LENGTH);
  chunk.mutable_usage()->set_prompt_tokens(10);
  chunk.mutable_usage()->set_completion_tokens(3);
  chunk.mutable_usage()->set_image_tokens(4);
  chunk.mutable_usage()->set_cached_tokens(2);
  chunk.mutable_timings_ms()->set_prefill(1.5);
  return chunk;
}

TEST(OpenAiChunks, TheRoleComesWithTheFirstTokenAndTheReasonWithTheLast) {
  OpenAiChunks chunks({});
  const json first = Parsed(chunks.Event(Chunk("He")));
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["id"], "chatcmpl-1");
  EXPECT_EQ(first["created"], 12);
  EXPECT_EQ(first["model"], "m");
  EXPECT_EQ(first["system_fingerprint"], "fp");
  EXPECT_FALSE(first.contains("usage"));
  const json& choice = first["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["delta"], json({{"role", "assistant"}, {"content", "He"}}));
  EXPECT_TRUE(choice["finish_reason"].is_null());
  EXPECT_TRUE(choice["logprobs"].is_null());

  EXPECT_EQ(Parsed(chunks.Event(Chunk("")))["choices"][0]["delta"],
            json({{"content", ""}}));
  const json last = Parsed(chunks.Event(LastChunk()))["choices"][0];
  EXPECT_EQ(last["delta"], json::object());
  EXPECT_EQ(last["finish_reason"], "length");
  EXPECT_THAT(chunks.LastEvents(), ElementsAre("data: [DONE]\n\n"));
}

TEST(OpenAiChunks, AnAnswerOfOneTokenHasRoleTextAndReasonInOneChunk) {
  OpenAiChunks chunks({});
  v1::ChatChunk only = LastChunk("Hi");
  only.set_finish_reason(v1::FINISH_REASON_STOP);
  const json choice = Parsed(chunks.Event(only))["choices"][0];
  EXPECT_EQ(choice["delta"], json({{"role", "assistant"}, {"content", "Hi"}}));
  EXPECT_EQ(choice["finish_reason"], "stop");
}

TEST(OpenAiChunks, UsageIsAnEventOfItsOwnWithoutChoices) {
  OpenAiChunks chunks({.include_usage = true});
  const json first = Parsed(chunks.Event(Chunk("a")));
  ASSERT_TRUE(first.contains("usage"));
  EXPECT_TRUE(first["usage"].is_null());
  EXPECT_TRUE(Parsed(chunks.Event(LastChunk()))["usage"].is_null());
  const auto events = chunks.LastEvents();
  ASSERT_EQ(events.size(), 2u);
  const json usage = Parsed(events[0]);
  EXPECT_THAT(usage["choices"], IsEmpty());
  EXPECT_EQ(usage["id"], "chatcmpl-1");
  EXPECT_EQ(usage["usage"],
            json({{"prompt_tokens", 10},
                  {"completion_tokens", 3},
                  {"total_tokens", 13},
                  {"prompt_tokens_details",
                   {{"cached_tokens", 2}, {"image_tokens", 4}}}}));
  EXPECT_EQ(events[1], "data: [DONE]\n\n");
}

TEST(OpenAiChunks, ContinuousUsageCountsTheTokensSoFar) {
  OpenAiChunks chunks({.include_usage = true, .continuous_usage = true});
  v1::ChatChunk first = Chunk("a");
  first.set_prompt_tokens(10);
  const json one = Parsed(chunks.Event(first))["usage"];
  EXPECT_EQ(one["prompt_tokens"], 10);
  EXPECT_EQ(one["completion_tokens"], 1);
  EXPECT_EQ(one["total_tokens"], 11);
  const json three = Parsed(chunks.Event(Chunk("b", 2)))["usage"];
  EXPECT_EQ(three["prompt_tokens"], 10);
  EXPECT_EQ(three["completion_tokens"], 3);
}

TEST(OpenAiChunks, TimingsComeWithTheLastChunkWhereTheyAreAskedFor) {
  OpenAiChunks asked({.timings = true}), not_asked({});
  EXPECT_FALSE(Parsed(asked.Event(Chunk("a"))).contains("timings_ms"));
  EXPECT_EQ(Parsed(asked.Event(LastChunk()))["timings_ms"]["prefill"], 1.5);
  EXPECT_FALSE(Parsed(not_asked.Event(LastChunk())).contains("timings_ms"));
}

TEST(OpenAiChunks, TextThatWouldBreakALineOrIsNoTextStaysInItsEvent) {
  OpenAiChunks chunks({});
  EXPECT_EQ(
      Parsed(chunks.Event(Chunk(
          "a\n\n\"\xff\" \xe7\x8c\xab")))["choices"][0]["delta"]["content"],
      "a\n\n\"\xef\xbf\xbd\" \xe7\x8c\xab");
}

v1::ChatChunk WithLogprobs() {
  v1::ChatChunk chunk = Chunk("cat");
  v1::TokenLogprob* token = chunk.add_logprobs();
  token->set_logprob(-0.5);
  token->set_bytes("cat");
  auto* other = token->add_top();
  other->set_logprob(-1.5);
  other->set_bytes("\xe7");
  return chunk;
}

TEST(OpenAiChunks, LogprobsAreListedByToken) {
  OpenAiChunks chunks({});
  const json content =
      Parsed(chunks.Event(WithLogprobs()))["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 1u);
  EXPECT_EQ(content[0]["token"], "cat");
  EXPECT_EQ(content[0]["logprob"], -0.5);
  EXPECT_EQ(content[0]["bytes"], json({99, 97, 116}));
  EXPECT_EQ(content[0]["top_logprobs"][0]["bytes"], json({0xe7}));
  EXPECT_EQ(content[0]["top_logprobs"][0]["token"], "\xef\xbf\xbd");
}

TEST(OpenAiChunks, ACompletionHasTextAndItsOwnLogprobs) {
  OpenAiChunks chunks({.chat = false});
  const json first = Parsed(chunks.Event(WithLogprobs()));
  EXPECT_EQ(first["object"], "text_completion");
  EXPECT_EQ(first["choices"][0]["text"], "cat");
  const json logprobs =
      Parsed(chunks.Event(WithLogprobs()))["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], json({"cat"}));
  EXPECT_EQ(logprobs["token_logprobs"], json({-0.5}));
  EXPECT_EQ(logprobs["text_offset"], json({3}));
  EXPECT_EQ(logprobs["top_logprobs"][0]["\xef\xbf\xbd"], -1.5);
}

TEST(OpenAiAnswer, IsWhole) {
  v1::ChatResponse answer;
  answer.set_id("chatcmpl-1");
  answer.set_text("A cat.");
  answer.set_finish_reason(v1::FINISH_REASON_STOP);
  answer.mutable_usage()->set_prompt_tokens(5);
  answer.mutable_timings_ms()->set_total(7);
  const json chat = json::parse(OpenAiAnswerJson(answer, {.timings = true}));
  EXPECT_EQ(chat["object"], "chat.completion");
  EXPECT_EQ(chat["choices"][0]["message"], json({{"role", "assistant"},
                                                 {"content", "A cat."},
                                                 {"refusal", nullptr}}));
  EXPECT_EQ(chat["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(chat["usage"]["total_tokens"], 5);
  EXPECT_EQ(chat["timings_ms"]["total"], 7.0);
  const json text = json::parse(OpenAiAnswerJson(answer, {.chat = false}));
  EXPECT_EQ(text["object"], "text_completion");
  EXPECT_EQ(text["choices"][0]["text"], "A cat.");
  EXPECT_FALSE(text.contains("timings_ms"));
}

TEST(OpenAiModels, TellWhatAClientMustKnow) {
  v1::Model model;
  model.set_id("m");
  model.set_max_context_tokens(100);
  model.set_tile_size(448);
  model.set_dtype(v1::DTYPE_BFLOAT16);
  model.set_profile(v1::PROFILE_CUSTOM);
  const json list = json::parse(OpenAiModelsJson({model}, 77));
  EXPECT_EQ(list["object"], "list");
  const json& entry = list["data"][0];
  EXPECT_EQ(entry, json::parse(OpenAiModelJson(model, 77)));
  EXPECT_EQ(entry["id"], "m");
  EXPECT_EQ(entry["object"], "model");
  EXPECT_EQ(entry["created"], 77);
  EXPECT_EQ(entry["max_model_len"], 100);
  EXPECT_EQ(entry["tandem"]["tile_size"], 448);
  EXPECT_EQ(entry["tandem"]["dtype"], "bfloat16");
  EXPECT_EQ(entry["tandem"]["profile"], "custom");
  EXPECT_EQ(json::parse(OpenAiModelsJson({}, 0))["data"], json::array());
}

struct ErrorCase {
  std::string name;
  absl::Status status;
  int http_status;
  std::string type, code;
};

class OpenAiErrorTest : public testing::TestWithParam<ErrorCase> {};

TEST_P(OpenAiErrorTest, HasStatusTypeAndCode) {
  const ErrorCase& c = GetParam();
  const HttpResponse response = OpenAiErrorResponse(c.status, "req-1");
  EXPECT_EQ(response.status, c.http_status);
  const json error = json::parse(response.body)["error"];
  EXPECT_EQ(error["type"], c.type);
  EXPECT_EQ(error["code"], c.code);
  EXPECT_EQ(error["message"], std::string(c.status.message()));
  EXPECT_TRUE(error.contains("param"));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, OpenAiErrorTest,
    testing::Values(
        ErrorCase{"Field", FieldError("n", "2 is outside"), 400,
                  "invalid_request_error", "invalid_value"},
        ErrorCase{"Context",
                  MakeError(absl::StatusCode::kInvalidArgument,
                            reason::kContextLengthExceeded, "long"),
                  400, "invalid_request_error", "context_length_exceeded"},
        ErrorCase{"Image",
                  FieldError("messages[0]", reason::kImageTruncated, "cut"),
                  400, "invalid_request_error", "image_truncated"},
        ErrorCase{"Unsupported",
                  FieldError("tools", reason::kUnsupportedParameter, "no"), 400,
                  "invalid_request_error", "unsupported_parameter"},
        ErrorCase{"Key",
                  MakeError(absl::StatusCode::kUnauthenticated,
                            reason::kCredentialsInvalid, "who"),
                  401, "authentication_error", "invalid_api_key"},
        ErrorCase{"Access",
                  MakeError(absl::StatusCode::kPermissionDenied,
                            reason::kAccessDenied, "no"),
                  403, "permission_error", "access_denied"},
        ErrorCase{"Model",
                  MakeError(absl::StatusCode::kNotFound, reason::kModelNotFound,
                            "which"),
                  404, "invalid_request_error", "model_not_found"},
        ErrorCase{
            "Quota",
            RetryableError(absl::StatusCode::kResourceExhausted,
                           reason::kQuotaExceeded, "slow", absl::Seconds(2)),
            429, "rate_limit_error", "rate_limit_exceeded"},
        ErrorCase{"Queue",
                  RetryableError(absl::StatusCode::kResourceExhausted,
                                 reason::kOverloaded, "full", absl::Seconds(1)),
                  429, "overloaded_error", "queue_full"},
        ErrorCase{
            "Memory",
            RetryableError(absl::StatusCode::kResourceExhausted,
                           reason::kDeviceOutOfMemory, "oom", absl::Seconds(1)),
            429, "overloaded_error", "device_out_of_memory"},
        ErrorCase{"Draining",
                  RetryableError(absl::StatusCode::kUnavailable,
                                 reason::kDraining, "bye", absl::Seconds(1)),
                  503, "server_error", "unavailable"},
        ErrorCase{"Lost",
                  MakeError(absl::StatusCode::kUnavailable, reason::kPeerLost,
                            "lost"),
                  503, "server_error", "peer_lost"},
        ErrorCase{"Deadline",
                  MakeError(absl::StatusCode::kDeadlineExceeded,
                            reason::kDeadlineExceeded, "late"),
                  504, "timeout_error", "deadline_exceeded"},
        ErrorCase{"NotBuilt",
                  MakeError(absl::StatusCode::kUnimplemented,
                            reason::kNotImplemented, "no"),
                  501, "invalid_request_error", "unsupported_parameter"},
        ErrorCase{
            "Bug",
            MakeError(absl::StatusCode::kInternal, reason::kInternal, "bug"),
            500, "server_error", "internal"}),
    [](const auto& info) { return info.param.name; });

std::string HeaderOf(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(OpenAiErrors, NameTheParameterAndTheRequest) {
  const HttpResponse response =
      OpenAiErrorResponse(FieldError("top_p", "2 is outside (0, 1]"), "req-1");
  EXPECT_EQ(json::parse(response.body)["error"]["param"], "top_p");
  EXPECT_EQ(HeaderOf(response, "x-request-id"), "req-1");
  EXPECT_EQ(HeaderOf(response, "x-should-retry"), "false");
}

TEST(OpenAiErrors, SayWhenToComeAgainOrThatItIsOfNoUse) {
  const HttpResponse later = OpenAiErrorResponse(
      RetryableError(absl::StatusCode::kResourceExhausted, reason::kOverloaded,
                     "full", absl::Milliseconds(1500)),
      "r");
  EXPECT_EQ(HeaderOf(later, "retry-after-ms"), "1500");
  EXPECT_EQ(HeaderOf(later, "Retry-After"), "2");
  EXPECT_EQ(HeaderOf(later, "x-should-retry"), "");
  const HttpResponse never = OpenAiErrorResponse(
      MakeError(absl::StatusCode::kInternal, reason::kNumericFault, "NaN"),
      "r");
  EXPECT_EQ(HeaderOf(never, "x-should-retry"), "false");
  const HttpResponse judge = OpenAiErrorResponse(
      MakeError(absl::StatusCode::kUnavailable, reason::kPeerLost, "lost"),
      "r");
  EXPECT_EQ(HeaderOf(judge, "x-should-retry"), "");
}

}  // namespace
}  // namespace tandem
