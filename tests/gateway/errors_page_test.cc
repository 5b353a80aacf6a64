#include <fstream>
#include <regex>
#include <string>

#include "absl/status/status.h"
#include "common/errors.h"
#include "gateway/openai_error.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

absl::StatusCode CodeOf(const std::string& name) {
  for (int code = 0; code <= 16; ++code) {
    const auto status_code = static_cast<absl::StatusCode>(code);
    if (absl::StatusCodeToString(status_code) == name) return status_code;
  }
  ADD_FAILURE() << name << " is no status code";
  return absl::StatusCode::kOk;
}

TEST(ErrorsPage, HasTheHttpStatusTypeAndCodeOfEveryReason) {
  std::ifstream page(TANDEM_SOURCE_DIR "/docs/errors.md");
  ASSERT_TRUE(page.is_open());
  // | `REASON` | CODE | 503: `type`, `code` |
  const std::regex row(
      R"(^\| `([A-Z_]+)` \| ([A-Z_]+) \| .*?(\d{3}): `(\w+)`, `(\w+)` \|.*)");
  int rows = 0;
  for (std::string line; std::getline(page, line);) {
    std::smatch cells;
    if (!std::regex_match(line, cells, row)) continue;
    ++rows;
    SCOPED_TRACE(line);
    const absl::Status status =
        MakeError(CodeOf(cells[2]), cells[1].str(), "why");
    EXPECT_EQ(std::to_string(OpenAiHttpStatus(status)), cells[3].str());
    const auto error = nlohmann::json::parse(OpenAiErrorJson(status));
    EXPECT_EQ(error["error"]["type"], cells[4].str());
    EXPECT_EQ(error["error"]["code"], cells[5].str());
  }
  EXPECT_GE(rows, 25);  // that no reason is missing, tests/check_docs.py knows
}

}  // namespace
}  // namespace tandem
