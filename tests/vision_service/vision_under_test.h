#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/channel.h"
#include "common/embedding_wire.h"
#include "common/grpc_host.h"
#include "common/grpc_status.h"
#include "common/metrics.h"
#include "gtest/gtest.h"
#include "tandem/v1/vision.grpc.pb.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_image_decoder.h"
#include "tests/fakes/fake_vision_encoder.h"
#include "tests/fakes/fake_vision_service.h"
#include "vision_service/vision_engine.h"
#include "vision_service/vision_rpc.h"

namespace tandem {

// Where a call can be held still.
enum class HoldStage { kPut, kDecode, kEncode };

inline EmbeddingFormat TestFormat() {
  EmbeddingFormat format;
  format.dtype = DType::kBFloat16;
  format.tokens_per_tile = 256;
  format.hidden_size = 4096;  // Two chunks a tile.
  format.fingerprint = "f00d";
  return format;
}

inline v1::ServiceInfo TestInfo() {
  v1::ServiceInfo info;
  info.set_replica_id("replica-1");
  info.set_ready(true);
  return info;
}

// Waits for what happens on other threads after a call has ended.
template <class Condition>
void WaitFor(Condition condition) {
  for (int i = 0; i < 30'000 && !condition(); ++i) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  ASSERT_TRUE(condition());
}

// One vision service under test, on a socket.
class VisionUnderTest {
 public:
  virtual ~VisionUnderTest() = default;
  virtual std::string address() const = 0;
  virtual void HoldAt(HoldStage stage) = 0;
  // `calls` have come to that stage. Readers of one picture meet in kDecode and
  // kEncode.
  virtual void WaitUntilHeld(HoldStage stage, int calls) = 0;
  virtual void Release() = 0;
  // As Release, when the call that was held in kPut has been cancelled and the
  // service has heard of it.
  virtual void ReleaseCancelledPut() = 0;
  // No call of Put, Read or Release is left.
  virtual void WaitUntilEnded() = 0;
  // What time has made due is done when it returns.
  virtual void Expire() = 0;
  virtual void Drain() = 0;
  // Waits until no call is left and checks that no reference is.
  virtual void ExpectIdle() = 0;

  FakeClock clock;
};

class RealVision final : public VisionUnderTest {
 public:
  static VisionEngine::Options EngineOptions() {
    VisionEngine::Options options;
    options.max_queued_tiles = 20;
    options.encode_ahead = false;
    options.store.max_held_bytes = 64 << 20;
    return options;
  }

  explicit RealVision(VisionRpc::Options rpc_options = {}) {
    VisionEngine::Options options = EngineOptions();
    options.decode = [this](absl::string_view file,
                            const DecodeOptions& decode_options) {
      return decoder.Decode(file, decode_options);
    };
    engine = std::make_unique<VisionEngine>(options, clock, executor, encoder,
                                            metrics);
    rpc_ = std::make_unique<VisionRpc>(
        TestInfo(), VisionRpc::Deps{*engine, worker, gate_, clock},
        rpc_options);
    GrpcHost::Options host_options;
    host_options.listen = HostPort{"127.0.0.1", 0};
    host_options.pre_drain = absl::ZeroDuration();
    host_options.drain = absl::ZeroDuration();
    host_ = *GrpcHost::Start(
        host_options,
        {{v1::VisionService::service_full_name(), rpc_.get(), &gate_}}, health_,
        grpc_metrics_);
  }
  ~RealVision() override {
    Release();
    const absl::Notification hurry;
    host_->Shutdown(hurry);
    host_ = nullptr;
  }

  std::string address() const override { return host_->address()->ToString(); }
  void HoldAt(HoldStage stage) override {
    switch (stage) {
      case HoldStage::kPut:
        go_ = std::make_shared<absl::Notification>();
        EXPECT_TRUE(
            worker.Submit([go = go_] { go->WaitForNotification(); }).ok());
        break;
      case HoldStage::kDecode:
        decoder.Hold(true);
        decoded_before_ = decoder.num_begun();
        break;
      case HoldStage::kEncode:
        encoder.Hold(true);
        encoded_before_ = encoder.num_begun();
        break;
    }
  }
  void WaitUntilHeld(HoldStage stage, int calls) override {
    switch (stage) {
      case HoldStage::kPut:
        WaitFor([&] { return host_->calls_in_flight() >= calls; });
        break;
      case HoldStage::kDecode:
        WaitFor([&] {
          return engine->load().streams >= calls &&
                 decoder.num_begun() > decoded_before_;
        });
        break;
      case HoldStage::kEncode:
        WaitFor([&] {
          return engine->load().streams >= calls &&
                 encoder.num_begun() > encoded_before_;
        });
        break;
    }
  }
  void Release() override {
    decoder.Hold(false);
    encoder.Hold(false);
    if (go_ != nullptr && !go_->HasBeenNotified()) go_->Notify();
  }
  void ReleaseCancelledPut() override { Release(); }
  void WaitUntilEnded() override {
    WaitFor([this] { return host_->calls_in_flight() == 0; });
  }
  void Expire() override { engine->Expire(); }
  void Drain() override { gate_.Close(); }
  void ExpectIdle() override {
    Release();
    WaitFor([this] {
      const VisionEngine::Load load = engine->load();
      return host_->calls_in_flight() == 0 && load.idle && load.handles == 0;
    });
    EXPECT_EQ(engine->load().queued_tiles, 0);
    clock.Advance(absl::Minutes(2));
    engine->Expire();
    EXPECT_EQ(engine->load().images, 0);
    EXPECT_EQ(engine->load().held_bytes, 0);
  }

 private:
  Health health_;
  Metrics process_metrics_{{.backend = "cpu", .torch = ""}, health_};
  GrpcMetrics grpc_metrics_{process_metrics_};

 public:
  VisionMetrics metrics{process_metrics_};
  FakeVisionEncoder encoder{TestFormat()};
  FakeImageDecoder decoder;
  ComputeExecutor executor{{.max_queued = 1024, .name = "vision"}};
  std::unique_ptr<VisionEngine> engine;
  ComputeExecutor worker{{.max_queued = 64, .name = "put"}};

 private:
  std::shared_ptr<absl::Notification> go_;
  int decoded_before_ = 0;
  int encoded_before_ = 0;
  CallGate gate_;
  std::unique_ptr<VisionRpc> rpc_;
  std::unique_ptr<GrpcHost> host_;
};

// The one that tests of the gateway and of the llm service use.
class ScriptedVision final : public VisionUnderTest {
 public:
  std::string address() const override { return fake_.address(); }
  void HoldAt(HoldStage stage) override {
    stage == HoldStage::kPut ? fake_.HoldPuts() : fake_.Hold();
  }
  void WaitUntilHeld(HoldStage stage, int calls) override {
    WaitFor([&] {
      return (stage == HoldStage::kPut ? fake_.num_puts_held()
                                       : fake_.num_streams()) >= calls;
    });
  }
  void Release() override {
    fake_.ReleasePuts();
    fake_.Release();
  }
  void ReleaseCancelledPut() override {
    WaitFor([&] { return fake_.num_puts_held() == 0; });
    Release();
  }
  void WaitUntilEnded() override {
    WaitFor([this] {
      return fake_.num_puts_held() == 0 && fake_.num_streams() == 0;
    });
  }
  void Expire() override { fake_.ExpireUnused(); }
  void Drain() override { fake_.Drain(); }
  void ExpectIdle() override {
    Release();
    WaitUntilEnded();
    WaitFor([this] { return fake_.num_images() == 0; });
  }

 private:
  FakeVisionService fake_{TestFormat(), TestInfo(), clock};
};

// Calls a vision service as the gateway and the llm service do.
class VisionCaller {
 public:
  explicit VisionCaller(const std::string& address)
      : stub(v1::VisionService::NewStub(MakeChannel(address))) {}

  static v1::PutImageRequest PutOf(const std::string& file, int max_tiles) {
    v1::PutImageRequest request;
    request.set_request_id("r1");
    request.set_data(file);
    request.set_max_tiles(max_tiles);
    return request;
  }
  static v1::StreamEmbeddingsRequest RunOf(const v1::ImageRef& image, int first,
                                           int num) {
    v1::StreamEmbeddingsRequest request;
    request.set_request_id("r1");
    request.set_handle(image.handle());
    request.set_image_index(3);
    request.set_first_tile(first);
    request.set_num_tiles(num);
    return request;
  }
  static EmbeddingAssembler AssemblerOf(const v1::ImageRef& image, int first,
                                        int num) {
    EmbeddingRun run;
    run.request_id = "r1";
    run.image_index = 3;
    run.tile_count = static_cast<int>(image.num_tiles());
    run.first_tile = first;
    run.num_tiles = num;
    return EmbeddingAssembler(TestFormat(), run);
  }

  // Without a deadline where `timeout` is infinite.
  absl::StatusOr<v1::ImageRef> Put(
      const v1::PutImageRequest& request,
      absl::Duration timeout = absl::InfiniteDuration()) {
    grpc::ClientContext context;
    SetTimeout(timeout, context);
    v1::PutImageResponse response;
    const grpc::Status status = stub->PutImage(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.image();
  }
  absl::StatusOr<v1::ImageRef> Put(const std::string& file,
                                   int max_tiles = 12) {
    return Put(PutOf(file, max_tiles));
  }

  absl::StatusOr<std::vector<v1::EmbeddingChunk>> Read(
      const v1::StreamEmbeddingsRequest& request,
      absl::Duration timeout = absl::InfiniteDuration()) {
    grpc::ClientContext context;
    SetTimeout(timeout, context);
    auto reader = stub->StreamEmbeddings(&context, request);
    std::vector<v1::EmbeddingChunk> chunks;
    v1::EmbeddingChunk chunk;
    while (reader->Read(&chunk)) chunks.push_back(chunk);
    const grpc::Status status = reader->Finish();
    if (!status.ok()) return FromGrpcStatus(status);
    return chunks;
  }

  // Pulls a run and verifies it as the llm service does.
  absl::StatusOr<std::vector<EmbeddingTile>> Pull(const v1::ImageRef& image,
                                                  int first, int num) {
    const auto chunks = Read(RunOf(image, first, num));
    if (!chunks.ok()) return chunks.status();
    EmbeddingAssembler assembler = AssemblerOf(image, first, num);
    std::vector<EmbeddingTile> tiles;
    for (const v1::EmbeddingChunk& chunk : *chunks) {
      if (absl::Status status = assembler.Add(chunk, tiles); !status.ok()) {
        return status;
      }
    }
    if (absl::Status status = assembler.Finish(); !status.ok()) return status;
    return tiles;
  }

  int Release(const std::vector<std::string>& handles) {
    grpc::ClientContext context;
    v1::ReleaseImagesRequest request;
    for (const std::string& handle : handles) request.add_handles(handle);
    v1::ReleaseImagesResponse response;
    EXPECT_TRUE(stub->ReleaseImages(&context, request, &response).ok());
    return static_cast<int>(response.released());
  }

  v1::GetVisionInfoResponse Info() {
    grpc::ClientContext context;
    v1::GetVisionInfoResponse response;
    EXPECT_TRUE(stub->GetInfo(&context, {}, &response).ok());
    return response;
  }

  const std::unique_ptr<v1::VisionService::Stub> stub;

 private:
  static void SetTimeout(absl::Duration timeout, grpc::ClientContext& context) {
    if (timeout == absl::InfiniteDuration()) return;
    SetDeadline(absl::Now() + timeout, context);
  }
};

}  // namespace tandem
