#include "gateway/kserve_tensors.h"

#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"
#include "tests/gateway/kserve_request.h"

namespace tandem {
namespace {

using inference::ModelInferRequest;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kMaxImages = 8;

absl::StatusOr<KserveRequest> Parse(const ModelInferRequest& request) {
  return ParseInferRequest(request, kMaxImages);
}

// All five inputs.
ModelInferRequest WholeRequest() {
  ModelInferRequest request = InferRequest("q-7", "what is it?");
  request.set_model_name("vlm");
  request.set_model_version("1");
  AddImages({"first file", "second"}, request);
  AddRaw("max_tokens", "INT32", 1, RawValue<int32_t>(258), request);
  AddRaw("temperature", "FP32", 1, RawValue(0.5f), request);
  SetStream(true, request);
  return request;
}

void ExpectWhole(const KserveRequest& parsed) {
  EXPECT_EQ(parsed.id, "q-7");
  EXPECT_TRUE(parsed.stream);
  EXPECT_EQ(parsed.chat.model(), "vlm");
  ASSERT_EQ(parsed.chat.messages_size(), 1);
  const v1::ChatMessage& message = parsed.chat.messages(0);
  EXPECT_EQ(message.role(), "user");
  ASSERT_EQ(message.content_size(), 3);
  EXPECT_EQ(message.content(0).image().data(), "first file");
  EXPECT_EQ(message.content(1).image().data(), "second");
  EXPECT_EQ(message.content(2).text(), "what is it?");
  EXPECT_EQ(parsed.chat.sampling().max_tokens(), 258u);
  EXPECT_EQ(parsed.chat.sampling().temperature(), 0.5f);
}

TEST(KserveTensors, ReadsRawContents) {
  const auto parsed = Parse(WholeRequest());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectWhole(*parsed);
}

TEST(KserveTensors, ReadsContentsOfTheInputs) {
  ModelInferRequest request = WholeRequest();
  request.clear_raw_input_contents();
  const auto contents = [&](int index) {
    return request.mutable_inputs(index)->mutable_contents();
  };
  contents(0)->add_bytes_contents("what is it?");
  contents(1)->add_bytes_contents("first file");
  contents(1)->add_bytes_contents("second");
  contents(2)->add_int_contents(258);
  contents(3)->add_fp32_contents(0.5f);
  contents(4)->add_bool_contents(true);
  const auto parsed = Parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectWhole(*parsed);
}

TEST(KserveTensors, ATextAloneLeavesTheRestToTheModel) {
  const auto parsed = Parse(InferRequest());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_FALSE(parsed->stream);
  EXPECT_EQ(parsed->chat.model(), "");
  EXPECT_EQ(parsed->chat.messages(0).content_size(), 1);
  EXPECT_FALSE(parsed->chat.sampling().has_max_tokens());
  EXPECT_FALSE(parsed->chat.sampling().has_temperature());
  EXPECT_THAT(parsed->outputs, ElementsAre(KserveOutput::kTextOutput,
                                           KserveOutput::kFinishReason,
                                           KserveOutput::kOutputTokens));
}

TEST(KserveTensors, InputsComeInAnyOrder) {
  ModelInferRequest request = WholeRequest();
  request.mutable_inputs()->SwapElements(0, 3);
  request.mutable_raw_input_contents()->SwapElements(0, 3);
  const auto parsed = Parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ExpectWhole(*parsed);
}

TEST(KserveTensors, NoImageIsFineToo) {
  ModelInferRequest request = InferRequest();
  AddImages({}, request);
  const auto parsed = Parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->chat.messages(0).content_size(), 1);
}

TEST(KserveTensors, WhatTritonsClientsSetByThemselvesIsTaken) {
  ModelInferRequest request = InferRequest();
  (*request.mutable_parameters())["triton_enable_empty_final_response"]
      .set_bool_param(true);
  (*request.mutable_parameters())["priority"].set_uint64_param(1);
  EXPECT_TRUE(Parse(request).ok());
}

struct WrongCase {
  std::string name;
  std::function<void(ModelInferRequest&)> spoil;  // of WholeRequest
  std::string field, says;
  friend std::ostream& operator<<(std::ostream& os, const WrongCase& c) {
    return os << c.name;
  }
};
class WrongInferRequest : public testing::TestWithParam<WrongCase> {};

TEST_P(WrongInferRequest, NamesTheTensorAndTheBound) {
  ModelInferRequest request = WholeRequest();
  GetParam().spoil(request);
  const absl::Status status = Parse(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), GetParam().field);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().says));
}

