#include "cli/tiles_command.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/error_line.h"
#include "cli/image_file.h"
#include "common/image_header.h"
#include "common/preprocessing.h"
#include "common/process.h"
#include "common/status_macros.h"
#include "vision_service/image_decoder.h"
#include "vision_service/png_encoder.h"
#include "vision_service/tiles.h"

namespace tandem {
namespace {

constexpr int kTileSize = 448;       // pixels, in all models of the family
constexpr int kTokensPerTile = 256;  // likewise

absl::Status WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(path, ": cannot be written"));
}

absl::Status WriteTiles(const std::vector<RgbImage>& tiles,
                        const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat(directory, ": cannot be made: ", error.message()));
  }
  for (size_t i = 0; i < tiles.size(); ++i) {
    TANDEM_ASSIGN_OR_RETURN(const std::string png, EncodePng(tiles[i]));
    TANDEM_RETURN_IF_ERROR(
        WriteFile(absl::StrFormat("%s/tile_%02d.png", directory, i), png));
  }
  return absl::OkStatus();
}

void PrintGrid(const RgbImage& image, const ImageHeader& header,
               const TileGrid& grid, const std::string& directory) {
  const int num_tiles = grid.num_tiles();
  absl::PrintF("%d x %d %s -> %d x %d tiles of %d px%s\n", image.width,
               image.height, ImageFormatName(header.format), grid.columns,
               grid.rows, kTileSize, num_tiles > 1 ? " and a thumbnail" : "");
  for (int row = 0; row < grid.rows; ++row) {
    for (int column = 0; column < grid.columns; ++column) {
      absl::PrintF("  %02d", row * grid.columns + column);
    }
    absl::PrintF("\n");
  }
  if (num_tiles > 1) absl::PrintF("  %02d thumbnail\n", num_tiles - 1);
  absl::PrintF("%d files in %s, %d tokens of the prompt\n", num_tiles,
               directory, num_tiles * kTokensPerTile);
}

absl::Status CutFile(const TilesCommand& command) {
  if (command.image.size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "one IMAGE is wanted, ", command.image.size(), " are given"));
  }
  const Preprocessing preprocessing{
      .profile = command.profile == "hf" ? PreprocessingProfile::kHf
                                         : PreprocessingProfile::kCustom,
      .tile_size = kTileSize,
      .max_tiles = command.max_tiles};
  TANDEM_ASSIGN_OR_RETURN(const std::string bytes,
                          ReadImageFile(command.image.front()));
  TANDEM_ASSIGN_OR_RETURN(const ImageHeader header, ReadImageHeader(bytes));
  TANDEM_ASSIGN_OR_RETURN(const TileGrid grid, preprocessing.GridOf(header));
  TANDEM_ASSIGN_OR_RETURN(
      const RgbImage image,
      DecodeImage(bytes, {.apply_exif = preprocessing.apply_exif()}));
  TANDEM_RETURN_IF_ERROR(
      WriteTiles(CutTiles(image, grid, kTileSize), command.out));
  PrintGrid(image, header, grid, command.out);
  return absl::OkStatus();
}

}  // namespace

int RunTiles(const TilesCommand& command) {
  const absl::Status status = CutFile(command);
  if (status.ok()) return kExitOk;
  PrintError("tandem tiles", status);
  return ExitCodeFor(status);
}

void AddTilesOptions(CommandLine& line, TilesCommand* command) {
  line.AddPositional("IMAGE", &command->image,
                     "A picture: JPEG, PNG, WebP or BMP.")
      .Required();
  line.Add("out", "DIR", &command->out,
           "Where tile_00.png, tile_01.png, ... are written; made if needed.")
      .Required();
  line.Add("max-tiles", "1..40", &command->max_tiles,
           "Most tiles to cut, the thumbnail not counted.");
  line.Add("profile", "custom|hf", &command->profile,
           "hf turns the picture as its EXIF data says.");
  line.Example("tandem tiles photo.jpg --out tiles");
}

}  // namespace tandem
