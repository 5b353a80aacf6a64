#include "gateway/openai_request.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/openai_bodies.h"

namespace tandem {
namespace {

using testing::ElementsAre;

TEST(OpenAiChat, ReadsEveryFieldOfATypicalRequest) {
  const auto request = Chat(R"({
    "model": "tandem", "stream": true,
    "stream_options": {"include_usage": true, "continuous_usage_stats": true},
    "messages": [
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "name": "ann", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url":
          {"url": "data:image/png;base64,iVBORw==", "detail": "high",
           "max_tiles": 6}}]},
      {"role": "assistant", "content": "A cat."},
      {"role": "user", "content": "Sure?"}],
    "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1,
    "repetition_penalty": 1.1, "presence_penalty": -1, "frequency_penalty": 2,
    "seed": 7, "stop": ["\n", "END"], "stop_token_ids": [1, 2],
    "ignore_eos": true, "min_tokens": 3, "max_tokens": 100,
    "max_completion_tokens": 50, "logprobs": true, "top_logprobs": 5,
    "logit_bias": {"11": -100, "12": 2.5}, "n": 1, "user": "u",
    "prompt_cache_key": "k", "metadata": {"a": "b"}, "store": false,
    "service_tier": "auto", "safety_identifier": "s",
    "response_format": {"type": "text"}, "tools": [], "tool_choice": "none",
    "modalities": ["text"]})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->stream);
  EXPECT_TRUE(request->include_usage);
  EXPECT_TRUE(request->continuous_usage);
  EXPECT_TRUE(request->unknown_fields.empty());
  const v1::ChatRequest& chat = request->chat;
  EXPECT_EQ(chat.model(), "tandem");
  EXPECT_EQ(chat.user(), "u");
  EXPECT_EQ(chat.prompt_cache_key(), "k");
  EXPECT_EQ(chat.n(), 1u);
  EXPECT_FALSE(chat.has_prompt());
  ASSERT_EQ(chat.messages_size(), 4);
  EXPECT_EQ(chat.messages(0).role(), "developer");
  EXPECT_EQ(chat.messages(0).content(0).text(), "Be brief.");
  EXPECT_EQ(chat.messages(1).name(), "ann");
  EXPECT_EQ(chat.messages(1).content(0).text(), "What is this?");
  const v1::ImagePart& image = chat.messages(1).content(1).image();
  EXPECT_EQ(image.data(), "\x89PNG");
  EXPECT_EQ(image.mime_type(), "image/png");
  EXPECT_EQ(image.detail(), v1::ImagePart::DETAIL_HIGH);
  EXPECT_EQ(image.max_tiles(), 6u);
  EXPECT_EQ(chat.messages(2).role(), "assistant");
  EXPECT_EQ(chat.messages(3).content(0).text(), "Sure?");
  const v1::Sampling& sampling = chat.sampling();
  EXPECT_EQ(sampling.temperature(), 0.5f);
  EXPECT_EQ(sampling.top_p(), 0.9f);
  EXPECT_EQ(sampling.top_k(), 40u);
  EXPECT_EQ(sampling.min_p(), 0.1f);
  EXPECT_EQ(sampling.repetition_penalty(), 1.1f);
  EXPECT_EQ(sampling.presence_penalty(), -1.0f);
  EXPECT_EQ(sampling.frequency_penalty(), 2.0f);
  EXPECT_EQ(sampling.seed(), 7u);
  EXPECT_THAT(sampling.stop(), ElementsAre("\n", "END"));
  EXPECT_THAT(sampling.stop_token_ids(), ElementsAre(1u, 2u));
  EXPECT_TRUE(sampling.ignore_eos());
  EXPECT_EQ(sampling.min_tokens(), 3u);
  EXPECT_EQ(sampling.max_tokens(), 50u);
  EXPECT_TRUE(sampling.logprobs());
  EXPECT_EQ(sampling.top_logprobs(), 5u);
  EXPECT_EQ(sampling.logit_bias_size(), 2);
  EXPECT_EQ(sampling.logit_bias().at(11), -100.0f);
  EXPECT_EQ(sampling.logit_bias().at(12), 2.5f);
}

TEST(OpenAiChat, LeavesOpenWhatIsNotSet) {
  const auto request = Chat(ChatBody(""));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_FALSE(request->stream);
  EXPECT_EQ(request->chat.sampling().ByteSizeLong(), 0u);
}

