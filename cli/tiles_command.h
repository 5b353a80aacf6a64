#pragma once

#include <string>
#include <vector>

#include "common/options.h"

namespace tandem {

// `tandem tiles`: what a model will see of a picture.
struct TilesCommand {
  std::vector<std::string> image;  // one
  std::string out;
  int max_tiles = 12;
  std::string profile = "custom";
};

void AddTilesOptions(CommandLine& line, TilesCommand* command);

// Writes tile_00.png, tile_01.png, ... in prompt order, the thumbnail last, and
// prints the grid. Returns the exit code: 0, or 78 where an option or the file
// is wrong.
int RunTiles(const TilesCommand& command);

}  // namespace tandem
