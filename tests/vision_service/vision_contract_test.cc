// The contract of VisionService, over a real gRPC server on loopback.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/embedding_wire.h"
#include "common/errors.h"
#include "common/grpc_host.h"
#include "common/grpc_status.h"
#include "common/metrics.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_vision_encoder.h"
#include "tests/vision_service/golden.h"
#include "vision_service/png_encoder.h"
#include "vision_service/tiles.h"
#include "vision_service/vision_engine.h"
#include "vision_service/vision_rpc.h"

namespace tandem {
namespace {

EmbeddingFormat Format() {
  EmbeddingFormat format;
  format.dtype = DType::kBFloat16;
  format.tokens_per_tile = 256;
  format.hidden_size = 4096;  // Two chunks a tile.
  format.fingerprint = "f00d";
  return format;
}

class VisionContractTest : public testing::Test {
 protected:
  VisionContractTest() {
    VisionEngine::Options options;
    options.max_queued_tiles = 20;
    options.encode_ahead = false;
    options.store.max_held_bytes = 64 << 20;
    engine_ = std::make_unique<VisionEngine>(options, clock_, executor_,
                                             encoder_, vision_metrics_);
    v1::ServiceInfo info;
    info.set_replica_id("replica-1");
    rpc_ = std::make_unique<VisionRpc>(info, *engine_, worker_, gate_, health_);
    GrpcHost::Options host_options;
    host_options.pre_drain = absl::ZeroDuration();
    host_options.drain = absl::Seconds(1);
    auto host = GrpcHost::Start(
        host_options,
        {{v1::VisionService::service_full_name(), rpc_.get(), &gate_}}, health_,
        grpc_metrics_);
    host_ = *std::move(host);
    stub_ = v1::VisionService::NewStub(host_->InProcessChannel());
  }

  ~VisionContractTest() override {
    encoder_.Hold(false);
    absl::Notification hurry;
    host_->Shutdown(hurry);
    host_ = nullptr;
  }

  absl::StatusOr<v1::ImageRef> Put(const std::string& file, int max_tiles) {
    grpc::ClientContext context;
    v1::PutImageRequest request;
    request.set_request_id("r1");
    request.set_data(file);
    request.set_max_tiles(max_tiles);
    v1::PutImageResponse response;
    const grpc::Status status = stub_->PutImage(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.image();
  }

  v1::StreamEmbeddingsRequest RunOf(const v1::ImageRef& image, int first,
                                    int num) {
    v1::StreamEmbeddingsRequest request;
    request.set_request_id("r1");
    request.set_handle(image.handle());
    request.set_image_index(3);
    request.set_first_tile(first);
    request.set_num_tiles(num);
    return request;
  }

  // Pulls a run and verifies it as the llm service does.
  absl::StatusOr<std::vector<EmbeddingTile>> Pull(const v1::ImageRef& image,
                                                  int first, int num) {
    grpc::ClientContext context;
    auto reader = stub_->StreamEmbeddings(&context, RunOf(image, first, num));
    EmbeddingRun run;
    run.request_id = "r1";
    run.image_index = 3;
    run.tile_count = static_cast<int>(image.num_tiles());
    run.first_tile = first;
    run.num_tiles = num;
    EmbeddingAssembler assembler(Format(), run);
    std::vector<EmbeddingTile> tiles;
    v1::EmbeddingChunk chunk;
    while (reader->Read(&chunk)) {
      if (absl::Status status = assembler.Add(chunk, tiles); !status.ok()) {
        return status;
      }
    }
    if (grpc::Status status = reader->Finish(); !status.ok()) {
      return FromGrpcStatus(status);
    }
    if (absl::Status status = assembler.Finish(); !status.ok()) return status;
    return tiles;
  }

  int Release(const std::vector<std::string>& handles) {
    grpc::ClientContext context;
    v1::ReleaseImagesRequest request;
    for (const std::string& handle : handles) request.add_handles(handle);
    v1::ReleaseImagesResponse response;
    EXPECT_TRUE(stub_->ReleaseImages(&context, request, &response).ok());
    return static_cast<int>(response.released());
  }

  // Waits for what happens on other threads after a call has ended.
  template <class Condition>
  void WaitFor(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    EXPECT_TRUE(condition());
  }

  void ExpectAllFree() {
    WaitFor([this] { return engine_->load().streams == 0; });
    EXPECT_EQ(engine_->load().handles, 0);
    EXPECT_EQ(engine_->load().queued_tiles, 0);
    clock_.Advance(absl::Minutes(2));
    engine_->ExpireImages();
    EXPECT_EQ(engine_->load().images, 0);
    EXPECT_EQ(engine_->load().held_bytes, 0);
  }

  const RgbImage picture_ = SyntheticImage(896, 448);
  const std::string png_ = *EncodePng(picture_);

  FakeClock clock_;
  Health health_;
  Metrics metrics_{{.backend = "cpu", .torch = ""}, health_};
  GrpcMetrics grpc_metrics_{metrics_};
  VisionMetrics vision_metrics_{metrics_};
  CallGate gate_;
  ComputeExecutor executor_{{.max_queued = 1024, .name = "vision"}};
  ComputeExecutor worker_{{.max_queued = 64, .name = "put"}};
  FakeVisionEncoder encoder_{Format()};
  std::unique_ptr<VisionEngine> engine_;
  std::unique_ptr<VisionRpc> rpc_;
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<v1::VisionService::Stub> stub_;
};

TEST_F(VisionContractTest, AReferenceLivesFromPutToRelease) {
  const auto image = Put(png_, 12);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->columns(), 2u);
  EXPECT_EQ(image->rows(), 1u);
  EXPECT_EQ(image->num_tiles(), 3u);
  EXPECT_EQ(image->width(), 896u);
  EXPECT_EQ(image->replica_id(), "replica-1");
  EXPECT_EQ(image->sha256().size(), 32u);
  EXPECT_EQ(image->preprocessing_id(), "custom/448/12");