TEST(OpenAiChat, TakesNullAsNotSetForEveryField) {
  std::string fields;
  for (const char* field : {"temperature",
                            "top_p",
                            "top_k",
                            "min_p",
                            "repetition_penalty",
                            "presence_penalty",
                            "frequency_penalty",
                            "seed",
                            "stop",
                            "stop_token_ids",
                            "ignore_eos",
                            "min_tokens",
                            "max_tokens",
                            "max_completion_tokens",
                            "logprobs",
                            "top_logprobs",
                            "logit_bias",
                            "n",
                            "user",
                            "prompt_cache_key",
                            "stream",
                            "stream_options",
                            "response_format",
                            "tools",
                            "tool_choice",
                            "functions",
                            "function_call",
                            "audio",
                            "modalities",
                            "chat_template",
                            "chat_template_kwargs",
                            "guided_json",
                            "structured_outputs",
                            "web_search_options",
                            "metadata",
                            "store"}) {
    absl::StrAppend(&fields, ",\"", field, "\":null");
  }
  const auto request = Chat(ChatBody(fields));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.sampling().ByteSizeLong(), 0u);
  EXPECT_EQ(request->chat.n(), 0u);
  EXPECT_TRUE(request->unknown_fields.empty());
}

TEST(OpenAiChat, LetsTheLastOfEqualKeysCount) {
  const auto request = Chat(ChatBody(
      R"(,"temperature":1,"temperature":null,"seed":1,"seed":2,"stop":"a",)"
      R"("stop":["b"],"logit_bias":{"1":1},"logit_bias":{"2":1,"2":3},)"
      R"("stream":true,"stream_options":{"include_usage":true},)"
      R"("stream_options":{},"messages":[{"role":"user","content":"one",)"
      R"("role":"assistant","content":[{"type":"text","text":"x",)"
      R"("text":"two"}]}])"));
  ASSERT_TRUE(request.ok()) << request.status();
  const v1::Sampling& sampling = request->chat.sampling();
  EXPECT_FALSE(sampling.has_temperature());
  EXPECT_EQ(sampling.seed(), 2u);
  EXPECT_THAT(sampling.stop(), ElementsAre("b"));
  EXPECT_EQ(sampling.logit_bias_size(), 1);
  EXPECT_EQ(sampling.logit_bias().at(2), 3.0f);
  EXPECT_FALSE(request->include_usage);
  ASSERT_EQ(request->chat.messages_size(), 1);
  EXPECT_EQ(request->chat.messages(0).role(), "assistant");
  EXPECT_EQ(request->chat.messages(0).content_size(), 1);
  EXPECT_EQ(request->chat.messages(0).content(0).text(), "two");
}

TEST(OpenAiChat, ForgetsImagesOfMessagesThatComeAgain) {
  OpenAiOptions options;
  options.limits.max_images = 1;
  const std::string part = ImageUrlPart("data:image/png;base64,QQ==");
  const std::string bad = ImageUrlPart("file:///x");
  const auto request = Chat(
      absl::StrCat(R"({"model":"m","messages":[{"role":"user","content":[)",
                   bad, R"(]}],"messages":[{"role":"user","content":[)", bad,
                   R"(],"content":[)", part, "]}]}"),
      options);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.messages(0).content(0).image().data(), "A");
}

TEST(OpenAiChat, TakesTheOldNameOfMaxTokensAndPrefersTheNewOne) {
  EXPECT_EQ(Chat(ChatBody(",\"max_tokens\":5"))->chat.sampling().max_tokens(),
            5u);
  EXPECT_EQ(Chat(ChatBody(",\"max_completion_tokens\":null,\"max_tokens\":5"))
                ->chat.sampling()
                .max_tokens(),
            5u);
  EXPECT_EQ(Chat(ChatBody(",\"max_completion_tokens\":6,\"max_tokens\":5"))
                ->chat.sampling()
                .max_tokens(),
            6u);
}

TEST(OpenAiChat, TakesStopAsAStringAListOrNothing) {
  EXPECT_THAT(Chat(ChatBody(",\"stop\":\"a\""))->chat.sampling().stop(),
              ElementsAre("a"));
  EXPECT_THAT(Chat(ChatBody(",\"stop\":[]"))->chat.sampling().stop(),
              ElementsAre());
  EXPECT_THAT(
      Chat(ChatBody(R"(,"stop":["\u00e9","b"])"))->chat.sampling().stop(),
      ElementsAre("\xC3\xA9", "b"));
}

