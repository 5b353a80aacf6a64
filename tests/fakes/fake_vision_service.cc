#include "tests/fakes/fake_vision_service.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/callback_threads.h"
#include "common/channel.h"
#include "common/errors.h"
#include "common/grpc_limits.h"
#include "common/grpc_status.h"
#include "common/image_header.h"
#include "common/request_id.h"
#include "common/sha256.h"
#include "common/status_macros.h"
#include "common/tile_grid.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "tests/fakes/fake_embedding_source.h"

namespace tandem {
namespace {

constexpr absl::Duration kTimeToLive = absl::Seconds(60);

Clock& RealTime() {
  static RealClock clock;
  return clock;
}

absl::Status CheckRequestId(const std::string& id) {
  if (id.empty() || IsValidRequestId(id)) return absl::OkStatus();
  return FieldError("request_id", "is not 1 to 128 of [A-Za-z0-9._-]");
}

absl::Status Expired() {
  return MakeError(absl::StatusCode::kNotFound, reason::kEmbeddingExpired,
                   "the image is not held here");
}

}  // namespace

v1::ServiceInfo FakeVisionInfo(const EmbeddingFormat& format) {
  v1::ServiceInfo info;
  info.set_model("fake");
  info.set_fingerprint(format.fingerprint);
  info.set_profile(v1::PROFILE_CUSTOM);
  info.set_dtype(ToProto(format.dtype));
  info.set_hidden_size(format.hidden_size);
  info.set_tokens_per_tile(format.tokens_per_tile);
  info.set_tile_size(448);
  info.set_replica_id(RandomHex(16));
  info.set_ready(true);
  info.set_max_tiles(12);
  return info;
}

FakeVisionService::FakeVisionService(EmbeddingFormat format,
                                     v1::ServiceInfo info)
    : FakeVisionService(std::move(format), std::move(info), RealTime()) {}

FakeVisionService::FakeVisionService(EmbeddingFormat format,
                                     v1::ServiceInfo info, Clock& clock)
    : format_(std::move(format)), clock_(clock), info_(std::move(info)) {
  KeepCallbackThreads();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeVisionService::~FakeVisionService() { Shutdown(); }

std::shared_ptr<grpc::Channel> FakeVisionService::InProcessChannel() {
  return server_->InProcessChannel(grpc::ChannelArguments());
}

v1::ImageRef FakeVisionService::AddImage(int columns, int rows) {
  Image image;
  image.ref.set_width(columns * 448);
  image.ref.set_height(rows * 448);
  image.end = absl::InfiniteDuration();
  return AddImage(columns, rows, std::move(image));
}

v1::ImageRef FakeVisionService::AddImage(int columns, int rows, Image image) {
  static std::atomic<int> last_number = 0;  // no two replicas share a handle
  const int number = ++last_number;
  absl::MutexLock lock(&mutex_);
  v1::ImageRef& ref = image.ref;
  ref.set_handle(absl::StrFormat("fake-image-%05d", number));
  ref.set_replica_id(info_.replica_id());
  if (ref.sha256().empty()) {
    ref.set_sha256(std::string(32, static_cast<char>(number)));
  }
  ref.set_preprocessing_id("fake");
  ref.set_columns(columns);
  ref.set_rows(rows);
  ref.set_num_tiles(TileGrid{columns, rows}.num_tiles());
  images_[ref.handle()] = image;
  return ref;
}

void FakeVisionService::Expire(const std::string& handle) {
  absl::MutexLock lock(&mutex_);
  images_.erase(handle);
}

void FakeVisionService::ExpireUnused() {
  absl::MutexLock lock(&mutex_);
  DropExpired();
}

void FakeVisionService::DropExpired() {
  const absl::Duration now = clock_.Monotonic();
  std::erase_if(images_, [&](const auto& item) {
    return item.second.num_streams == 0 && now >= item.second.end;
  });
}

void FakeVisionService::Restart() {
  absl::MutexLock lock(&mutex_);
  images_.clear();
  info_.set_replica_id(RandomHex(16));
}

void FakeVisionService::SetInfo(const v1::ServiceInfo& info) {
  absl::MutexLock lock(&mutex_);
  info_ = info;
}

void FakeVisionService::SetFault(Fault fault) {
  absl::MutexLock lock(&mutex_);
  fault_ = fault;
}

void FakeVisionService::FailStreams(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  stream_status_ = std::move(status);
}

void FakeVisionService::Hold() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

void FakeVisionService::Release() {
  absl::MutexLock lock(&mutex_);
  hold_ = false;
}

void FakeVisionService::FailPuts(absl::Status status, int times) {
  absl::MutexLock lock(&mutex_);
  put_status_ = std::move(status);
  puts_to_fail_ = times;
}

void FakeVisionService::HoldPuts() {
  absl::MutexLock lock(&mutex_);
  hold_puts_ = true;
}

void FakeVisionService::ReleasePuts() {
  absl::MutexLock lock(&mutex_);
  hold_puts_ = false;
}

void FakeVisionService::HoldInfos() {
  absl::MutexLock lock(&mutex_);
  hold_infos_ = true;
}

void FakeVisionService::ReleaseInfos() {
  absl::MutexLock lock(&mutex_);
  hold_infos_ = false;
}

void FakeVisionService::Drain() {
  absl::MutexLock lock(&mutex_);
  draining_ = true;
  info_.set_ready(false);
}

void FakeVisionService::Shutdown() {
  Release();
  ReleaseInfos();
  ReleasePuts();
  server_->Shutdown(std::chrono::system_clock::now());
}

int FakeVisionService::num_streams() const {
  absl::MutexLock lock(&mutex_);
  return num_streams_;
}

int FakeVisionService::tiles_asked() const {
  absl::MutexLock lock(&mutex_);
  return tiles_asked_;
}

int FakeVisionService::num_infos() const {
  absl::MutexLock lock(&mutex_);
  return num_infos_;
}

int FakeVisionService::num_images() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(images_.size());
}

int FakeVisionService::num_puts() const {
  absl::MutexLock lock(&mutex_);
  return num_puts_;
}

int FakeVisionService::num_puts_held() const {
  absl::MutexLock lock(&mutex_);
  return num_puts_held_;
}

std::vector<std::string> FakeVisionService::trace_parents() const {
  absl::MutexLock lock(&mutex_);
  return trace_parents_;
}

std::vector<std::string> FakeVisionService::holders() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  for (const auto& [handle, image] : images_) ids.push_back(image.holder);
  return ids;
}

