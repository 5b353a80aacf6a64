#include "llm_service/generation.h"

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "llm_service/kv_pool_size.h"

namespace tandem {
namespace {

using testing::HasSubstr;

constexpr int kTokensPerTile = 4;
constexpr int kContext = 300;

v1::ImageRef Image(int columns, int rows, int num_tiles) {
  v1::ImageRef image;
  image.set_handle(std::string(16, 'h'));
  image.set_sha256(std::string(32, 's'));
  image.set_replica_id("replica");
  image.set_columns(columns);
  image.set_rows(rows);
  image.set_num_tiles(num_tiles);
  return image;
}

v1::GenerateRequest Request() {
  v1::GenerateRequest request;
  request.set_request_id("r-1");
  v1::PromptMessage& message = *request.add_messages();
  message.set_role("user");
  message.add_content()->set_text("What is this?");
  return request;
}

v1::GenerateRequest WithImage(const v1::ImageRef& image) {
  v1::GenerateRequest request = Request();
  *request.add_images() = image;
  request.mutable_messages(0)->add_content()->set_image_index(0);
  return request;
}

v1::GenerateRequest WithPrompt(const std::string& prompt) {
  v1::GenerateRequest request;
  request.set_request_id("r-1");
  request.set_prompt(prompt);
  return request;
}

class GenerationReaderTest : public testing::Test {
 protected:
  static PromptBuilder::Options PromptOptions() {
    PromptBuilder::Options options;
    options.tokens_per_tile = kTokensPerTile;
    options.system_message = "You help.";
    return options;
  }
  GenerationReader Reader(int context = kContext) {
    SamplingDefaults defaults;
    defaults.vocab_size = 400;
    defaults.generation = generation_;
    defaults.stop_token_ids = prompts_->stop_token_ids();
    return GenerationReader(*prompts_, defaults, context);
  }