// Replaces the values of an input that has a name of its own.
void SetRaw(int index, const std::string& raw, ModelInferRequest& request) {
  *request.mutable_raw_input_contents(index) = raw;
}

void SetShape(int index, const std::vector<int64_t>& shape,
              ModelInferRequest& request) {
  request.mutable_inputs(index)->mutable_shape()->Assign(shape.begin(),
                                                         shape.end());
}

// The request with values in `contents`, which `fill` gives to max_tokens.
void UseContents(
    const std::function<void(inference::InferTensorContents&)>& fill,
    ModelInferRequest& request) {
  request = ModelInferRequest();
  AddInput("text_input", "BYTES", 1, request)
      .mutable_contents()
      ->add_bytes_contents("hello");
  fill(*AddInput("max_tokens", "INT32", 1, request).mutable_contents());
}

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

INSTANTIATE_TEST_SUITE_P(
    Inputs, WrongInferRequest,
    testing::Values(
        WrongCase{"Empty", [](auto& r) { r = ModelInferRequest(); },
                  "text_input", "is missing"},
        WrongCase{"UnknownInput",
                  [](auto& r) { r.mutable_inputs(1)->set_name("picture"); },
                  "picture", "is no input of this model"},
        WrongCase{"UnknownNameIsShownWithoutItsControlCharacters",
                  [](auto& r) { r.mutable_inputs(1)->set_name("a\nb"); },
                  "a\\nb", "is no input of this model"},
        WrongCase{"NoName", [](auto& r) { r.mutable_inputs(1)->clear_name(); },
                  "\"\"", "is no input of this model"},
        WrongCase{"MissingText",
                  [](auto& r) {
                    r.mutable_inputs()->DeleteSubrange(0, 1);
                    r.mutable_raw_input_contents()->DeleteSubrange(0, 1);
                  },
                  "text_input", "is missing"},
        WrongCase{"Doubled",
                  [](auto& r) {
                    AddRaw("stream", "BOOL", 1, std::string(1, '\1'), r);
                  },
                  "stream", "is given twice"},
        WrongCase{"Datatype",
                  [](auto& r) { r.mutable_inputs(2)->set_datatype("INT64"); },
                  "max_tokens", "datatype \"INT64\" is not INT32"},
        WrongCase{"DatatypeOfText",
                  [](auto& r) { r.mutable_inputs(0)->set_datatype("UINT8"); },
                  "text_input", "datatype \"UINT8\" is not BYTES"},
        WrongCase{"NoShape", [](auto& r) { SetShape(2, {}, r); }, "max_tokens",
                  "shape [] is not [1]"},
        WrongCase{"TwoDimensions", [](auto& r) { SetShape(0, {1, 1}, r); },
                  "text_input", "shape [1, 1] is not [1]"},
        WrongCase{"TwoTexts", [](auto& r) { SetShape(0, {2}, r); },
                  "text_input", "shape [2] is not [1]"},
        WrongCase{"NegativeSize", [](auto& r) { SetShape(1, {-1}, r); },
                  "image", "shape [-1] is not one dimension of 0 to 8"},
        WrongCase{"TooManyImages", [](auto& r) { SetShape(1, {9}, r); },
                  "image", "shape [9] is not one dimension of 0 to 8"},
        WrongCase{"OverflowingShape",
                  [](auto& r) { SetShape(1, {kHuge, kHuge}, r); }, "image",
                  "is not one dimension of 0 to 8"},
        WrongCase{
            "LongShapeIsCut",
            [](auto& r) { SetShape(1, std::vector<int64_t>(100000, 1), r); },
            "image", "shape [1, 1, 1, 1, 1, 1, 1, 1, ...] is not"},
        WrongCase{"InputParameter",
                  [](auto& r) {
                    (*r.mutable_inputs(0)
                          ->mutable_parameters())["shared_memory_region"]
                        .set_string_param("x");
                  },
                  "text_input", "\"shared_memory_region\" is not supported"},
        WrongCase{"BothRepresentations",
                  [](auto& r) {
                    r.mutable_inputs(2)->mutable_contents()->add_int_contents(
                        1);
                  },
                  "max_tokens", "has contents beside its raw_input_contents"},
        WrongCase{"RawOfSomeInputs",
                  [](auto& r) { r.mutable_raw_input_contents()->RemoveLast(); },
                  "stream", "raw_input_contents has no entry for it, only 4"},
        WrongCase{"ExtraRaw", [](auto& r) { r.add_raw_input_contents("x"); },
                  "raw_input_contents", "6 entries for 5 inputs"},
        WrongCase{"NoValues", [](auto& r) { r.clear_raw_input_contents(); },
                  "image", "contents holds 0 values, shape [2] takes 2"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Values, WrongInferRequest,
    testing::Values(
        WrongCase{"ShortInt", [](auto& r) { SetRaw(2, "abc", r); },
                  "max_tokens", "3 bytes, INT32 of shape [1] takes 4"},
        WrongCase{"LongFloat",
                  [](auto& r) { SetRaw(3, std::string(8, '\0'), r); },
                  "temperature", "8 bytes, FP32 of shape [1] takes 4"},
        WrongCase{"EmptyBool", [](auto& r) { SetRaw(4, "", r); }, "stream",
                  "0 bytes, BOOL of shape [1] takes 1"},
        WrongCase{"BoolThatIsNeither", [](auto& r) { SetRaw(4, "\7", r); },
                  "stream", "byte 7 is neither 0 nor 1"},
        WrongCase{"NoTokens",
                  [](auto& r) { SetRaw(2, RawValue<int32_t>(0), r); },
                  "max_tokens", "0 is outside [1, 2147483647]"},
        WrongCase{"NegativeTokens",
                  [](auto& r) { SetRaw(2, RawValue<int32_t>(-5), r); },
                  "max_tokens", "-5 is outside [1, 2147483647]"},
        WrongCase{"NoLength", [](auto& r) { SetRaw(0, "abc", r); },
                  "text_input", "its bytes end before element 0 of 1"},
        WrongCase{"FewerElementsThanShape",
                  [](auto& r) { SetRaw(1, RawBytes({"one"}), r); }, "image",
                  "its bytes end before element 1 of 2"},
        WrongCase{
            "LengthPastTheEnd",
            [](auto& r) { SetRaw(0, RawValue<uint32_t>(6) + "hello", r); },
            "text_input", "element 0 is said to have 6 bytes, 5 are left"},
        WrongCase{"LengthOfFourGigabytes",
                  [](auto& r) {
                    SetRaw(1, RawValue<uint32_t>(0xFFFFFFFF) + "hello", r);
                  },
                  "image", "element 0 is said to have 4294967295 bytes"},
        WrongCase{"BytesAfterTheLastElement",
                  [](auto& r) { SetRaw(0, RawBytes({"a", "b"}), r); },
                  "text_input", "5 bytes are left after the 1 elements"},
        WrongCase{"TextThatIsNotUtf8",
                  [](auto& r) { SetRaw(0, RawBytes({"a\xFF"}), r); },
                  "text_input", "not UTF-8 at byte 1"},
        WrongCase{"ContentsOfAnotherDatatype",
                  [](auto& r) {
                    UseContents([](auto& c) { c.add_int64_contents(1); }, r);
                  },
                  "max_tokens", "contents holds values of another datatype"},
        WrongCase{"ContentsOfTwoDatatypes",
                  [](auto& r) {
                    UseContents(
                        [](auto& c) {
                          c.add_int_contents(1);
                          c.add_int64_contents(1);
                        },
                        r);
                  },
                  "max_tokens", "contents holds values of another datatype"},
        WrongCase{"TooManyContents",
                  [](auto& r) {
                    UseContents(
                        [](auto& c) {
                          c.add_int_contents(1);
                          c.add_int_contents(2);
                        },
                        r);
                  },
                  "max_tokens", "contents holds 2 values, shape [1] takes 1"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Rest, WrongInferRequest,
    testing::Values(
        WrongCase{"UnknownParameter",
                  [](auto& r) {
                    (*r.mutable_parameters())["top_p"].set_double_param(1);
                  },
                  "parameters[\"top_p\"]", "is no parameter of this model"},
        WrongCase{"UnknownOutput",
                  [](auto& r) { r.add_outputs()->set_name("logits"); },
                  "logits", "is no output of this model"},
        WrongCase{"OutputTwice",
                  [](auto& r) {
                    r.add_outputs()->set_name("text_output");
                    r.add_outputs()->set_name("text_output");
                  },
                  "text_output", "is asked for twice"},
        WrongCase{
            "OutputParameter",
            [](auto& r) {
              auto& output = *r.add_outputs();
              output.set_name("text_output");
              (*output.mutable_parameters())["classification"].set_int64_param(
                  3);
            },
            "text_output", "\"classification\" is not supported"}),
    [](const auto& info) { return info.param.name; });

TEST(KserveTensors, AnotherVersionIsNotFound) {
  ModelInferRequest request = WholeRequest();
  request.set_model_version("2");
  const absl::Status status = Parse(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), reason::kModelNotFound);
  EXPECT_TRUE(CheckKserveVersion("vlm", "").ok());
  EXPECT_TRUE(CheckKserveVersion("vlm", "1").ok());
}

// Whatever bytes come, they are a request or an error that names something.
TEST(KserveTensors, NoMutationOfARequestDoesHarm) {
  const google::protobuf::LogSilencer silence;  // of strings that are not UTF-8
  std::mt19937 random(20240601);
  const std::string whole = WholeRequest().SerializeAsString();
  int num_parsed = 0, num_taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    const int num_changes = 1 + static_cast<int>(random() % 3);
    for (int change = 0; change < num_changes; ++change) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
          break;
        case 2:
          bytes.erase(at, 1);
          break;
        default:
          bytes.insert(at, 1, static_cast<char>(random()));
      }
      if (bytes.empty()) bytes = whole;
    }
    ModelInferRequest request;
    if (!request.ParseFromString(bytes)) continue;
    ++num_parsed;
    const auto parsed = ParseInferRequest(request, kMaxImages);
    if (parsed.ok()) {
      ++num_taken;
      EXPECT_LE(parsed->chat.messages(0).content_size(), kMaxImages + 1);
    } else if (absl::IsInvalidArgument(parsed.status())) {
      EXPECT_NE(ErrorField(parsed.status()), "") << parsed.status();
    } else {
      EXPECT_EQ(ErrorReason(parsed.status()), reason::kModelNotFound);
    }
  }
  // Both happen, or the test proves nothing.
  EXPECT_GT(num_taken, 100);
  EXPECT_GT(num_parsed - num_taken, 100);
}

