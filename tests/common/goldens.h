#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace tandem {

// tests/data/goldens/`name`.json, see tests/reference/make_goldens.py.
inline nlohmann::json ReadGoldens(const std::string& name) {
  std::ifstream file(std::string(TANDEM_TEST_DATA) + "/goldens/" + name +
                     ".json");
  return nlohmann::json::parse(file);
}

// The prompt of one of its cases, which is kept as runs of equal ids.
inline std::vector<int> PromptIds(const nlohmann::json& golden) {
  std::vector<int> ids;
  for (const auto& run : golden.at("prompt_ids_rle")) {
    ids.insert(ids.end(), run.at(1).get<int>(), run.at(0).get<int>());
  }
  return ids;
}

}  // namespace tandem
