#include "llm_service/vision_client.h"

#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/health.h"
#include "common/resolve_target.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_embedding_source.h"
#include "tests/fakes/fake_vision_service.h"

namespace tandem {
namespace {

using Fault = FakeVisionService::Fault;

EmbeddingFormat Format() {
  EmbeddingFormat format;
  format.dtype = DType::kBFloat16;
  format.tokens_per_tile = 256;
  format.hidden_size = 2560;  // a tile is two chunks
  format.fingerprint = "f00d";
  return format;
}

// Keeps what a pull delivers, and waits for it.
class Collector {
 public:
  EmbeddingSource::Sink sink() {
    EmbeddingSource::Sink sink;
    sink.on_tile = [this](PulledTile tile) {
      absl::MutexLock lock(&mutex_);
      tiles_.push_back(std::move(tile));
    };
    sink.on_error = [this](absl::Status status) {
      absl::MutexLock lock(&mutex_);
      ++num_errors_;
      error_ = std::move(status);
    };
    return sink;
  }
  // Waits for `count` tiles, or an error.
  absl::Status WaitFor(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return tiles_.size() >= count || num_errors_ > 0;
    };
    mutex_.Await(absl::Condition(&done));
    return error_;
  }
  std::vector<PulledTile> tiles() {
    absl::MutexLock lock(&mutex_);
    return tiles_;
  }
  int num_errors() {
    absl::MutexLock lock(&mutex_);
    return num_errors_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<PulledTile> tiles_ ABSL_GUARDED_BY(mutex_);
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  int num_errors_ ABSL_GUARDED_BY(mutex_) = 0;
};

class VisionClientTest : public testing::Test {
 protected:
  VisionClientTest() { Connect({vision_.address()}); }

  void Connect(std::vector<std::string> targets) {
    client_ = nullptr;
    VisionReplicas::Options options;
    options.targets = std::move(targets);
    options.ask_timeout = absl::Seconds(20);
    options.dial = [](const std::string& address) {
      return MakeChannel(address);
    };
    options.resolve = [this](const std::string& target) {
      absl::MutexLock lock(&names_mutex_);
      const auto it = names_.find(target);
      return it == names_.end() ? ResolveTarget(target) : it->second;
    };
    replicas_ =
        std::make_unique<VisionReplicas>(options, FakeVisionInfo(Format()));
    client_ =
        std::make_unique<VisionClient>(Format(), *replicas_, metrics_, clock_);
  }

  // What `target` resolves to from now on.
  void SetAddresses(const std::string& target,
                    std::vector<std::string> addresses) {
    absl::MutexLock lock(&names_mutex_);
    names_[target] = std::move(addresses);
  }

  EmbeddingPull PullOf(std::vector<v1::ImageRef> images) {
    EmbeddingPull pull;
    pull.request_id = "request-1";
    pull.images = std::move(images);
    pull.deadline = clock_.Monotonic() + absl::Seconds(60);
    return pull;
  }

  // What comes of pulling `image`, with room for all of it.
  absl::Status Pull(const v1::ImageRef& image) {
    Collector collector;
    EmbeddingPull pull = PullOf({image});
    pull.window_tiles = 64;
    const auto handle = client_->Start(pull, collector.sink());
    return collector.WaitFor(image.num_tiles());
  }

  double Errors(TransferError error) {
    return metrics_.embedding_transfer_errors[error].Value();
  }

