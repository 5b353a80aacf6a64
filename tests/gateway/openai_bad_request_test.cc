// What is wrong with a body, and how the answer says so.
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/gateway/openai_bodies.h"

namespace tandem {
namespace {

using testing::HasSubstr;

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

struct BadFieldCase {
  std::string name;
  std::string fields;  // of a chat, after its own
  std::string param;
  std::string word;  // in the message
  std::string reason = reason::kFieldInvalid;
  friend std::ostream& operator<<(std::ostream& os, const BadFieldCase& c) {
    return os << c.fields;
  }
};
class BadFieldTest : public testing::TestWithParam<BadFieldCase> {};

TEST_P(BadFieldTest, IsRefusedByPathTypeAndBound) {
  const BadFieldCase& c = GetParam();
  const absl::Status status = Chat(ChatBody("," + c.fields)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorField(status), c.param);
  EXPECT_EQ(ErrorReason(status), c.reason) << status;
  EXPECT_THAT(Text(status), HasSubstr(c.word));
}
const char* const kUnsupported = reason::kUnsupportedParameter;
INSTANTIATE_TEST_SUITE_P(
    Types, BadFieldTest,
    testing::Values(
        BadFieldCase{"ModelNumber", R"("model":5)", "model",
                     "expected a string, got a number"},
        BadFieldCase{"ModelEmpty", R"("model":"")", "model", "required"},
        BadFieldCase{"ModelNull", R"("model":null)", "model", "required"},
        BadFieldCase{"TemperatureString", R"("temperature":"1")", "temperature",
                     "expected a number, got a string"},
        BadFieldCase{"TemperatureHuge", R"("temperature":1e300)", "temperature",
                     "outside"},
        BadFieldCase{"TemperatureInfinite", R"("temperature":1e400)",
                     "temperature", "fits 64 bits"},
        BadFieldCase{"TemperatureZeros", R"("temperature":01)", "temperature",
                     "not a number of JSON"},
        BadFieldCase{"TopPObject", R"("top_p":{})", "top_p",
                     "expected a number, got an object"},
        BadFieldCase{"TopKReal", R"("top_k":1.5)", "top_k",
                     "expected an integer, got 1.5"},
        BadFieldCase{"TopKLow", R"("top_k":-2)", "top_k",
                     "-2 is outside [-1, 4294967295]"},
        BadFieldCase{"MaxTokensZero", R"("max_tokens":0)", "max_tokens",
                     "0 is outside [1, 4294967295]"},
        BadFieldCase{"MaxTokensNegative", R"("max_completion_tokens":-1)",
                     "max_completion_tokens", "-1 is outside"},
        BadFieldCase{"MaxTokensLarge", R"("max_tokens":4294967296)",
                     "max_tokens", "4294967296 is outside"},
        BadFieldCase{"MaxTokens63", R"("max_tokens":9223372036854775808)",
                     "max_tokens", "outside"},
        BadFieldCase{"MaxTokens64", R"("max_tokens":99999999999999999999)",
                     "max_tokens", "fits 64 bits"},
        BadFieldCase{"MaxTokensExponent", R"("max_tokens":1e30)", "max_tokens",
                     "outside"},
        BadFieldCase{"MaxTokensBool", R"("max_tokens":true)", "max_tokens",
                     "expected a number, got a boolean"},
        BadFieldCase{"MinTokens", R"("min_tokens":-1)", "min_tokens",
                     "-1 is outside"},
        BadFieldCase{"N", R"("n":2)", "n", "2 is outside [1, 1]"},
        BadFieldCase{"NZero", R"("n":0)", "n", "0 is outside [1, 1]"},
        BadFieldCase{"NHuge", R"("n":1000000000)", "n", "outside [1, 1]"},
        BadFieldCase{"StreamNumber", R"("stream":1)", "stream",
                     "expected a boolean, got a number"},
        BadFieldCase{"SeedText", R"("seed":"1")", "seed", "expected a number"},
        BadFieldCase{"StopNumber", R"("stop":1)", "stop",
                     "expected a string or a list of strings, got a number"},
        BadFieldCase{"StopItem", R"("stop":["a",1])", "stop[1]",
                     "expected a string, got a number"},
        BadFieldCase{"StopNull", R"("stop":[null])", "stop[0]", "got null"},
        BadFieldCase{"StopTokenIds", R"("stop_token_ids":[-1])",
                     "stop_token_ids[0]", "-1 is outside"},
        BadFieldCase{"StopTokenNull", R"("stop_token_ids":[null])",
                     "stop_token_ids[0]", "got null"},
        BadFieldCase{"TopLogprobs", R"("logprobs":true,"top_logprobs":21)",
                     "top_logprobs", "21 is outside [0, 20]"},
        BadFieldCase{"TopLogprobsAlone", R"("top_logprobs":2)", "top_logprobs",
                     "needs logprobs"},
        BadFieldCase{"LogprobsNumber", R"("logprobs":5)", "logprobs",
                     "expected a boolean"},
        BadFieldCase{"BiasList", R"("logit_bias":[1])", "logit_bias",
                     "expected an object, got a list"},
        BadFieldCase{"BiasKey", R"("logit_bias":{"a":1})", "logit_bias.a",
                     "not a token id"},
        BadFieldCase{"BiasKeySign", R"("logit_bias":{"+5":1})", "logit_bias.+5",
                     "not a token id"},
        BadFieldCase{"BiasKeyLarge", R"("logit_bias":{"4294967296":1})",
                     "logit_bias.4294967296", "not a token id"},
        BadFieldCase{"BiasValue", R"("logit_bias":{"5":"1"})", "logit_bias.5",
                     "expected a number"},
        BadFieldCase{"BiasNull", R"("logit_bias":{"5":null})", "logit_bias.5",
                     "got null"},
        BadFieldCase{"StreamOptionsAlone",
                     R"("stream_options":{"include_usage":true})",
                     "stream_options", "only with stream"},
        BadFieldCase{"StreamOptionsFalse",
                     R"("stream":false,"stream_options":{})", "stream_options",
                     "only with stream"},
        BadFieldCase{"StreamOptionsType",
                     R"("stream":true,"stream_options":{"include_usage":1})",
                     "stream_options.include_usage", "expected a boolean"}),
    [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(
    Unsupported, BadFieldTest,
    testing::Values(
        BadFieldCase{"Tools", R"("tools":[{"type":"function"}])", "tools",
                     "not built", kUnsupported},
        BadFieldCase{"Functions", R"("functions":[{}])", "functions",
                     "not built", kUnsupported},
        BadFieldCase{"ToolChoice", R"("tool_choice":"required")", "tool_choice",
                     "tools are not built", kUnsupported},
        BadFieldCase{"ToolChoiceObject", R"("tool_choice":{"type":"function"})",
                     "tool_choice", "tools are not built", kUnsupported},
        BadFieldCase{"Audio", R"("audio":{"voice":"x"})", "audio", "not built",
                     kUnsupported},
        BadFieldCase{"Modalities", R"("modalities":["text","audio"])",
                     "modalities[1]", "only text", kUnsupported},
        BadFieldCase{"FormatJson",
                     R"("response_format":{"type":"json_object"})",
                     "response_format", "text", kUnsupported},
        BadFieldCase{"FormatSchema",
                     R"("response_format":{"json_schema":{"a":[1]}})",
                     "response_format", "text", kUnsupported},
        BadFieldCase{"Template", R"("chat_template":"")", "chat_template",
                     "not taken from a request", kUnsupported},
        BadFieldCase{"TemplateArguments", R"("chat_template_kwargs":{})",
                     "chat_template_kwargs", "not taken from a request",
                     kUnsupported},
        BadFieldCase{"Guided", R"("guided_choice":["a"])", "guided_choice",
                     "not taken from a request", kUnsupported}),
    [](const auto& info) { return info.param.name; });

struct BadMessageCase {
  std::string name;
  std::string messages;  // items of the list
  std::string param;
  std::string word;
  std::string reason = reason::kFieldInvalid;
  friend std::ostream& operator<<(std::ostream& os, const BadMessageCase& c) {
    return os << c.messages;
  }
};
class BadMessageTest : public testing::TestWithParam<BadMessageCase> {};

TEST_P(BadMessageTest, IsRefusedByPath) {
  const BadMessageCase& c = GetParam();
  for (const absl::Status& status :
       {Chat(MessagesBody(c.messages)).status(),
        Tokenize(MessagesBody(c.messages)).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorField(status), c.param) << status;
    EXPECT_EQ(ErrorReason(status), c.reason) << status;
    EXPECT_THAT(Text(status), HasSubstr(c.word));
  }
}

std::string User(absl::string_view content) {
  return absl::StrCat(R"({"role":"user","content":)", content, "}");
}
std::string Url(absl::string_view url) {
  return User(absl::StrCat("[", ImageUrlPart(url), "]"));
}
INSTANTIATE_TEST_SUITE_P(
    Messages, BadMessageTest,
    testing::Values(
        BadMessageCase{"None", "", "messages", ""},
        BadMessageCase{"Text", R"("hi")", "messages[0]",
                       "expected an object, got a string"},
        BadMessageCase{"Null", "null", "messages[0].role", "required"},
        BadMessageCase{"NoRole", R"({"content":"a"})", "messages[0].role",
                       "required"},
        BadMessageCase{"NullRole", R"({"content":"a","role":null})",
                       "messages[0].role", "required"},
        BadMessageCase{"NoContent", R"({"role":"user"})", "messages[0].content",
                       "required"},
        BadMessageCase{"SecondRole", User("\"a\"") + R"(,{"role":"robot"})",
                       "messages[1].role", "\"robot\" is not one of"},
        BadMessageCase{"Tool", R"({"role":"tool","content":"a"})",
                       "messages[0].role", "tool",
                       reason::kUnsupportedParameter},
        BadMessageCase{"Function", R"({"role":"function","content":"a"})",
                       "messages[0].role", "function",
                       reason::kUnsupportedParameter},
        BadMessageCase{
            "ToolCalls",
            R"({"role":"assistant","content":null,"tool_calls":[{"id":"a"}]})",
            "messages[0].content", "got null"},
        BadMessageCase{
            "ToolCallsBesideText",
            R"({"role":"assistant","content":"","tool_calls":[{"id":"a"}]})",
            "messages[0].tool_calls", "no tools",
            reason::kUnsupportedParameter},
        BadMessageCase{"Name", R"({"role":"user","content":"a","name":1})",
                       "messages[0].name", "expected a string"},
        BadMessageCase{"NullContent", User("null"), "messages[0].content",
                       "expected a string or a list of parts, got null"},
        BadMessageCase{"NumberContent", User("1"), "messages[0].content",
                       "got a number"},
        BadMessageCase{"NoParts", User("[]"), "messages[0].content",
                       "no parts"},
        BadMessageCase{"PartText", User(R"(["a"])"), "messages[0].content[0]",
                       "expected an object, got a string"},
        BadMessageCase{"NoType", User(R"([{"text":"a"}])"),
                       "messages[0].content[0].type", "required"},
        BadMessageCase{"NoText", User(R"([{"type":"text"}])"),
                       "messages[0].content[0].text", "required"},
        BadMessageCase{"NullText", User(R"([{"type":"text","text":null}])"),
                       "messages[0].content[0].text", "required"},
        BadMessageCase{
            "Audio",
            User(R"([{"type":"text","text":"a"},{"type":"input_audio"}])"),
            "messages[0].content[1].type", "\"input_audio\" is not one of",
            reason::kUnsupportedParameter},
        BadMessageCase{"NoImage", User(R"([{"type":"image_url"}])"),
                       "messages[0].content[0].image_url", "required"},
        BadMessageCase{"ImageText",
                       User(R"([{"type":"image_url","image_url":"data:"}])"),
                       "messages[0].content[0].image_url",
                       "expected an object, got a string"},
        BadMessageCase{"NoUrl",
                       User(R"([{"type":"image_url","image_url":{}}])"),
                       "messages[0].content[0].image_url.url", "required"},
        BadMessageCase{
            "Detail",
            User(R"([{"type":"image_url","image_url":{"detail":"max"}}])"),
            "messages[0].content[0].image_url.detail",
            "\"max\" is not one of auto, low, high, original"},
        BadMessageCase{
            "MaxTiles",
            User(R"([{"type":"image_url","image_url":{"max_tiles":41}}])"),
            "messages[0].content[0].image_url.max_tiles",
            "41 is outside [1, 40]"},
        BadMessageCase{"RemoteUrl", Url("https://example.com/a.png"),
                       "messages[0].content[0].image_url.url",
                       "remote images are off", reason::kUnsupportedParameter},
        BadMessageCase{"FileUrl", Url("file:///etc/passwd"),
                       "messages[0].content[0].image_url.url", "file:"},
        BadMessageCase{"Gif", Url("data:image/gif;base64,QQ=="),
                       "messages[0].content[0].image_url.url", "image/gif",
                       reason::kImageUnsupportedFormat},
        BadMessageCase{"NotBase64", Url("data:image/png;base64,QQ!="),
                       "messages[0].content[0].image_url.url", "0x21 at 2",
                       reason::kImageInvalid}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiBadRequest, RequiresModelAndMessages) {
  EXPECT_EQ(ErrorField(Chat(R"({"messages":[]})").status()), "model");
  EXPECT_EQ(ErrorField(Chat(R"({"model":"m"})").status()), "messages");
  EXPECT_EQ(ErrorField(Chat(R"({"model":"m","messages":{}})").status()),
            "messages");
  EXPECT_EQ(ErrorField(Chat(R"({"model":"m","messages":null})").status()),
            "messages");
}

TEST(OpenAiBadRequest, BoundsMessagesAndParts) {
  std::string messages = R"({"role":"user","content":"a"})";
  for (int i = 1; i < 256; ++i) messages += R"(,{"role":"user","content":"a"})";
  EXPECT_TRUE(Chat(MessagesBody(messages)).ok());
  const absl::Status many =
      Chat(MessagesBody(messages + R"(,{"role":"user","content":"a"})"))
          .status();
  EXPECT_EQ(ErrorField(many), "messages");
  EXPECT_THAT(Text(many), HasSubstr("over 256"));

  std::string parts = R"({"type":"text","text":"a"})";
  for (int i = 1; i < 64; ++i) parts += R"(,{"type":"text","text":"a"})";
  EXPECT_TRUE(Chat(PartsBody(parts)).ok());
  const absl::Status more =
      Chat(PartsBody(parts + R"(,{"type":"text","text":"a"})")).status();
  EXPECT_EQ(ErrorField(more), "messages[0].content");
  EXPECT_THAT(Text(more), HasSubstr("over 64"));
}

// The bytes after the comma are not base64: had anybody decoded, the answer
// would be another one.
TEST(OpenAiBadRequest, CountsImagesBeforeItLooksAtOne) {
  std::string parts = ImageUrlPart("data:image/png;base64,!!!!");
  for (int i = 1; i < 9; ++i) {
    absl::StrAppend(&parts, ",", ImageUrlPart("data:image/png;base64,!!!!"));
  }
  const absl::Status status = Chat(PartsBody(parts)).status();
  EXPECT_EQ(ErrorField(status), "messages");
  EXPECT_THAT(Text(status), HasSubstr("9 images; a request may carry 8"));
}

TEST(OpenAiBadRequest, ChecksTheLengthOfEveryImageBeforeItDecodesOne) {
  OpenAiOptions options;
  options.limits.image.max_bytes = 3;
  const absl::Status status =
      Chat(PartsBody(
               absl::StrCat(ImageUrlPart("data:image/png;base64,!!!!"), ",",
                            ImageUrlPart("data:image/png;base64,QUJDRA"))),
           options)
          .status();
  EXPECT_EQ(ErrorField(status), "messages[0].content[1].image_url.url");
  EXPECT_EQ(ErrorReason(status), reason::kImageTooLarge);
}

struct NotJsonCase {
  std::string name, body, word;
  friend std::ostream& operator<<(std::ostream& os, const NotJsonCase& c) {
    return os << absl::CEscape(c.body.substr(0, 80));
  }
};
class NotJsonTest : public testing::TestWithParam<NotJsonCase> {};

TEST_P(NotJsonTest, IsRefusedWithoutAParameter) {
  const NotJsonCase& c = GetParam();
  for (const absl::Status& status :
       {Chat(c.body).status(), Completion(c.body).status(),
        Tokenize(c.body).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
    EXPECT_EQ(ErrorField(status), "");
    EXPECT_THAT(Text(status), HasSubstr("the body is not one JSON object"));
    EXPECT_THAT(Text(status), HasSubstr(c.word));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Bodies, NotJsonTest,
    testing::Values(
        NotJsonCase{"Empty", "", "empty"}, NotJsonCase{"List", "[]", "'{'"},
        NotJsonCase{"ByteOrderMark", "\xEF\xBB\xBF{}", "byte order mark"},
        NotJsonCase{"Utf16", std::string("\xFF\xFE{\0}\0", 6), "0xFF at 0"},
        NotJsonCase{"Trailing", R"({"model":"m"} x)", "after its end"},
        NotJsonCase{"TwoObjects", R"({"model":"m"}{})", "after its end"},
        NotJsonCase{"Unclosed", R"({"model":"m")", "open"},
        NotJsonCase{"NoColon", R"({"model" "m"})", "colon"},
        NotJsonCase{"NoComma", R"({"model":"m" "user":"u"})", "comma"},
        NotJsonCase{"CommaAtEnd", R"({"model":"m",})", "comma"},
        NotJsonCase{"NoValue", R"({"model":})", "value"},
        NotJsonCase{"SingleQuotes", R"({'model':'m'})", "where it belongs"},
        NotJsonCase{"NumberKey", R"({1:2})", "where it belongs"},
        NotJsonCase{"Utf8", "{\"model\":\"\xC3\x28\"}", "UTF-8"},
        NotJsonCase{"Utf8Surrogate", "{\"model\":\"\xED\xA0\x80\"}", "UTF-8"},
        NotJsonCase{"Utf8Overlong", "{\"model\":\"\xC0\xAF\"}", "UTF-8"},
        NotJsonCase{"RawNul", std::string("{\"model\":\"\0\"}", 13),
                    "control character"},
        NotJsonCase{"NulOutside", std::string("{\0}", 3), "where it belongs"},
        NotJsonCase{"RawNewline", "{\"model\":\"\n\"}", "control character"},
        NotJsonCase{"Escape", R"({"model":"\x41"})", "escape"},
        NotJsonCase{"HalfEscape", R"({"model":"\u12"})", "escape"},
        NotJsonCase{"HighSurrogate", R"({"model":"\ud83d"})", "surrogate"},
        NotJsonCase{"LowSurrogate", R"({"model":"\ude00"})", "surrogate"},
        NotJsonCase{"SwappedSurrogates", R"({"model":"\ude00\ud83d"})",
                    "surrogate"},
        NotJsonCase{"SurrogateInKey", R"({"\ud83d":1})", "surrogate"},
        NotJsonCase{"SurrogateIgnored", R"({"x":{"y":["\ude00"]}})", "x.y[0]"},
        NotJsonCase{"NaN", R"({"x":NaN})", "at x"},
        NotJsonCase{"Infinity", R"({"x":[-1,Infinity]})", "x[1]"},
        NotJsonCase{"SmallNan", R"({"x":nan})", "at x"},
        NotJsonCase{"True", R"({"x":tru})", "at x"},
        NotJsonCase{"Nul", R"({"x":nul})", "at x"},
        NotJsonCase{"Comment", R"({"x":"a"/**/})", "comma"},
        NotJsonCase{
            "Deep",
            R"({"x":)" + std::string(32, '[') + std::string(32, ']') + "}",
            "33 deep"},
        NotJsonCase{"DeepInOneString", R"({"x":")" + std::string(100000, '['),
                    "does not end"}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiBadRequest, ChecksNumbersOfIgnoredFieldsToo) {
  for (const char* number :
       {"1e400", "01", "1.", "-", ".5", "+1", "0x10", "-Infinity", "1e",
        "123456789012345678901234567890"}) {
    EXPECT_FALSE(Chat(ChatBody(absl::StrCat(",\"x\":[", number, "]"))).ok())
        << number;
  }
  EXPECT_TRUE(Chat(ChatBody(",\"x\":[-0.5e-3,0,-1,1E+2]")).ok());
}

TEST(OpenAiBadRequest, DoesNotRepeatWhatMayBePrivate) {
  for (const std::string& body :
       {ChatBody(R"(,"stop":{"a":"canary"})"), ChatBody(R"(,"n":"canary")"),
        PartsBody(ImageUrlPart("https://canary/a")),
        MessagesBody(R"({"role":"user","content":{"canary":1}})")}) {
    EXPECT_THAT(Text(Chat(body).status()), testing::Not(HasSubstr("canary")));
  }
}

struct BadCompletionCase {
  std::string name, fields, param;
  std::string reason = reason::kUnsupportedParameter;
  friend std::ostream& operator<<(std::ostream& os,
                                  const BadCompletionCase& c) {
    return os << c.fields;
  }
};
class BadCompletionTest : public testing::TestWithParam<BadCompletionCase> {};

TEST_P(BadCompletionTest, IsRefused) {
  const BadCompletionCase& c = GetParam();
  const absl::Status status =
      Completion(absl::StrCat(R"({"model":"m","prompt":"p",)", c.fields, "}"))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorField(status), c.param) << status;
  EXPECT_EQ(ErrorReason(status), c.reason) << status;
}
INSTANTIATE_TEST_SUITE_P(
    Completions, BadCompletionTest,
    testing::Values(BadCompletionCase{"Ids", R"("prompt":[1,2])", "prompt"},
                    BadCompletionCase{"IdLists", R"("prompt":[[1],[2]])",
                                      "prompt"},
                    BadCompletionCase{"Two", R"("prompt":["a","b"])", "prompt"},
                    BadCompletionCase{"Empty", R"("prompt":"")", "prompt",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"EmptyList", R"("prompt":[])", "prompt",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"Null", R"("prompt":null)", "prompt",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"NullItem", R"("prompt":[null])",
                                      "prompt[0]", reason::kFieldInvalid},
                    BadCompletionCase{"Number", R"("prompt":1)", "prompt",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"Echo", R"("echo":true)", "echo"},
                    BadCompletionCase{"BestOf", R"("best_of":2)", "best_of"},
                    BadCompletionCase{"BestOfZero", R"("best_of":0)", "best_of",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"Suffix", R"("suffix":"x")", "suffix"},
                    BadCompletionCase{"Logprobs", R"("logprobs":21)",
                                      "logprobs", reason::kFieldInvalid},
                    BadCompletionCase{"LogprobsBool", R"("logprobs":true)",
                                      "logprobs", reason::kFieldInvalid},
                    BadCompletionCase{"MaxTokens", R"("max_tokens":0)",
                                      "max_tokens", reason::kFieldInvalid},
                    BadCompletionCase{"Model", R"("model":"")", "model",
                                      reason::kFieldInvalid},
                    BadCompletionCase{"StreamOptions", R"("stream_options":{})",
                                      "stream_options", reason::kFieldInvalid}),
    [](const auto& info) { return info.param.name; });

TEST(OpenAiBadRequest, TokenizesMessagesOrAPromptAndNotBoth) {
  EXPECT_EQ(ErrorField(Tokenize("{}").status()), "messages");
  EXPECT_EQ(
      ErrorField(Tokenize(MessagesBody(R"({"role":"user","content":"a"}],)"
                                       R"("prompt":"p","x":[0)"))
                     .status()),
      "messages");
  EXPECT_EQ(ErrorField(Tokenize(R"({"prompt":["a"]})").status()), "prompt");
  EXPECT_EQ(
      ErrorReason(Tokenize(R"({"prompt":"a","chat_template":"x"})").status()),
      reason::kUnsupportedParameter);
}

}  // namespace
}  // namespace tandem
