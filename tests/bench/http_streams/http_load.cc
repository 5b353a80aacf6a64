// Load for a gateway over a paced_llm; what it found, as JSON on standard
// output.
//
//   http_load streams HTTP_ADDRESS STREAMS TOKENS TOKENS_PER_SECOND GATEWAY_PID
//   http_load paired HTTP_ADDRESS GRPC_ADDRESS PAIRS TOKENS
#include <sys/resource.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "tests/bench/http_streams/paired_load.h"
#include "tests/bench/http_streams/stream_load.h"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

void AllowManyFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Of sorted values.
Json Spread(const std::vector<double>& values) {
  if (values.empty()) return nullptr;
  const auto at = [&](double part) {
    return values[static_cast<size_t>(part *
                                      static_cast<double>(values.size() - 1))];
  };
  return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"max", values.back()}};
}

int Fail(const absl::Status& status) {
  std::cerr << status << "\n";
  return 1;
}

int Streams(const StreamLoadOptions& options) {
  AllowManyFiles();
  const auto result = RunStreamLoad(options);
  if (!result.ok()) return Fail(result.status());
  const Json json = {{"complete", result->complete},
                     {"refused", result->refused},
                     {"refused_delayed", result->refused_delayed},
                     {"closed", result->closed},
                     {"wrong", result->wrong},
                     {"wrong_head", result->wrong_head},
                     {"most_open", result->most_open},
                     {"late_ms", Spread(result->late)},
                     {"first_event_ms", Spread(result->first_event)},
                     {"rss_before", result->rss_before},
                     {"rss_most", result->rss_most},
                     {"cpu_seconds", result->cpu_seconds},
                     {"seconds", result->seconds}};
  std::cout << json << "\n";
  return 0;
}

int Paired(const PairedLoadOptions& options) {
  Json pairs = Json::array();
  const absl::Status status =
      RunPairedLoad(options, [&](const PairedTimes& times) {
        pairs.push_back({{"http_first", times.http_first},
                         {"http_gap", times.http_gap},
                         {"told_first", times.told_first},
                         {"told_gap", times.told_gap},
                         {"grpc_first", times.grpc_first},
                         {"grpc_gap", times.grpc_gap}});
      });
  if (!status.ok()) return Fail(status);
  std::cout << pairs << "\n";
  return 0;
}

int Main(const std::vector<std::string>& words) {
  const auto number = [&](size_t i) { return std::atoi(words[i].c_str()); };
  if (words.size() == 6 && words[0] == "streams") {
    return Streams({.address = words[1],
                    .num_streams = number(2),
                    .num_tokens = number(3),
                    .per_second = std::atof(words[4].c_str()),
                    .gateway_pid = number(5)});
  }
  if (words.size() == 5 && words[0] == "paired") {
    return Paired({.http_address = words[1],
                   .grpc_address = words[2],
                   .num_pairs = number(3),
                   .num_tokens = number(4)});
  }
  std::cerr << "usage: http_load streams|paired ...\n";
  return 2;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  return tandem::Main(std::vector<std::string>(argv + 1, argv + argc));
}