  GenerationConfig generation_;
  std::unique_ptr<Tokenizer> tokenizer_ = *Tokenizer::MakeByteTokenizer(400);
  absl::optional<PromptBuilder> prompts_ =
      *PromptBuilder::Make(PromptOptions(), *tokenizer_);
};

TEST_F(GenerationReaderTest, MakesAPromptWithPlacesForTiles) {
  const auto generation = Reader().Read(WithImage(Image(2, 1, 3)));
  ASSERT_TRUE(generation.ok()) << generation.status();
  ASSERT_EQ(generation->prompt.images.size(), 1u);
  EXPECT_EQ(generation->prompt.images[0].num_tokens, 3 * kTokensPerTile);
  EXPECT_EQ(generation->images.size(), 1u);
  EXPECT_EQ(generation->request_id, "r-1");
}

TEST_F(GenerationReaderTest, APromptIsItsTextAndStopsWhereAnswersDo) {
  const auto generation = Reader().Read(WithPrompt("a<|im_end|>"));
  ASSERT_TRUE(generation.ok()) << generation.status();
  const std::string text = "a<|im_end|>";
  EXPECT_EQ(generation->prompt.token_ids,
            std::vector<int>(text.begin(), text.end()));
  EXPECT_EQ(generation->max_tokens, kContext - 11);
  EXPECT_THAT(generation->sampling.stop_token_ids,
              testing::UnorderedElementsAreArray(prompts_->stop_token_ids()));
}

TEST_F(GenerationReaderTest, APromptLeavesRoomForOneToken) {
  EXPECT_TRUE(Reader().Read(WithPrompt(std::string(kContext - 1, 'x'))).ok());
  const absl::Status status =
      Reader().Read(WithPrompt(std::string(kContext, 'x'))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kContextLengthExceeded);
  EXPECT_EQ(ErrorMetadataOf(status)["promptTokens"], "300");
}

TEST_F(GenerationReaderTest, TakesTheRestOfTheContextWhereNobodySaysMore) {
  const auto open = Reader().Read(Request());
  ASSERT_TRUE(open.ok());
  const int num_prompt = static_cast<int>(open->prompt.token_ids.size());
  EXPECT_EQ(open->max_tokens, kContext - num_prompt);

  generation_.max_new_tokens = 7;
  EXPECT_EQ(Reader().Read(Request())->max_tokens, 7);
  generation_.max_new_tokens = 100000;  // gives way to the context
  EXPECT_EQ(Reader().Read(Request())->max_tokens, kContext - num_prompt);

  v1::GenerateRequest request = Request();
  request.mutable_sampling()->set_max_tokens(3);
  EXPECT_EQ(Reader().Read(request)->max_tokens, 3);
}

TEST_F(GenerationReaderTest, TakesAPromptThatLeavesRoomForOneToken) {
  const int num_prompt =
      static_cast<int>(Reader().Read(Request())->prompt.token_ids.size());
  const auto fits = Reader(num_prompt + 1).Read(Request());
  ASSERT_TRUE(fits.ok());
  EXPECT_EQ(fits->max_tokens, 1);
  const absl::Status status = Reader(num_prompt).Read(Request()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason::kContextLengthExceeded);
  ErrorMetadata metadata = ErrorMetadataOf(status);
  EXPECT_EQ(metadata["promptTokens"], std::to_string(num_prompt));
  EXPECT_EQ(metadata["maxTokens"], "1");
  EXPECT_EQ(metadata["imageTokens"], "0");
}

TEST_F(GenerationReaderTest, RefusesMoreTokensThanFit) {
  v1::GenerateRequest request = WithImage(Image(2, 1, 3));
  request.mutable_sampling()->set_max_tokens(4'000'000'000u);
  ErrorMetadata metadata = ErrorMetadataOf(Reader().Read(request).status());
  EXPECT_EQ(metadata["maxTokens"], "4000000000");
  EXPECT_EQ(metadata["imageTokens"], "12");
  request.mutable_sampling()->clear_max_tokens();
  request.mutable_sampling()->set_min_tokens(kContext);
  EXPECT_EQ(ErrorReason(Reader().Read(request).status()),
            reason::kContextLengthExceeded);
}

struct BadRequest {
  std::string name;
  std::function<void(v1::GenerateRequest&)> spoil;
  std::string field;
  std::string message;
  friend std::ostream& operator<<(std::ostream& os, const BadRequest& c) {
    return os << c.name;
  }
};
class BadRequestTest : public GenerationReaderTest,
                       public testing::WithParamInterface<BadRequest> {};

TEST_P(BadRequestTest, IsRefusedByName) {
  v1::GenerateRequest request = WithImage(Image(2, 1, 3));
  GetParam().spoil(request);
  const absl::Status status = Reader().Read(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(ErrorReason(status), reason::kFieldInvalid);
  EXPECT_EQ(ErrorField(status), GetParam().field);
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

using Request_ = v1::GenerateRequest;
INSTANTIATE_TEST_SUITE_P(
    Fields, BadRequestTest,
    testing::Values(
        BadRequest{"NoId", [](Request_& r) { r.clear_request_id(); },
                   "request_id", ""},
        BadRequest{"LongId",
                   [](Request_& r) { r.set_request_id(std::string(129, 'x')); },
                   "request_id", ""},
        BadRequest{"ShortHandle",
                   [](Request_& r) { r.mutable_images(0)->set_handle("x"); },
                   "images[0].handle", "1 bytes, not 16"},
        BadRequest{"NoDigest",
                   [](Request_& r) { r.mutable_images(0)->clear_sha256(); },
                   "images[0].sha256", "0 bytes, not 32"},
        BadRequest{"NoReplica",
                   [](Request_& r) { r.mutable_images(0)->clear_replica_id(); },
                   "images[0].replica_id", "is empty"},
        BadRequest{
            "HugeGrid",
            [](Request_& r) { r.mutable_images(0)->set_columns(0xFFFFFFFF); },
            "images[0].columns", "is outside [1, 40]"},
        BadRequest{"TilesBesideTheGrid",
                   [](Request_& r) { r.mutable_images(0)->set_num_tiles(4); },
                   "images[0].num_tiles", "4 does not match the grid 2x1"},
        BadRequest{"ManyTiles",
                   [](Request_& r) { *r.mutable_images(0) = Image(7, 6, 43); },
                   "images[0].columns", "grid 7x6 is outside [1, 40]"},
        BadRequest{"ImageThatNobodyUses",
                   [](Request_& r) { *r.add_images() = Image(1, 1, 1); },
                   "images[1]", ""},
        BadRequest{"ImageIndexBeyondInt",
                   [](Request_& r) {
                     r.mutable_messages(0)->mutable_content(1)->set_image_index(
                         0xFFFFFFFF);
                   },
                   "messages[0].content[1]", ""},
        BadRequest{"PromptBesideMessages",
                   [](Request_& r) { r.set_prompt("x"); }, "prompt",
                   "is set beside messages"},
        BadRequest{"PromptBesideImages",
                   [](Request_& r) {
                     r.clear_messages();
                     r.set_prompt("x");
                   },
                   "images[0]", "takes no images"},
        BadRequest{"EmptyPrompt", [](Request_& r) { r = WithPrompt(""); },
                   "prompt", "is empty"},
        BadRequest{"PromptNotUtf8", [](Request_& r) { r = WithPrompt("\xFF"); },
                   "prompt", "not UTF-8 at byte 0"},
        BadRequest{"NeitherMessagesNorPrompt",
                   [](Request_& r) {
                     r = WithPrompt("x");
                     r.clear_prompt();
                   },
                   "messages", "holds no message"},
        BadRequest{"Sampling",
                   [](Request_& r) { r.mutable_sampling()->set_top_p(2); },
                   "sampling.top_p", "2 is outside (0, 1]"}),
    [](const auto& info) { return info.param.name; });

TEST_F(GenerationReaderTest, CountsAPromptWithoutItsImages) {
  v1::CountPromptTokensRequest request;
  *request.mutable_messages() = WithImage(Image(2, 1, 3)).messages();
  request.add_image_tiles(3);
  const auto count = Reader().Count(request);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->image_tokens(), 3u * kTokensPerTile);
  EXPECT_EQ(count->prompt_tokens(),
            Reader().Read(WithImage(Image(2, 1, 3)))->prompt.token_ids.size());
  // Also where it would not fit.
  EXPECT_TRUE(Reader(1).Count(request).ok());
  request.set_image_tiles(0, 42);
  EXPECT_EQ(ErrorField(Reader().Count(request).status()), "image_tiles[0]");
  request.set_image_tiles(0, 0xFFFFFFFF);
  EXPECT_EQ(ErrorField(Reader().Count(request).status()), "image_tiles[0]");
}

TEST_F(GenerationReaderTest, AnswersTheIdsOfWhatItCountsWhereAsked) {
  v1::CountPromptTokensRequest request;
  *request.mutable_messages() = WithImage(Image(2, 1, 3)).messages();
  request.add_image_tiles(3);
  EXPECT_EQ(Reader().Count(request)->token_ids_size(), 0);
  request.set_return_token_ids(true);
  const auto count = Reader().Count(request);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(
      std::vector<int>(count->token_ids().begin(), count->token_ids().end()),
      Reader().Read(WithImage(Image(2, 1, 3)))->prompt.token_ids);
}

TEST_F(GenerationReaderTest, CountsAPromptThatMayBeEmpty) {
  v1::CountPromptTokensRequest request;
  request.set_return_token_ids(true);
  request.set_prompt("hi");
  auto count = Reader(1).Count(request);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->prompt_tokens(), 2u);
  EXPECT_EQ(count->image_tokens(), 0u);
  EXPECT_THAT(count->token_ids(), testing::ElementsAre('h', 'i'));
  request.set_prompt("");
  count = Reader().Count(request);
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->prompt_tokens(), 0u);
  EXPECT_EQ(count->token_ids_size(), 0);
}

TEST_F(GenerationReaderTest, CountsEitherMessagesOrAPrompt) {
  const auto field = [&](const v1::CountPromptTokensRequest& request) {
    return ErrorField(Reader().Count(request).status());
  };
  v1::CountPromptTokensRequest request;
  EXPECT_EQ(field(request), "messages");
  request.set_prompt("");
  request.add_image_tiles(1);
  EXPECT_EQ(field(request), "images[0]");
  *request.mutable_messages() = Request().messages();
  EXPECT_EQ(field(request), "prompt");
}

TEST_F(GenerationReaderTest, AnswersNoMoreIdsThanAMessageHolds) {
  v1::CountPromptTokensRequest request;
  request.set_return_token_ids(true);
  request.set_prompt(std::string(GenerationReader::kMaxAnsweredIds + 1, ' '));
  const absl::Status status = Reader().Count(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorField(status), "return_token_ids");
  EXPECT_THAT(std::string(status.message()), HasSubstr("up to 4194304"));
  request.set_return_token_ids(false);
  EXPECT_EQ(Reader().Count(request)->prompt_tokens(),
            GenerationReader::kMaxAnsweredIds + 1u);
}

TEST(ChooseKvBlocks, HoldsAContextForEachThatCanRunWithinAQuarterOfTheMemory) {
  KvPoolWish wish;
  wish.context_blocks = 512;
  wish.max_running = 32;
  wish.block_bytes = 1 << 20;
  wish.pool_bytes = int64_t{2} << 30;  // 2,048 blocks
  EXPECT_EQ(*ChooseKvBlocks(wish), 2048);
  wish.pool_bytes = int64_t{1} << 28;
  EXPECT_EQ(*ChooseKvBlocks(wish), 512);
  wish.pool_bytes = 0;  // nobody says
  EXPECT_EQ(*ChooseKvBlocks(wish), 512);
  wish.pool_bytes = int64_t{1} << 38;
  EXPECT_EQ(*ChooseKvBlocks(wish), 32 * 512);
  wish.blocks = 600;
  EXPECT_EQ(*ChooseKvBlocks(wish), 600);
  wish.blocks = 511;
  EXPECT_EQ(ChooseKvBlocks(wish).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tandem