std::map<std::string, int> FakeVisionService::releases() const {
  absl::MutexLock lock(&mutex_);
  return releases_;
}

bool FakeVisionService::BeginPut(grpc::ServerContext& context) {
  absl::MutexLock lock(&mutex_);
  ++num_puts_;
  const auto found = context.client_metadata().find("traceparent");
  trace_parents_.push_back(
      found == context.client_metadata().end()
          ? ""
          : std::string(found->second.data(), found->second.size()));
  ++num_puts_held_;
  const auto go = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !hold_puts_;
  };
  bool may_go = false;
  while (!may_go && !context.IsCancelled()) {
    may_go =
        mutex_.AwaitWithTimeout(absl::Condition(&go), absl::Milliseconds(2));
  }
  --num_puts_held_;
  return may_go && !context.IsCancelled();
}

grpc::Status FakeVisionService::PutImage(grpc::ServerContext* context,
                                         const v1::PutImageRequest* request,
                                         v1::PutImageResponse* response) {
  if (!BeginPut(*context)) return ToGrpcStatus(absl::CancelledError());
  {
    absl::MutexLock lock(&mutex_);
    if (puts_to_fail_ > 0) {
      --puts_to_fail_;
      return ToGrpcStatus(put_status_);
    }
    if (draining_) {
      return ToGrpcStatus(RetryableError(absl::StatusCode::kUnavailable,
                                         reason::kDraining, "the service stops",
                                         absl::Seconds(1)));
    }
  }
  return ToGrpcStatus(Put(*context, *request, *response));
}