  const auto tiles = Pull(*image, 0, 3);
  ASSERT_TRUE(tiles.ok()) << tiles.status();
  const std::vector<RgbImage> cut = CutTiles(picture_, {2, 1}, 448);
  ASSERT_EQ(tiles->size(), 3u);
  for (size_t i = 0; i < cut.size(); ++i) {
    EXPECT_EQ((*tiles)[i].data,
              FakeVisionEncoder::EmbeddingsOf(Format(), cut[i]))
        << "tile " << i;
  }
  EXPECT_EQ(Release({image->handle(), std::string(16, 'x')}), 1);
  EXPECT_EQ(ErrorReason(Pull(*image, 0, 1).status()),
            reason::kEmbeddingExpired);
  ExpectAllFree();
}

TEST_F(VisionContractTest, ARunMayBeginAnywhereAndTilesAreEncodedOnce) {
  const auto image = Put(png_, 12);
  const auto last = Pull(*image, 2, 1);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->front().tile_index, 2);
  EXPECT_EQ(encoder_.num_encoded(), 1);
  ASSERT_TRUE(Pull(*image, 0, 3).ok());
  ASSERT_TRUE(Pull(*image, 0, 3).ok());
  EXPECT_EQ(encoder_.num_encoded(), 3);
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, EqualPicturesOfTwoRequestsAreEncodedOnce) {
  const auto first = Put(png_, 12);
  const auto second = Put(png_, 12);
  EXPECT_NE(first->handle(), second->handle());
  ASSERT_TRUE(Pull(*first, 0, 3).ok());
  Release({first->handle()});
  ASSERT_TRUE(Pull(*second, 0, 3).ok());
  EXPECT_EQ(encoder_.num_encoded(), 3);
  Release({second->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, RefusesBadRunsNamingTheField) {
  const auto image = Put(png_, 12);
  const auto field = [&](int first, int num) {
    const absl::Status status = Pull(*image, first, num).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return ErrorField(status);
  };
  EXPECT_EQ(field(3, 1), "first_tile");
  EXPECT_EQ(field(0, 4), "num_tiles");
  EXPECT_EQ(field(2, 2), "num_tiles");
  EXPECT_EQ(field(0, 0), "num_tiles");
  EXPECT_EQ(field(-1, 1), "first_tile");  // 4,294,967,295 on the wire.
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, RefusesBadImagesWithTheirReason) {
  EXPECT_EQ(ErrorReason(Put("", 12).status()), reason::kImageInvalid);
  EXPECT_EQ(ErrorReason(Put("GIF89a\1\0\1\0", 12).status()),
            reason::kImageUnsupportedFormat);
  EXPECT_EQ(ErrorField(Put(png_, 41).status()), "max_tiles");
  // The header is whole, the pixels are not: noticed when they are decoded.
  const auto cut = Put(png_.substr(0, png_.size() / 2), 12);
  if (cut.ok()) {
    EXPECT_EQ(ErrorReason(Pull(*cut, 0, 1).status()), reason::kImageTruncated);
    EXPECT_EQ(ErrorReason(Pull(*cut, 0, 1).status()), reason::kImageTruncated);
    Release({cut->handle()});
  } else {
    EXPECT_EQ(ErrorReason(cut.status()), reason::kImageTruncated);
  }
  ExpectAllFree();
}

TEST_F(VisionContractTest, ExpiresWhatNobodyUsesForAMinute) {
  const auto image = Put(png_, 12);
  clock_.Advance(absl::Seconds(59));
  engine_->ExpireImages();
  ASSERT_TRUE(Pull(*image, 0, 1).ok());
  // An image that is being read does not expire.
  WaitFor([this] { return engine_->load().streams == 0; });
  clock_.Advance(absl::Seconds(61));
  engine_->ExpireImages();
  const absl::Status status = Pull(*image, 0, 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingExpired);
  ExpectAllFree();
}

TEST_F(VisionContractTest, CancellationWhileEncodingFreesTheRun) {
  const auto image = Put(png_, 12);
  encoder_.Hold(true);
  grpc::ClientContext context;
  auto reader = stub_->StreamEmbeddings(&context, RunOf(*image, 0, 3));
  WaitFor([this] { return engine_->load().streams == 1; });
  context.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  WaitFor([this] { return engine_->load().queued_tiles == 0; });
  encoder_.Hold(false);
  WaitFor([this] { return engine_->load().idle; });
  // At most the tile that was being encoded was finished.
  EXPECT_LE(encoder_.num_encoded(), 1);
  ASSERT_TRUE(Pull(*image, 0, 3).ok());
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, CancellationWhileSendingFreesTheRun) {
  const auto image = Put(png_, 12);
  grpc::ClientContext context;
  auto reader = stub_->StreamEmbeddings(&context, RunOf(*image, 0, 3));
  v1::EmbeddingChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  context.TryCancel();
  while (reader->Read(&chunk)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, AFailedTileFailsItsReadersAndMayBeAskedForAgain) {
  const auto image = Put(png_, 12);
  encoder_.FailNext(MakeError(absl::StatusCode::kInternal,
                              reason::kNumericFault, "a value is NaN"));
  EXPECT_EQ(ErrorReason(Pull(*image, 0, 3).status()), reason::kNumericFault);
  EXPECT_TRUE(Pull(*image, 0, 3).ok());
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, RefusesTilesBeyondTheQueueAndKeepsServing) {
  encoder_.Hold(true);
  const auto image = Put(png_, 12);
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::EmbeddingChunk>>> readers;
  for (int i = 0; i < 6; ++i) {  // 18 of 20 tiles.
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(
        stub_->StreamEmbeddings(contexts.back().get(), RunOf(*image, 0, 3)));
  }
  WaitFor([this] { return engine_->load().queued_tiles == 18; });
  const absl::Status status = Pull(*image, 0, 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  encoder_.Hold(false);
  v1::EmbeddingChunk chunk;
  for (auto& reader : readers) {
    while (reader->Read(&chunk)) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  Release({image->handle()});
  ExpectAllFree();
}

TEST_F(VisionContractTest, TellsItsLoad) {
  const auto image = Put(png_, 12);
  grpc::ClientContext context;
  v1::GetVisionInfoResponse response;
  ASSERT_TRUE(stub_->GetInfo(&context, {}, &response).ok());
  EXPECT_EQ(response.images(), 1u);
  EXPECT_GT(response.held_bytes(), 3u * Format().tile_bytes());
  EXPECT_EQ(response.max_queued_tiles(), 20u);
  Release({image->handle()});
}

TEST_F(VisionContractTest, RefusesNewWorkWhenItsGateIsClosed) {
  gate_.Close();
  const absl::Status status = Put(png_, 12).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kDraining);
}

}  // namespace
}  // namespace tandem
