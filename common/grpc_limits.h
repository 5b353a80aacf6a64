#pragma once

namespace tandem {

// What both ends of every channel of ours agree on.

// Most bytes of one gRPC message: PutImage carries a whole file (20 MiB at
// most), Generate a whole conversation.
inline constexpr int kMaxMessageBytes = 32 << 20;

// Most bytes of the headers or trailers of a call. An error takes less than 8
// KiB, the limit of a peer that was not told.
inline constexpr int kMaxMetadataBytes = 16 << 10;

}  // namespace tandem