v1::ChatChunk Chunk(const std::string& text, int num_tokens) {
  v1::ChatChunk chunk;
  chunk.set_model("vlm");
  chunk.set_delta_text(text);
  for (int i = 0; i < num_tokens; ++i) chunk.add_token_ids(i);
  return chunk;
}

TEST(KserveTensors, AResponseCarriesTheOutputsInRawForm) {
  KserveRequest request = *Parse(InferRequest("q-9"));
  v1::ChatChunk chunk = Chunk("Hi", 300);
  chunk.set_finish_reason(v1::FINISH_REASON_LENGTH);
  const inference::ModelInferResponse response =
      ToInferResponse(request, chunk);
  EXPECT_EQ(response.id(), "q-9");
  EXPECT_EQ(response.model_name(), "vlm");
  EXPECT_EQ(response.model_version(), "1");
  ASSERT_EQ(response.outputs_size(), 3);
  ASSERT_EQ(response.raw_output_contents_size(), 3);
  EXPECT_EQ(response.outputs(0).name(), "text_output");
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1));
  EXPECT_EQ(response.raw_output_contents(0), std::string("\2\0\0\0Hi", 6));
  EXPECT_EQ(OutputText(response, "finish_reason"), "length");
  EXPECT_EQ(response.outputs(2).datatype(), "INT32");
  EXPECT_EQ(response.raw_output_contents(2), std::string("\x2C\1\0\0", 4));
}

