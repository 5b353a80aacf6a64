#include "tests/fakes/fake_vision_service.h"

#include <atomic>
#include <chrono>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/callback_threads.h"
#include "common/errors.h"
#include "common/grpc_status.h"
#include "common/image_header.h"
#include "common/request_id.h"
#include "common/status_macros.h"
#include "common/tile_grid.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "tests/fakes/fake_embedding_source.h"

namespace tandem {
namespace {

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
    : format_(std::move(format)), info_(std::move(info)) {
  KeepCallbackThreads();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeVisionService::~FakeVisionService() { Shutdown(); }

std::shared_ptr<grpc::Channel> FakeVisionService::InProcessChannel() {
  return server_->InProcessChannel(grpc::ChannelArguments());
}

v1::ImageRef FakeVisionService::AddImage(int columns, int rows) {
  static std::atomic<int> last_number = 0;  // no two replicas share a handle
  const int number = ++last_number;
  absl::MutexLock lock(&mutex_);
  v1::ImageRef image;
  image.set_handle(absl::StrFormat("fake-image-%05d", number));
  image.set_replica_id(info_.replica_id());
  image.set_sha256(std::string(32, static_cast<char>(number)));
  image.set_preprocessing_id("fake");
  image.set_columns(columns);
  image.set_rows(rows);
  image.set_num_tiles(TileGrid{columns, rows}.num_tiles());
  image.set_width(columns * 448);
  image.set_height(rows * 448);
  images_[image.handle()] = image;
  return image;
}

void FakeVisionService::Expire(const std::string& handle) {
  absl::MutexLock lock(&mutex_);
  images_.erase(handle);
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

std::vector<std::string> FakeVisionService::holders() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> ids;
  for (const auto& [handle, image] : images_) {
    const auto holder = holders_.find(handle);
    ids.push_back(holder == holders_.end() ? "" : holder->second);
  }
  return ids;
}

std::map<std::string, int> FakeVisionService::releases() const {
  absl::MutexLock lock(&mutex_);
  return releases_;
}

bool FakeVisionService::BeginPut(grpc::ServerContext& context) {
  absl::MutexLock lock(&mutex_);
  ++num_puts_;
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
  }
  const auto header = ReadImageHeader(request->data());
  if (!header.ok()) return ToGrpcStatus(header.status());
  const int max_tiles =
      request->max_tiles() == 0 ? 12 : static_cast<int>(request->max_tiles());
  const auto grid =
      ChooseTileGrid(header->width, header->height, 448, max_tiles);
  if (!grid.ok()) {
    return ToGrpcStatus(FieldError("max_tiles", grid.status().message()));
  }
  *response->mutable_image() = AddImage(grid->columns, grid->rows);
  absl::MutexLock lock(&mutex_);
  holders_[response->image().handle()] = request->request_id();
  return grpc::Status::OK;
}

grpc::Status FakeVisionService::StreamEmbeddings(
    grpc::ServerContext* context, const v1::StreamEmbeddingsRequest* request,
    grpc::ServerWriter<v1::EmbeddingChunk>* writer) {
  {
    absl::MutexLock lock(&mutex_);
    ++num_streams_;
    tiles_asked_ += static_cast<int>(request->num_tiles());
  }
  const absl::Status status = Serve(*context, *request, *writer);
  absl::MutexLock lock(&mutex_);
  --num_streams_;
  return ToGrpcStatus(status);
}

absl::Status FakeVisionService::Serve(
    grpc::ServerContext& context, const v1::StreamEmbeddingsRequest& request,
    grpc::ServerWriter<v1::EmbeddingChunk>& writer) {
  std::vector<v1::EmbeddingChunk> chunks;
  {
    absl::MutexLock lock(&mutex_);
    const auto go = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !hold_; };
    while (
        !mutex_.AwaitWithTimeout(absl::Condition(&go), absl::Milliseconds(2))) {
      if (context.IsCancelled()) return absl::CancelledError();
    }
    if (!stream_status_.ok()) return stream_status_;
    const auto image = images_.find(request.handle());
    if (image == images_.end()) return Expired();
    const int tile_count = static_cast<int>(image->second.num_tiles());
    if (request.num_tiles() < 1 || request.first_tile() + request.num_tiles() >
                                       static_cast<uint32_t>(tile_count)) {
      return FieldError("num_tiles", "is outside of the image");
    }
    chunks = MakeRun(request, tile_count);
    Spoil(fault_, chunks);
  }
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
      !context->IsCancelled() &&
      !mutex_.AwaitWithTimeout(absl::Condition(&go), absl::Milliseconds(2))) {
  }
  *response->mutable_info() = info_;
  response->set_images(static_cast<uint32_t>(images_.size()));
  return grpc::Status::OK;
}

}  // namespace tandem