TEST(OpenAiChat, TakesAnyIntegerOf64BitsAsASeed) {
  const auto seed = [](const char* text) {
    return Chat(ChatBody(absl::StrCat(",\"seed\":", text)))
        ->chat.sampling()
        .seed();
  };
  EXPECT_EQ(seed("0"), 0u);
  EXPECT_EQ(seed("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(seed("9223372036854775807"), uint64_t{INT64_MAX});
  EXPECT_EQ(seed("-1"), UINT64_MAX);
  EXPECT_EQ(seed("-9223372036854775808"), uint64_t{1} << 63);
  EXPECT_EQ(seed("42.0"), 42u);
  EXPECT_FALSE(Chat(ChatBody(",\"seed\":1.5")).ok());
  EXPECT_FALSE(Chat(ChatBody(",\"seed\":18446744073709551616")).ok());
}

TEST(OpenAiChat, TakesMinusOneAsTopKThatKeepsAll) {
  const auto request = Chat(ChatBody(",\"top_k\":-1"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->chat.sampling().has_top_k());
  EXPECT_EQ(request->chat.sampling().top_k(), 0u);
}

TEST(OpenAiChat, TakesIntegersThatAreWrittenAsReals) {
  EXPECT_EQ(
      Chat(ChatBody(",\"max_tokens\":1.6e1"))->chat.sampling().max_tokens(),
      16u);
}

TEST(OpenAiChat, GivesContinuousUsageOnlyWithUsage) {
  const auto request = Chat(ChatBody(
      R"(,"stream":true,"stream_options":{"continuous_usage_stats":true})"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_FALSE(request->continuous_usage);
}

TEST(OpenAiChat, TakesContentAsTextOrPartsForEveryRole) {
  const auto request = Chat(MessagesBody(
      R"({"role":"system","content":[{"type":"text","text":"s"}]},
         {"role":"user","content":""},
         {"role":"assistant","content":[{"type":"text","text":"a"},
                                        {"text":"b","type":"text"}]},
         {"role":"user","content":"u"})"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.messages(0).content(0).text(), "s");
  EXPECT_EQ(request->chat.messages(1).content(0).text(), "");
  EXPECT_EQ(request->chat.messages(2).content(1).text(), "b");
}

TEST(OpenAiChat, TakesAnAnswerOfAnSdkBackAsItIs) {
  const auto request = Chat(MessagesBody(
      R"({"role":"user","content":"u"},
         {"role":"assistant","content":"a","refusal":null,"annotations":[],
          "audio":null,"function_call":null,"tool_calls":[],
          "reasoning_content":null},
         {"role":"user","content":"v"})"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->unknown_fields.empty());
}

TEST(OpenAiChat, KnowsEveryDetail) {
  const std::vector<std::pair<std::string, v1::ImagePart::Detail>> details = {
      {"\"auto\"", v1::ImagePart::DETAIL_AUTO},
      {"\"low\"", v1::ImagePart::DETAIL_LOW},
      {"\"high\"", v1::ImagePart::DETAIL_HIGH},
      {"\"original\"", v1::ImagePart::DETAIL_HIGH},
      {"null", v1::ImagePart::DETAIL_AUTO}};
  for (const auto& [word, detail] : details) {
    const auto request = Chat(PartsBody(absl::StrCat(
        R"({"image_url":{"detail":)", word,
        R"(,"url":"data:image/jpg;base64,QQ"},"type":"image_url"})")));
    ASSERT_TRUE(request.ok()) << request.status();
    const auto& image = request->chat.messages(0).content(0).image();
    EXPECT_EQ(image.detail(), detail) << word;
    EXPECT_EQ(image.mime_type(), "image/jpeg");
  }
}

TEST(OpenAiChat, ReadsUrlsWhoseSlashesAreEscaped) {
  const auto request =
      Chat(PartsBody(ImageUrlPart(R"(data:image\/png;base64,\/\/8=)")));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.messages(0).content(0).image().data(), "\xFF\xFF");
}

TEST(OpenAiChat, ReadsEscapesSurrogatePairsAndNul) {
  const auto request = Chat(MessagesBody(
      R"({"role":"user","content":"\"\\\/\b\n\u00e9\ud83d\ude00\u0000\uffff"})"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->chat.messages(0).content(0).text(),
            std::string("\"\\/\b\n\xC3\xA9\xF0\x9F\x98\x80\0\xEF\xBF\xBF", 15));
}

TEST(OpenAiChat, KeepsTheBodyAndReadsItAgain) {
  std::string body = PartsBody(ImageUrlPart("data:image/png;base64,QQ=="));
  const std::string before = body;
  const auto first = ParseChatCompletion(body, {});
  EXPECT_EQ(body, before);
  const auto second = ParseChatCompletion(body, {});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->chat.SerializeAsString(), second->chat.SerializeAsString());
}

TEST(OpenAiChat, ReadsABodyWithPaddingWhereItIs) {
  std::string body = ChatBody("");
  body.reserve(body.size() + kJsonPadding);
  const char* before = body.data();
  EXPECT_TRUE(ParseChatCompletion(body, {}).ok());
  EXPECT_EQ(body.data(), before);
}

TEST(OpenAiChat, IgnoresUnknownFieldsAndNamesThem) {
  const auto request = Chat(absl::StrReplaceAll(
      PartsBody(R"({"type":"text","text":"t","cache_control":{"a":[1]}})"),
      {{R"("model")", R"("future":{"x":[1.5,"y",null,true]},"model")"}}));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->unknown_fields,
              ElementsAre("future", "messages[0].content[0].cache_control"));
}

TEST(OpenAiChat, NamesABoundedNumberOfUnknownFields) {
  std::string fields;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&fields, ",\"", std::string(500, 'x'), i, "\":0");
  }
  const auto request = Chat(ChatBody(fields));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->unknown_fields.size(), 16u);
  EXPECT_EQ(request->unknown_fields[0].size(), 64u);
}