absl::Status FakeVisionService::Put(grpc::ServerContext& context,
                                    const v1::PutImageRequest& request,
                                    v1::PutImageResponse& response) {
  TANDEM_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const absl::Time now = clock_.Now();
  TANDEM_ASSIGN_OR_RETURN(
      const absl::Time deadline,
      RequestDeadline(context, now, {.if_none = kTimeToLive}));
  const int max_tiles =
      request.max_tiles() == 0 ? 12 : static_cast<int>(request.max_tiles());
  if (request.max_tiles() > kMaxTilesPerImage) {
    return FieldError("max_tiles", "is outside [0, 40]");
  }
  TANDEM_ASSIGN_OR_RETURN(const ImageHeader header,
                          ReadImageHeader(request.data()));
  TANDEM_ASSIGN_OR_RETURN(
      const TileGrid grid,
      ChooseTileGrid(header.width, header.height, 448, max_tiles));
  Image image;
  image.ref.set_sha256(Sha256Digest(request.data()));
  image.ref.set_width(header.width);
  image.ref.set_height(header.height);
  image.holder = request.request_id();
  image.file_bytes = static_cast<int64_t>(request.data().size());
  image.end = clock_.Monotonic() + std::max(kTimeToLive, deadline - now);
  *response.mutable_image() = AddImage(grid.columns, grid.rows, image);
  if (!context.IsCancelled()) return absl::OkStatus();
  Expire(response.image().handle());
  return absl::CancelledError();
}

grpc::Status FakeVisionService::StreamEmbeddings(
    grpc::ServerContext* context, const v1::StreamEmbeddingsRequest* request,
    grpc::ServerWriter<v1::EmbeddingChunk>* writer) {
  const absl::Time now = clock_.Now();
  const absl::StatusOr<absl::Time> deadline = RequestDeadline(*context, now);
  if (!deadline.ok()) return ToGrpcStatus(deadline.status());
  const absl::Duration until = clock_.Monotonic() + (*deadline - now);
  std::vector<v1::EmbeddingChunk> chunks;
  absl::Status status = BeginStream(*request, chunks);
  if (!status.ok()) return ToGrpcStatus(status);
  status = Serve(*context, until, chunks, *writer);
  absl::MutexLock lock(&mutex_);
  --num_streams_;
  const auto found = images_.find(request->handle());
  if (found != images_.end()) {
    Image& image = found->second;
    --image.num_streams;
    image.end = std::max(image.end, clock_.Monotonic() + kTimeToLive);
  }
  return ToGrpcStatus(status);
}

absl::Status FakeVisionService::BeginStream(
    const v1::StreamEmbeddingsRequest& request,
    std::vector<v1::EmbeddingChunk>& chunks) {
  absl::MutexLock lock(&mutex_);
  tiles_asked_ += static_cast<int>(request.num_tiles());
  TANDEM_RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  DropExpired();
  const auto found = images_.find(request.handle());
  if (found == images_.end()) return Expired();
  Image& image = found->second;
  const uint32_t tile_count = image.ref.num_tiles();
  if (request.first_tile() >= tile_count) {
    return FieldError("first_tile", "is outside of the image");
  }
  if (request.num_tiles() < 1 ||
      request.num_tiles() > tile_count - request.first_tile()) {
    return FieldError("num_tiles", "is outside of the image");
  }
  chunks = MakeRun(request, static_cast<int>(tile_count));
  Spoil(fault_, chunks);
  ++image.num_streams;
  ++num_streams_;
  return absl::OkStatus();
}

absl::Status FakeVisionService::AwaitRelease(grpc::ServerContext& context,
                                             absl::Duration deadline) {
  absl::MutexLock lock(&mutex_);
  const auto go = [this]()
                      ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !hold_; };
  while (
      !mutex_.AwaitWithTimeout(absl::Condition(&go), absl::Milliseconds(2))) {
    if (context.IsCancelled()) return absl::CancelledError();
    if (clock_.Monotonic() >= deadline) {
      return MakeError(absl::StatusCode::kDeadlineExceeded,
                       reason::kDeadlineExceeded, "the deadline passed");
    }
  }
  return stream_status_;
}

absl::Status FakeVisionService::Serve(
    grpc::ServerContext& context, absl::Duration deadline,
    const std::vector<v1::EmbeddingChunk>& chunks,
    grpc::ServerWriter<v1::EmbeddingChunk>& writer) {
  TANDEM_RETURN_IF_ERROR(AwaitRelease(context, deadline));
  for (const v1::EmbeddingChunk& chunk : chunks) {
    if (!writer.Write(chunk)) return absl::CancelledError();
  }
  return absl::OkStatus();
}