TEST(KserveTensors, OnlyTheOutputsAskedForInTheirOrder) {
  ModelInferRequest wanted = InferRequest();
  wanted.add_outputs()->set_name("output_tokens");
  wanted.add_outputs()->set_name("text_output");
  const inference::ModelInferResponse response =
      ToInferResponse(*Parse(wanted), Chunk("Hi", 1));
  ASSERT_EQ(response.outputs_size(), 2);
  EXPECT_EQ(response.outputs(0).name(), "output_tokens");
  EXPECT_EQ(response.outputs(1).name(), "text_output");
  EXPECT_EQ(response.raw_output_contents_size(), 2);
}

TEST(KserveTensors, ChunksAddUp) {
  v1::ChatChunk whole, last = Chunk("lo", 2);
  last.set_finish_reason(v1::FINISH_REASON_STOP);
  AddChunk(Chunk("Hel", 1), whole);
  AddChunk(last, whole);
  const inference::ModelInferResponse response =
      ToInferResponse(*Parse(InferRequest()), whole);
  EXPECT_EQ(response.model_name(), "vlm");
  EXPECT_EQ(OutputText(response, "text_output"), "Hello");
  EXPECT_EQ(OutputText(response, "finish_reason"), "stop");
  EXPECT_EQ(OutputTokens(response), 3);
}

