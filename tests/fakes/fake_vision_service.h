#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/embedding_wire.h"
#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "tandem/v1/vision.grpc.pb.h"

namespace tandem {

// A vision service without a vision tower, on a real gRPC server: embeddings
// are FakeTileBytes of the handle. It keeps the contract of vision.proto, as
// vision_contract_test proves, but never tires: nothing is queued and there is
// room for everything. It can go wrong in every way that a stream can. The
// controls are thread-safe.
class FakeVisionService final : public v1::VisionService::Service {
 public:
  // What happens to the chunks of a run; the third one is meant where one is.
  enum class Fault {
    kNone,
    kFlippedBit,
    kDroppedChunk,
    kRepeatedChunk,
    kSwappedChunks,
    kEarlyEnd,
    kOtherFingerprint,
    kOtherDtype,
    kOtherShape,
    kOtherRequest,
    kOtherTileCount,
    kNotANumber,
  };

  // `clock`, by which references expire, must outlive the service.
  FakeVisionService(EmbeddingFormat format, v1::ServiceInfo info, Clock& clock);
  // By the real clock.
  FakeVisionService(EmbeddingFormat format, v1::ServiceInfo info);
  ~FakeVisionService() override;

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // An image of columns x rows tiles and its thumbnail, as PutImage answers it.
  // It stays until it is released or made to expire.
  v1::ImageRef AddImage(int columns, int rows) ABSL_LOCKS_EXCLUDED(mutex_);
  void Expire(const std::string& handle) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forgets the images whose time is over. Every call does so too.
  void ExpireUnused() ABSL_LOCKS_EXCLUDED(mutex_);
  // Comes back under another id and without images.
  void Restart() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetInfo(const v1::ServiceInfo& info) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetFault(Fault fault) ABSL_LOCKS_EXCLUDED(mutex_);
  // Streams end with `status` before their first chunk.
  void FailStreams(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // Streams that were opened wait before they send, until Release or their end.
  void Hold() ABSL_LOCKS_EXCLUDED(mutex_);
  void Release() ABSL_LOCKS_EXCLUDED(mutex_);
  // The next `times` PutImage calls end with `status`.
  void FailPuts(absl::Status status, int times = 1) ABSL_LOCKS_EXCLUDED(mutex_);
  // PutImage calls wait, until ReleasePuts or their end.
  void HoldPuts() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReleasePuts() ABSL_LOCKS_EXCLUDED(mutex_);
  // GetInfo calls wait, until ReleaseInfos or their end.
  void HoldInfos() ABSL_LOCKS_EXCLUDED(mutex_);
  void ReleaseInfos() ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes no new images.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);
  // Drops all connections and takes no new ones.
  void Shutdown();

  int num_streams() const ABSL_LOCKS_EXCLUDED(mutex_);  // open now
  int tiles_asked() const ABSL_LOCKS_EXCLUDED(mutex_);
  int num_infos() const ABSL_LOCKS_EXCLUDED(mutex_);  // GetInfo, ever begun
  int num_images() const ABSL_LOCKS_EXCLUDED(mutex_);
  int num_puts() const ABSL_LOCKS_EXCLUDED(mutex_);       // ever begun
  int num_puts_held() const ABSL_LOCKS_EXCLUDED(mutex_);  // now
  // The request ids of the images that are held.
  std::vector<std::string> holders() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The `traceparent` of every PutImage, "" for none.
  std::vector<std::string> trace_parents() const ABSL_LOCKS_EXCLUDED(mutex_);
  // How often ReleaseImages named each handle, known or not.
  std::map<std::string, int> releases() const ABSL_LOCKS_EXCLUDED(mutex_);

  // PutImage takes pictures with a valid header; the tile is 448 pixels.
  grpc::Status PutImage(grpc::ServerContext* context,
                        const v1::PutImageRequest* request,
                        v1::PutImageResponse* response) override;
  grpc::Status StreamEmbeddings(
      grpc::ServerContext* context, const v1::StreamEmbeddingsRequest* request,
      grpc::ServerWriter<v1::EmbeddingChunk>* writer) override;
  grpc::Status ReleaseImages(grpc::ServerContext* context,
                             const v1::ReleaseImagesRequest* request,
                             v1::ReleaseImagesResponse* response) override;
  grpc::Status GetInfo(grpc::ServerContext* context,
                       const v1::GetVisionInfoRequest* request,
                       v1::GetVisionInfoResponse* response) override;

 private:
  struct Image {
    v1::ImageRef ref;
    std::string holder;  // request id
    int64_t file_bytes = 0;
    absl::Duration end;  // expires then, or later if it is used
    int num_streams = 0;
  };

  v1::ImageRef AddImage(int columns, int rows, Image image)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void DropExpired() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Put(grpc::ServerContext& context,
                   const v1::PutImageRequest& request,
                   v1::PutImageResponse& response) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status BeginStream(const v1::StreamEmbeddingsRequest& request,
                           std::vector<v1::EmbeddingChunk>& chunks)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits while streams are held.
  absl::Status AwaitRelease(grpc::ServerContext& context,
                            absl::Duration deadline)
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<v1::EmbeddingChunk> MakeRun(
      const v1::StreamEmbeddingsRequest& request, int tile_count) const;
  void Spoil(Fault fault, std::vector<v1::EmbeddingChunk>& chunks) const;
  absl::Status Serve(grpc::ServerContext& context, absl::Duration deadline,
                     const std::vector<v1::EmbeddingChunk>& chunks,
                     grpc::ServerWriter<v1::EmbeddingChunk>& writer)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Counts the call; false when it was cancelled while it was held.
  bool BeginPut(grpc::ServerContext& context) ABSL_LOCKS_EXCLUDED(mutex_);

  const EmbeddingFormat format_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  v1::ServiceInfo info_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Image> images_ ABSL_GUARDED_BY(mutex_);
  Fault fault_ ABSL_GUARDED_BY(mutex_) = Fault::kNone;
  absl::Status stream_status_ ABSL_GUARDED_BY(mutex_);
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status put_status_ ABSL_GUARDED_BY(mutex_);
  int puts_to_fail_ ABSL_GUARDED_BY(mutex_) = 0;
  bool hold_puts_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_infos_ ABSL_GUARDED_BY(mutex_) = false;
  int num_infos_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_puts_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_puts_held_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, int> releases_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> trace_parents_ ABSL_GUARDED_BY(mutex_);
  int num_streams_ ABSL_GUARDED_BY(mutex_) = 0;
  int tiles_asked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// What a vision service of `format` says of itself.
v1::ServiceInfo FakeVisionInfo(const EmbeddingFormat& format);

}  // namespace tandem