TEST(OpenAiChat, RefusesUnknownFieldsWhereStrict) {
  OpenAiOptions strict;
  strict.strict_fields = true;
  EXPECT_TRUE(
      Chat(ChatBody(R"(,"top_k":5,"store":true,"user":"u")"), strict).ok());
  const absl::Status status = Chat(ChatBody(",\"future\":1"), strict).status();
  EXPECT_EQ(ErrorField(status), "future");
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_FALSE(
      Chat(ChatBody(R"(,"stream":true,"stream_options":{"a":1})"), strict)
          .ok());
}

TEST(OpenAiCompletion, ReadsPromptAndSampling) {
  const auto request = Completion(
      R"({"model":"m","prompt":"Once","temperature":0,"stop":["."],"echo":false,
          "best_of":1,"suffix":"","logprobs":3,"n":1,"stream":true,
          "stream_options":{"include_usage":true},"max_tokens":7})");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->stream);
  EXPECT_TRUE(request->include_usage);
  EXPECT_TRUE(request->chat.has_prompt());
  EXPECT_EQ(request->chat.prompt(), "Once");
  EXPECT_EQ(request->chat.messages_size(), 0);
  EXPECT_EQ(request->chat.sampling().temperature(), 0.0f);
  EXPECT_EQ(request->chat.sampling().max_tokens(), 7u);
  EXPECT_TRUE(request->chat.sampling().logprobs());
  EXPECT_EQ(request->chat.sampling().top_logprobs(), 3u);
}

TEST(OpenAiCompletion, GeneratesSixteenTokensWhereNothingIsSaid) {
  for (const char* field : {"", ",\"max_tokens\":null"}) {
    const auto request = Completion(
        absl::StrCat(R"({"model":"m","prompt":["Once"])", field, "}"));
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->chat.prompt(), "Once");
    EXPECT_EQ(request->chat.sampling().max_tokens(), 16u);
    EXPECT_FALSE(request->chat.sampling().has_logprobs());
  }
}

TEST(OpenAiTokenize, CountsMessagesOrAPrompt) {
  const auto prompt = Tokenize(R"({"model":"m","prompt":"","x":1})");
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_TRUE(prompt->has_prompt());
  EXPECT_EQ(prompt->model(), "m");
  EXPECT_TRUE(prompt->return_token_ids());
  const auto messages = Tokenize(absl::StrCat(
      R"({"messages":[{"role":"user","content":[)",
      ImageUrlPart("data:image/png;base64,QQ=="), R"(]}],"prompt":null})"));
  ASSERT_TRUE(messages.ok()) << messages.status();
  EXPECT_FALSE(messages->has_prompt());
  EXPECT_TRUE(messages->return_token_ids());
  EXPECT_EQ(messages->messages(0).content(0).image().data(), "A");
}

OpenAiOptions WithImageHosts() {
  OpenAiOptions options;
  options.image_hosts = {{.host = "a.test"}};
  return options;
}

