#include "common/embedding_wire.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "isa-l/crc.h"

namespace tandem {
namespace {

absl::Status Corrupt(absl::string_view check, absl::string_view message) {
  return MakeError(absl::StatusCode::kDataLoss, reason::kEmbeddingCorrupt,
                   absl::StrCat("embedding chunk: ", message),
                   {{"check", std::string(check)}});
}

absl::Status Incompatible(absl::string_view check, absl::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   reason::kEmbeddingIncompatible,
                   absl::StrCat("embedding chunk: ", message),
                   {{"check", std::string(check)}});
}

template <typename Have, typename Want>
absl::Status Differs(absl::string_view check, const Have& have,
                     const Want& want) {
  return Corrupt(check, absl::StrCat(check, " is ", have, ", not ", want));
}

// Whether any value has all exponent bits set: a NaN or an infinity. `Word` is
// the value's bits; kExponent selects them.
template <typename Word, Word kExponent>
bool HasNonFinite(absl::string_view data) {
  bool found = false;  // No early exit: the loop vectorises.
  for (size_t i = 0; i + sizeof(Word) <= data.size(); i += sizeof(Word)) {
    Word bits;
    std::memcpy(&bits, data.data() + i, sizeof(Word));
    found |= (bits & kExponent) == kExponent;
  }
  return found;
}

}  // namespace

bool HasNonFinite(DType dtype, absl::string_view data) {
  switch (dtype) {
    case DType::kFloat32:
      return HasNonFinite<uint32_t, 0x7F800000u>(data);
    case DType::kBFloat16:
      return HasNonFinite<uint16_t, 0x7F80u>(data);
    case DType::kFloat16:
      return HasNonFinite<uint16_t, 0x7C00u>(data);
  }
  return true;
}

uint32_t Crc32c(absl::Span<const char> data) {
  // isa-l leaves the final inversion to the caller, counts in int and does not
  // change the buffer that it takes as non-const.
  constexpr size_t kMaxPiece = 1 << 30;
  uint32_t crc = 0xFFFFFFFFu;
  while (!data.empty()) {
    const size_t piece = std::min(data.size(), kMaxPiece);
    crc = crc32_iscsi(
        reinterpret_cast<unsigned char*>(const_cast<char*>(data.data())),
        static_cast<int>(piece), crc);
    data.remove_prefix(piece);
  }
  return crc ^ 0xFFFFFFFFu;
}

v1::EmbeddingChunk MakeEmbeddingChunk(const EmbeddingFormat& format,
                                      const EmbeddingRun& run, int tile_index,
                                      size_t offset, absl::string_view tile) {
  const absl::string_view data = tile.substr(offset, kMaxChunkBytes);
  v1::EmbeddingChunk chunk;
  chunk.set_request_id(run.request_id);
  chunk.set_image_index(run.image_index);
  chunk.set_tile_index(tile_index);
  chunk.set_tile_count(run.tile_count);
  chunk.set_offset(offset);
  chunk.set_total_bytes(tile.size());
  chunk.set_dtype(ToProto(format.dtype));
  chunk.add_shape(format.tokens_per_tile);
  chunk.add_shape(format.hidden_size);
  chunk.set_crc32c(Crc32c(data));
  chunk.set_fingerprint(format.fingerprint);
  chunk.set_end_of_tile(offset + data.size() == tile.size());
  chunk.set_data(data.data(), data.size());
  return chunk;
}

EmbeddingAssembler::EmbeddingAssembler(EmbeddingFormat format, EmbeddingRun run)
    : format_(std::move(format)),
      run_(std::move(run)),
      next_tile_(run_.first_tile) {}