  absl::Mutex names_mutex_;
  std::map<std::string, std::vector<std::string>> names_
      ABSL_GUARDED_BY(names_mutex_);
  RealClock clock_;
  Health health_;
  Metrics process_metrics_{{"cpu", ""}, health_};
  LlmMetrics metrics_{process_metrics_, "fake", 1024};
  FakeVisionService vision_{Format(), FakeVisionInfo(Format())};
  std::unique_ptr<VisionReplicas> replicas_;
  std::unique_ptr<VisionClient> client_;
};

TEST_F(VisionClientTest, BringsAllTilesOfAllImages) {
  const std::vector<v1::ImageRef> images = {
      vision_.AddImage(3, 2), vision_.AddImage(1, 1), vision_.AddImage(2, 1)};
  Collector collector;
  const auto handle = client_->Start(PullOf(images), collector.sink());
  for (size_t i = 1; i <= 7 + 1 + 3; ++i) {
    ASSERT_TRUE(collector.WaitFor(i).ok()) << collector.WaitFor(i);
    handle->AddRoom(1);
  }
  double bytes = 0;
  std::vector<std::vector<bool>> seen = {
      std::vector<bool>(7), std::vector<bool>(1), std::vector<bool>(3)};
  for (const PulledTile& pulled : collector.tiles()) {
    const EmbeddingTile& tile = pulled.tile;
    EXPECT_FALSE(seen[tile.image_index][tile.tile_index]);
    seen[tile.image_index][tile.tile_index] = true;
    EXPECT_EQ(tile.data,
              FakeTileBytes(Format(), images[tile.image_index].handle(),
                            tile.tile_index));
    EXPECT_LE(pulled.asked, pulled.arrived);
    EXPECT_EQ(tile.timings.encode(), 1);
    bytes += static_cast<double>(tile.data.size());
  }
  EXPECT_EQ(collector.tiles().size(), 11u);
  EXPECT_EQ(metrics_.embedding_received_bytes.Value(), bytes);
}

TEST_F(VisionClientTest, AsksOnlyForWhatThereIsRoomFor) {
  Collector collector;
  const auto handle =
      client_->Start(PullOf({vision_.AddImage(4, 3)}), collector.sink());
  ASSERT_TRUE(collector.WaitFor(4).ok());
  EXPECT_EQ(vision_.tiles_asked(), 4);
  handle->AddRoom(1);  // half a window is asked for at a time
  handle->AddRoom(1);
  ASSERT_TRUE(collector.WaitFor(6).ok());
  EXPECT_EQ(vision_.tiles_asked(), 6);
}

TEST_F(VisionClientTest, WorksWithoutASocket) {
  client_ = nullptr;
  VisionReplicas::Options options;
  options.channels = {vision_.InProcessChannel()};
  replicas_ =
      std::make_unique<VisionReplicas>(options, FakeVisionInfo(Format()));
  client_ =
      std::make_unique<VisionClient>(Format(), *replicas_, metrics_, clock_);
  EXPECT_TRUE(Pull(vision_.AddImage(2, 2)).ok());
}

struct FaultCase {
  std::string name;
  Fault fault;
  absl::StatusCode code;
  std::string reason;
  TransferError counted;
  friend std::ostream& operator<<(std::ostream& os, const FaultCase& c) {
    return os << c.name;
  }
};
class VisionClientFaultTest : public VisionClientTest,
                              public testing::WithParamInterface<FaultCase> {};

TEST_P(VisionClientFaultTest, IsNoticedNamedAndCounted) {
  const FaultCase& c = GetParam();
  vision_.SetFault(c.fault);
  const absl::Status status = Pull(vision_.AddImage(2, 1));
  EXPECT_EQ(status.code(), c.code) << status;
  EXPECT_EQ(ErrorReason(status), c.reason);
  EXPECT_EQ(ErrorMetadataOf(status)["image"], "0");
  EXPECT_EQ(Errors(c.counted), 1);
  // The connection is as good as before.
  vision_.SetFault(Fault::kNone);
  EXPECT_TRUE(Pull(vision_.AddImage(2, 1)).ok());
}

constexpr absl::StatusCode kCorrupt = absl::StatusCode::kDataLoss;
constexpr absl::StatusCode kUnfit = absl::StatusCode::kFailedPrecondition;

INSTANTIATE_TEST_SUITE_P(
    Chunks, VisionClientFaultTest,
    testing::Values(
        FaultCase{"FlippedBit", Fault::kFlippedBit, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kCrc},
        FaultCase{"DroppedChunk", Fault::kDroppedChunk, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"RepeatedChunk", Fault::kRepeatedChunk, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"SwappedChunks", Fault::kSwappedChunks, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"EarlyEnd", Fault::kEarlyEnd, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"OtherFingerprint", Fault::kOtherFingerprint, kUnfit,
                  reason::kEmbeddingIncompatible, TransferError::kFingerprint},
        FaultCase{"OtherDtype", Fault::kOtherDtype, kUnfit,
                  reason::kEmbeddingIncompatible, TransferError::kShape},
        FaultCase{"OtherShape", Fault::kOtherShape, kUnfit,
                  reason::kEmbeddingIncompatible, TransferError::kShape},
        FaultCase{"OtherRequest", Fault::kOtherRequest, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"OtherTileCount", Fault::kOtherTileCount, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kGap},
        FaultCase{"NotANumber", Fault::kNotANumber, kCorrupt,
                  reason::kEmbeddingCorrupt, TransferError::kCrc}),
    [](const auto& info) { return info.param.name; });

TEST_F(VisionClientTest, PassesOnThatAnImageHasExpired) {
  const v1::ImageRef kept = vision_.AddImage(1, 1);
  const v1::ImageRef gone = vision_.AddImage(1, 1);
  vision_.Expire(gone.handle());
  Collector collector;
  const auto handle = client_->Start(PullOf({kept, gone}), collector.sink());
  const absl::Status status = collector.WaitFor(2);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingExpired);
  EXPECT_EQ(ErrorMetadataOf(status)["image"], "1");
}

TEST_F(VisionClientTest, TakesAnImageOfARestartedReplicaForExpired) {
  const v1::ImageRef known = vision_.AddImage(1, 1);
  ASSERT_TRUE(Pull(known).ok());
  vision_.Restart();
  // By the old id it is still found, and says that the handle is unknown.
  EXPECT_EQ(ErrorReason(Pull(known)), reason::kEmbeddingExpired);
  // The new id is learned when it is needed; then the old one is nobody's.
  EXPECT_TRUE(Pull(vision_.AddImage(1, 1)).ok());
  EXPECT_EQ(ErrorReason(Pull(known)), reason::kEmbeddingExpired);
}

TEST_F(VisionClientTest, FindsTheReplicaAmongItsTargets) {
  FakeVisionService other(Format(), FakeVisionInfo(Format()));
  Connect({other.address(), vision_.address()});
  EXPECT_TRUE(Pull(vision_.AddImage(2, 1)).ok());
  EXPECT_TRUE(Pull(other.AddImage(2, 1)).ok());
}

TEST_F(VisionClientTest, DialsNobodyButItsTargets) {
  FakeVisionService stranger(Format(), FakeVisionInfo(Format()));
  const absl::Status status = Pull(stranger.AddImage(1, 1));
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingExpired);
  EXPECT_EQ(stranger.tiles_asked(), 0);
}

