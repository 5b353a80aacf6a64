#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tandem {

// Expands the run lengths of a BMP file to one palette index a byte, bottom row
// first: `width` x `height` of them, or fewer where the data end too soon.
// Indices that the data jump over are 0; a run ends with its row.
//
//   four_bits  RLE4, two indices a byte; else RLE8
//
// Never reads past `data`, never writes more than width x height. Thread-safe.
// Source: Windows GDI, "Bitmap Compression".
std::string ExpandBmpRunLengths(absl::string_view data, int width, int height,
                                bool four_bits);

}  // namespace tandem