TEST(KserveTensors, ErrorsOfChatFieldsAreSaidOfTensors) {
  const auto field = [](const char* of_chat) {
    const absl::Status said = AtTensor(
        FieldError(of_chat, reason::kImageTruncated, "is too short: 3"));
    EXPECT_EQ(ErrorReason(said), reason::kImageTruncated);
    EXPECT_EQ(said.message(), ErrorField(said) + ": is too short: 3");
    return ErrorField(said);
  };
  EXPECT_EQ(field("sampling.temperature"), "temperature");
  EXPECT_EQ(field("sampling.max_tokens"), "max_tokens");
  EXPECT_EQ(field("messages[0].content[2].image"), "image[2]");
  EXPECT_EQ(field("messages[0].content[2].image.data"), "image[2].data");
  EXPECT_EQ(field("messages[0].content[1]"), "text_input");
  EXPECT_EQ(field("messages[0].content"), "text_input");
  EXPECT_EQ(field("messages"), "image");
  EXPECT_EQ(field("something"), "something");
}

TEST(KserveTensors, OtherErrorsStayAsTheyAre) {
  EXPECT_TRUE(AtTensor(absl::OkStatus()).ok());
  const absl::Status status =
      RetryableError(absl::StatusCode::kUnavailable, reason::kDraining,
                     "is stopping", absl::Seconds(1), {});
  EXPECT_EQ(AtTensor(status), status);
}

TEST(KserveTensors, MetadataAndConfigurationNameTheSameTensors) {
  v1::Model model;
  model.set_id("vlm");
  const inference::ModelMetadataResponse metadata = KserveMetadata(model);
  const inference::ModelConfig config = KserveConfig(model);
  EXPECT_EQ(metadata.name(), "vlm");
  EXPECT_THAT(metadata.versions(), ElementsAre("1"));
  EXPECT_EQ(config.name(), "vlm");
  EXPECT_EQ(config.max_batch_size(), 0);
  EXPECT_TRUE(config.model_transaction_policy().decoupled());
  ASSERT_EQ(metadata.inputs_size(), 5);
  ASSERT_EQ(config.input_size(), 5);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(metadata.inputs(i).name(), config.input(i).name());
    EXPECT_EQ(metadata.inputs(i).shape(0), config.input(i).dims(0));
    EXPECT_EQ(config.input(i).optional(), i > 0);
  }
  EXPECT_EQ(metadata.inputs(1).name(), "image");
  EXPECT_EQ(metadata.inputs(1).shape(0), -1);
  EXPECT_EQ(metadata.inputs(1).datatype(), "BYTES");
  EXPECT_EQ(config.input(1).data_type(), inference::TYPE_STRING);
  ASSERT_EQ(metadata.outputs_size(), 3);
  ASSERT_EQ(config.output_size(), 3);
  EXPECT_EQ(metadata.outputs(2).name(), "output_tokens");
  EXPECT_EQ(config.output(2).data_type(), inference::TYPE_INT32);
}

}  // namespace
}  // namespace tandem
