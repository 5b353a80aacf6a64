#include "tests/fakes/fake_embedding_source.h"

#include <cstring>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tandem {

std::string FakeTileBytes(const EmbeddingFormat& format,
                          const std::string& handle, int tile_index) {
  std::string bytes(format.tile_bytes(), '\0');
  const size_t value_bytes = ElementSize(format.dtype);
  uint32_t state = static_cast<uint32_t>(std::hash<std::string>()(handle)) +
                   static_cast<uint32_t>(tile_index) * 2654435761u;
  for (size_t i = 0; i < bytes.size(); i += value_bytes) {
    state = state * 1664525u + 1013904223u;
    // The high half of a float32 and all of a bfloat16: never all exponent
    // bits.
    const uint16_t high = static_cast<uint16_t>(state >> 16) & 0xBFFFu;
    std::memcpy(bytes.data() + i + value_bytes - 2, &high, 2);
  }
  return bytes;
}

class FakeEmbeddingSource::PullHandle final : public EmbeddingSource::Handle {
 public:
  PullHandle(FakeEmbeddingSource& source, std::string id)
      : source_(source), id_(std::move(id)) {}
  ~PullHandle() override { source_.Drop(id_); }
  void AddRoom(int tiles) override { source_.AddRoom(id_, tiles); }

 private:
  FakeEmbeddingSource& source_;
  const std::string id_;
};

FakeEmbeddingSource::FakeEmbeddingSource(EmbeddingFormat format, Clock& clock)
    : format_(std::move(format)), clock_(clock) {}

std::unique_ptr<EmbeddingSource::Handle> FakeEmbeddingSource::Start(
    EmbeddingPull pull, Sink sink) {
  const std::string id = pull.request_id;
  absl::MutexLock lock(&mutex_);
  State& state = pulls_[id];
  state.room = pull.window_tiles;
  state.pull = std::move(pull);
  state.sink = std::move(sink);
  state.held = hold_;
  while (!state.held && ServeNext(state)) {
  }
  return std::make_unique<PullHandle>(*this, id);
}

bool FakeEmbeddingSource::ServeNext(State& state) {
  if (state.room == 0 ||
      state.image == static_cast<int>(state.pull.images.size())) {
    return false;
  }
  const v1::ImageRef& image = state.pull.images[state.image];
  PulledTile out;
  out.asked = out.arrived = clock_.Monotonic();
  out.tile.image_index = state.image;
  out.tile.tile_index = state.tile;
  out.tile.dtype = format_.dtype;
  out.tile.num_tokens = format_.tokens_per_tile;
  out.tile.hidden_size = format_.hidden_size;
  out.tile.data = FakeTileBytes(format_, image.handle(), state.tile);
  --state.room;
  if (++state.tile == static_cast<int>(image.num_tiles())) {
    ++state.image;
    state.tile = 0;
  }
  state.sink.on_tile(std::move(out));
  return true;
}

void FakeEmbeddingSource::AddRoom(const std::string& id, int tiles) {
  absl::MutexLock lock(&mutex_);
  State& state = pulls_.at(id);
  state.room += tiles;
  if (state.room > state.pull.window_tiles) {
    problems_.push_back(absl::StrCat(id, " has room for ", state.room,
                                     " tiles in a window of ",
                                     state.pull.window_tiles));
  }
  while (!state.held && ServeNext(state)) {
  }
}

void FakeEmbeddingSource::Drop(const std::string& id) {
  absl::MutexLock lock(&mutex_);
  pulls_.erase(id);
}

void FakeEmbeddingSource::Hold() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

bool FakeEmbeddingSource::ServeTile(const std::string& request_id) {
  absl::MutexLock lock(&mutex_);
  const auto it = pulls_.find(request_id);
  return it != pulls_.end() && ServeNext(it->second);
}

void FakeEmbeddingSource::Fail(const std::string& request_id,
                               absl::Status status) {
  absl::MutexLock lock(&mutex_);
  const auto it = pulls_.find(request_id);
  if (it != pulls_.end()) it->second.sink.on_error(std::move(status));
}

int FakeEmbeddingSource::num_pulls() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(pulls_.size());
}

std::vector<std::string> FakeEmbeddingSource::problems() const {
  absl::MutexLock lock(&mutex_);
  return problems_;
}

}  // namespace tandem