TEST_F(VisionClientTest, SaysThatAReplicaIsLost) {
  const v1::ImageRef image = vision_.AddImage(1, 1);
  ASSERT_TRUE(Pull(image).ok());
  vision_.Shutdown();
  const absl::Status status = Pull(image);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
  EXPECT_EQ(Errors(TransferError::kPeer), 1);
}

TEST_F(VisionClientTest, SaysThatAnUnknownReplicaMayBeOneThatIsLost) {
  const v1::ImageRef image = vision_.AddImage(1, 1);
  vision_.Shutdown();  // before it was ever asked who it is
  const absl::Status status = Pull(image);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
}

TEST_F(VisionClientTest, SaysThatAReplicaBehindAnUnknownNameMayBeLost) {
  SetAddresses("dns:///a:1", {});
  Connect({"dns:///a:1"});
  const absl::Status status = Pull(vision_.AddImage(1, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
}

TEST_F(VisionClientTest, KeepsTheReplicasOfANameThatIsUnknownForTheMoment) {
  FakeVisionService other(Format(), FakeVisionInfo(Format()));
  SetAddresses("dns:///a:1", {vision_.address()});
  SetAddresses("dns:///b:1", {other.address()});
  Connect({"dns:///a:1", "dns:///b:1"});
  replicas_->AskAll();
  SetAddresses("dns:///b:1", {});
  // Under a new id it is found by asking again.
  other.Restart();
  EXPECT_TRUE(Pull(other.AddImage(1, 1)).ok());
  // But who is not found may be behind the name.
  FakeVisionService stranger(Format(), FakeVisionInfo(Format()));
  EXPECT_EQ(ErrorReason(Pull(stranger.AddImage(1, 1))),
            reason::kBackendUnavailable);
}

TEST_F(VisionClientTest, ForgetsAReplicaWhoseAddressItsNameHasNoMore) {
  FakeVisionService other(Format(), FakeVisionInfo(Format()));
  SetAddresses("dns:///a:1", {vision_.address(), other.address()});
  Connect({"dns:///a:1"});
  const v1::ImageRef image = other.AddImage(1, 1);
  ASSERT_TRUE(Pull(image).ok());
  SetAddresses("dns:///a:1", {vision_.address()});
  replicas_->AskAll();
  EXPECT_EQ(ErrorReason(Pull(image)), reason::kEmbeddingExpired);
}

TEST_F(VisionClientTest, FindsAReplicaThatARoundUnderWayComesToKnow) {
  FakeVisionService slow(Format(), FakeVisionInfo(Format()));
  vision_.HoldInfos();
  slow.HoldInfos();
  Connect({vision_.address(), slow.address()});
  Collector first, second;
  const auto slow_pull =
      client_->Start(PullOf({slow.AddImage(1, 1)}), first.sink());
  while (vision_.num_infos() + slow.num_infos() < 2) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  const auto pull =
      client_->Start(PullOf({vision_.AddImage(1, 1)}), second.sink());
  vision_.ReleaseInfos();
  EXPECT_TRUE(second.WaitFor(1).ok());
  EXPECT_EQ(slow.num_infos(), 1);  // the same round
  slow.ReleaseInfos();
  EXPECT_TRUE(first.WaitFor(1).ok());
}

TEST_F(VisionClientTest, TakesNoImagesWithoutTargets) {
  Connect({});
  EXPECT_TRUE(replicas_->empty());
  replicas_->AskAll();
  const absl::Status status = Pull(vision_.AddImage(1, 1));
  EXPECT_EQ(ErrorReason(status), reason::kBackendUnavailable);
}

TEST_F(VisionClientTest, RefusesAServiceOfAnotherModel) {
  v1::ServiceInfo info = FakeVisionInfo(Format());
  info.set_fingerprint("beef");
  vision_.SetInfo(info);
  const absl::Status status = Pull(vision_.AddImage(1, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), reason::kEmbeddingIncompatible);
  EXPECT_EQ(ErrorMetadataOf(status)["check"], "fingerprint");
  EXPECT_EQ(vision_.tiles_asked(), 0);
}

TEST_F(VisionClientTest, PassesOnThatTheServiceIsOverloaded) {
  vision_.FailStreams(RetryableError(absl::StatusCode::kResourceExhausted,
                                     reason::kOverloaded, "full",
                                     absl::Seconds(3)));
  const absl::Status status = Pull(vision_.AddImage(1, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kOverloaded);
  EXPECT_EQ(RetryDelay(status), absl::Seconds(3));
}

TEST_F(VisionClientTest, PassesOnThatTheDeviceIsFull) {
  vision_.FailStreams(MakeError(absl::StatusCode::kResourceExhausted,
                                reason::kDeviceOutOfMemory, "full"));
  const absl::Status status = Pull(vision_.AddImage(1, 1));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), reason::kDeviceOutOfMemory);
}

TEST_F(VisionClientTest, EndsAtTheDeadline) {
  vision_.Hold();
  Collector collector;
  EmbeddingPull pull = PullOf({vision_.AddImage(1, 1)});
  pull.deadline = clock_.Monotonic() + absl::Milliseconds(300);
  const auto handle = client_->Start(pull, collector.sink());
  const absl::Status status = collector.WaitFor(1);
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Errors(TransferError::kTimeout), 1);
}

TEST_F(VisionClientTest, CancelsItsCallsWhenItIsGivenUp) {
  vision_.Hold();
  Collector collector;
  auto handle =
      client_->Start(PullOf({vision_.AddImage(4, 3)}), collector.sink());
  while (vision_.num_streams() < 2) absl::SleepFor(absl::Milliseconds(1));
  handle = nullptr;
  while (vision_.num_streams() > 0) absl::SleepFor(absl::Milliseconds(1));
  client_ = nullptr;  // waits for the calls
  EXPECT_EQ(collector.num_errors(), 0);
}

TEST(ResolveTarget, TakesAnAddressAsItIsAndLooksANameUp) {
  EXPECT_EQ(ResolveTarget("127.0.0.1:5"),
            std::vector<std::string>{"127.0.0.1:5"});
  const std::vector<std::string> local = ResolveTarget("dns:///localhost:7");
  EXPECT_NE(std::find(local.begin(), local.end(), "127.0.0.1:7"), local.end());
  EXPECT_TRUE(ResolveTarget("dns:///no-port").empty());
}

}  // namespace
}  // namespace tandem
