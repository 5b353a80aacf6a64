#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace tandem {

// The regular expression this file matches by hand, as tokenizer.json spells
// it.
inline constexpr absl::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Bytes of the piece that `text` begins with; byte pair encoding never joins
// over the border of a piece. `text` must be valid UTF-8 and not empty. All
// pieces of a text together take time linear in its length. Thread-safe.
//
// Letters, numbers and white space are those of Unicode 16.
// Source: tokenization_qwen2.py of Hugging Face transformers; behaves as
// Oniguruma, which the `tokenizers` library runs it with.
size_t FirstPieceLength(absl::string_view text);

}  // namespace tandem