std::vector<v1::EmbeddingChunk> FakeVisionService::MakeRun(
    const v1::StreamEmbeddingsRequest& request, int tile_count) const {
  EmbeddingRun run;
  run.request_id = request.request_id();
  run.image_index = static_cast<int>(request.image_index());
  run.tile_count = tile_count;
  run.first_tile = static_cast<int>(request.first_tile());
  run.num_tiles = static_cast<int>(request.num_tiles());
  std::vector<v1::EmbeddingChunk> chunks;
  for (int i = 0; i < run.num_tiles; ++i) {
    const int tile = run.first_tile + i;
    const std::string bytes = FakeTileBytes(format_, request.handle(), tile);
    for (size_t offset = 0; offset < bytes.size();) {
      chunks.push_back(MakeEmbeddingChunk(format_, run, tile, offset, bytes));
      offset += chunks.back().data().size();
    }
    chunks.back().mutable_timings()->set_encode(1);
  }
  return chunks;
}

void FakeVisionService::Spoil(Fault fault,
                              std::vector<v1::EmbeddingChunk>& chunks) const {
  const size_t at = std::min<size_t>(2, chunks.size() - 1);
  v1::EmbeddingChunk& chunk = chunks[at];
  switch (fault) {
    case Fault::kNone:
      break;
    case Fault::kFlippedBit:
      (*chunk.mutable_data())[7] ^= 1;
      break;
    case Fault::kDroppedChunk:
      chunks.erase(chunks.begin() + static_cast<int>(at));
      break;
    case Fault::kRepeatedChunk:
      chunks.insert(chunks.begin() + static_cast<int>(at),
                    v1::EmbeddingChunk(chunk));
      break;
    case Fault::kSwappedChunks:
      std::swap(chunks.front(), chunks.back());
      break;
    case Fault::kEarlyEnd:
      chunks.pop_back();
      break;
    case Fault::kOtherFingerprint:
      chunk.set_fingerprint("another model's");
      break;
    case Fault::kOtherDtype:
      chunk.set_dtype(v1::DTYPE_UNSPECIFIED);
      break;
    case Fault::kOtherShape:
      chunk.set_shape(1, chunk.shape(1) + 1);
      break;
    case Fault::kOtherRequest:
      chunk.set_request_id("another");
      break;
    case Fault::kOtherTileCount:
      chunk.set_tile_count(chunk.tile_count() + 1);
      break;
    case Fault::kNotANumber: {
      std::string& data = *chunk.mutable_data();
      data[data.size() - 1] = '\x7F';
      data[data.size() - 2] = '\xC0';  // a quiet NaN in both formats
      chunk.set_crc32c(Crc32c(data));
      break;
    }
  }
}

grpc::Status FakeVisionService::ReleaseImages(
    grpc::ServerContext*, const v1::ReleaseImagesRequest* request,
    v1::ReleaseImagesResponse* response) {
  absl::MutexLock lock(&mutex_);
  uint32_t released = 0;
  for (const std::string& handle : request->handles()) {
    released += static_cast<uint32_t>(images_.erase(handle));
    ++releases_[handle];
  }
  response->set_released(released);
  return grpc::Status::OK;
}

grpc::Status FakeVisionService::GetInfo(grpc::ServerContext* context,
                                        const v1::GetVisionInfoRequest*,
                                        v1::GetVisionInfoResponse* response) {
  absl::MutexLock lock(&mutex_);
  ++num_infos_;
  const auto go = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !hold_infos_;
  };
  while (
      !mutex_.AwaitWithTimeout(absl::Condition(&go), absl::Milliseconds(2)) &&
      !context->IsCancelled()) {
  }
  DropExpired();
  *response->mutable_info() = info_;
  uint64_t bytes = 0;
  for (const auto& [handle, image] : images_) {
    bytes += image.file_bytes + image.ref.num_tiles() * format_.tile_bytes();
  }
  response->set_images(static_cast<uint32_t>(images_.size()));
  response->set_held_bytes(bytes);
  response->set_max_held_bytes(uint64_t{1} << 30);
  response->set_queued_tiles(0);
  response->set_max_queued_tiles(128);
  return grpc::Status::OK;
}

}  // namespace tandem