TEST(OpenAiChat, ListsImagesThatMustBeFetched) {
  const auto request = Chat(
      MessagesBody(
          R"({"role":"user","content":"hi"},{"role":"user","content":[)" +
          ImageUrlPart("https://a.test/1") + "," +
          ImageUrlPart("data:image/png;base64,QQ==") +
          R"(,{"type":"image_url","image_url":{"url":"https:\/\/A.test/2",)"
          R"("detail":"low"}}]})"),
      WithImageHosts());
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->remote_images.size(), 2u);
  const RemoteImage& first = request->remote_images[0];
  EXPECT_EQ(first.url.host.host, "a.test");
  EXPECT_EQ(first.url.target, "/1");
  EXPECT_EQ(first.message, 1);
  EXPECT_EQ(first.part, 0);
  EXPECT_EQ(first.field, "messages[1].content[0].image_url.url");
  EXPECT_EQ(request->remote_images[1].url.target, "/2");
  EXPECT_EQ(request->remote_images[1].part, 2);
  const v1::ChatMessage& message = request->chat.messages(1);
  EXPECT_TRUE(message.content(0).has_image());
  EXPECT_EQ(message.content(0).image().data(), "");
  EXPECT_EQ(message.content(1).image().data(), "A");
  EXPECT_EQ(message.content(2).image().detail(), v1::ImagePart::DETAIL_LOW);
}

TEST(OpenAiChat, RemoteImagesCountAmongTheImages) {
  std::string parts = ImageUrlPart("data:image/png;base64,QQ==");
  for (int i = 0; i < 8; ++i) parts += "," + ImageUrlPart("https://a.test/1");
  const absl::Status status = Chat(PartsBody(parts), WithImageHosts()).status();
  EXPECT_EQ(ErrorField(status), "messages") << status;
}

TEST(OpenAiChat, RefusesImagesThatAreNotOnTheList) {
  for (const char* url :
       {"https://b.test/1", "http://a.test/1", "http://169.254.169.254/"}) {
    const absl::Status status =
        Chat(PartsBody(ImageUrlPart(url)), WithImageHosts()).status();
    EXPECT_EQ(ErrorField(status), "messages[0].content[0].image_url.url");
    EXPECT_EQ(ErrorReason(status), reason::kUnsupportedParameter) << status;
  }
  for (const char* url :
       {"file:///etc/passwd", "https://u:p@a.test/1", "https:a.test"}) {
    const absl::Status status =
        Chat(PartsBody(ImageUrlPart(url)), WithImageHosts()).status();
    EXPECT_EQ(ErrorField(status), "messages[0].content[0].image_url.url");
    EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid) << status;
  }
}

TEST(OpenAiTokenize, FetchesNothingWhateverTheListSays) {
  const absl::Status status =
      Tokenize(PartsBody(ImageUrlPart("https://a.test/1")), WithImageHosts())
          .status();
  EXPECT_EQ(ErrorReason(status), reason::kUnsupportedParameter) << status;
}

TEST(InOpenAiTerms, NamesTheParameterThatTheFieldWasReadFrom) {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"sampling.top_p", "top_p"},
      {"sampling.stop[3]", "stop[3]"},
      {"messages[2].role", "messages[2].role"},
      {"messages[0].content[1].image", "messages[0].content[1].image_url.url"},
      {"messages[0].content[1].image_url.url",
       "messages[0].content[1].image_url.url"},
      {"messages[0].content[1].image.max_tiles",
       "messages[0].content[1].image_url.max_tiles"},
      {"prompt", "prompt"}};
  for (const auto& [field, param] : names) {
    const absl::Status status =
        InOpenAiTerms(FieldError(field, reason::kImageInvalid, "is 3"));
    EXPECT_EQ(ErrorField(status), param);
    EXPECT_EQ(status.message(), param + ": is 3");
    EXPECT_EQ(ErrorReason(status), reason::kImageInvalid);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(InOpenAiTerms, KeepsWhatTheReadersNamed) {
  for (const char* param : {"messages[0].content[0].image_url.url",
                            "messages[0].content[0].image_url.detail",
                            "messages[0].content[0]", "messages", "stop[1]"}) {
    const absl::Status status = FieldError(param, "is 3");
    EXPECT_EQ(InOpenAiTerms(status), status);
  }
}

TEST(InOpenAiTerms, KeepsOtherErrorsAndPayloads) {
  EXPECT_TRUE(InOpenAiTerms(absl::OkStatus()).ok());
  const absl::Status busy =
      RetryableError(absl::StatusCode::kResourceExhausted, reason::kOverloaded,
                     "busy", absl::Seconds(1));
  EXPECT_EQ(InOpenAiTerms(busy), busy);
  const absl::Status named =
      InOpenAiTerms(WithRequestId(FieldError("sampling.top_p", "is 3"), "r-1"));
  EXPECT_EQ(ErrorRequestId(named), "r-1");
  EXPECT_EQ(ErrorField(named), "top_p");
}

}  // namespace
}  // namespace tandem