absl::Status EmbeddingAssembler::Add(const v1::EmbeddingChunk& chunk,
                                     std::vector<EmbeddingTile>& tiles) {
  if (failed_) return Corrupt("stream", "came after a refused one");
  if (absl::Status status = Check(chunk); !status.ok()) {
    failed_ = true;
    return status;
  }
  if (current_.data.empty()) {
    current_.image_index = run_.image_index;
    current_.tile_index = next_tile_;
    current_.dtype = format_.dtype;
    current_.num_tokens = format_.tokens_per_tile;
    current_.hidden_size = format_.hidden_size;
    current_.data.reserve(format_.tile_bytes());
  }
  current_.data.append(chunk.data());
  if (chunk.end_of_tile()) {
    current_.timings = chunk.timings();
    tiles.push_back(std::exchange(current_, EmbeddingTile()));
    ++next_tile_;
  }
  return absl::OkStatus();
}

absl::Status EmbeddingAssembler::Finish() const {
  if (failed_) return Corrupt("stream", "a chunk was refused");
  if (next_tile_ == run_.first_tile + run_.num_tiles) return absl::OkStatus();
  return Corrupt("tiles", absl::StrCat("the stream ended before tile ",
                                       next_tile_, " was whole"));
}

absl::Status EmbeddingAssembler::Check(const v1::EmbeddingChunk& chunk) const {
  if (chunk.fingerprint() != format_.fingerprint) {
    return Incompatible("fingerprint", "the sender serves other weights");
  }
  if (chunk.dtype() != ToProto(format_.dtype)) {
    return Incompatible(
        "dtype",
        absl::StrCat("dtype is ", v1::DType_Name(chunk.dtype()), ", not ",
                     v1::DType_Name(ToProto(format_.dtype))));
  }
  if (chunk.shape_size() != 2 ||
      chunk.shape(0) != static_cast<uint32_t>(format_.tokens_per_tile) ||
      chunk.shape(1) != static_cast<uint32_t>(format_.hidden_size)) {
    return Incompatible(
        "shape", absl::StrCat("the shape is not [", format_.tokens_per_tile,
                              ", ", format_.hidden_size, "]"));
  }
  if (chunk.request_id() != run_.request_id) {
    return Corrupt("request_id", "it belongs to another request");
  }
  if (chunk.image_index() != static_cast<uint32_t>(run_.image_index)) {
    return Differs("image_index", chunk.image_index(), run_.image_index);
  }
  if (chunk.tile_count() != static_cast<uint32_t>(run_.tile_count)) {
    return Differs("tile_count", chunk.tile_count(), run_.tile_count);
  }
  if (next_tile_ == run_.first_tile + run_.num_tiles) {
    return Corrupt("tile_index", "more tiles came than were asked for");
  }
  if (chunk.tile_index() != static_cast<uint32_t>(next_tile_)) {
    return Differs("tile_index", chunk.tile_index(), next_tile_);
  }
  const size_t total = format_.tile_bytes();
  if (chunk.total_bytes() != total) {
    return Differs("total_bytes", chunk.total_bytes(), total);
  }
  const size_t have = current_.data.size();
  if (chunk.offset() != have) return Differs("offset", chunk.offset(), have);
  const std::string& data = chunk.data();
  if (data.empty() || data.size() > kMaxChunkBytes) {
    return Corrupt(
        "data", absl::StrCat("it carries ", data.size(), " bytes, outside [1, ",
                             kMaxChunkBytes, "]"));
  }
  // have <= total here, so the subtraction cannot wrap.
  if (data.size() > total - have) {
    return Corrupt("data",
                   absl::StrCat("bytes ", have, " to ", have + data.size(),
                                " pass the tile's ", total));
  }
  if (data.size() % ElementSize(format_.dtype) != 0) {
    return Corrupt("data", "it ends inside a value");
  }
  if (chunk.end_of_tile() != (have + data.size() == total)) {
    return Differs("end_of_tile", chunk.end_of_tile(), !chunk.end_of_tile());
  }
  if (chunk.crc32c() != Crc32c(data)) {
    return Corrupt("crc32c", "the checksum does not match the data");
  }
  if (HasNonFinite(format_.dtype, data)) {
    return Corrupt("values", "a value is NaN or infinite");
  }
  return absl::OkStatus();
}

}  // namespace tandem
