// Where the time of one step goes on a card: kernels, launches, host.
//
//   card_profile --random-weights tests/bench/card_figures/internvl3-8b
//       --device cuda:0 --prefill 3392 --context 1024
//
// A prefill of so many tokens, a decode step behind so many, and one tile of
// the vision tower: wall time without a profiler, then one run under
// libtorch's, whose kernels are added up by kind. Prints Markdown.
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/model_options.h"
#include "common/options.h"
#include "kernels/device.h"
#include "llm_service/llm_model.h"
#include "vision_service/intern_vit.h"

namespace tandem {
namespace {

struct Options {
  ModelOptions model;
  std::string device = "cuda:0";
  int prefill = 3392;
  int context = 1024;
};

// What a kernel does, by the names that libtorch and the vendor's libraries
// give.
std::string KindOf(const std::string& kernel) {
  struct Kind {
    const char* part;
    const char* kind;
  };
  static constexpr Kind kKinds[] = {
      {"gemm", "matrix products"},     {"gemv", "matrix products"},
      {"nvjet", "matrix products"},    {"cutlass_80", "matrix products"},
      {"splitK", "matrix products"},   {"fmha", "attention"},
      {"flash", "attention"},          {"softmax", "attention"},
      {"Memcpy", "copies to and fro"}, {"Memset", "copies to and fro"},
      {"index", "gather and scatter"}, {"reduce", "norms' sums"},
      {"layer_norm", "norms' sums"},   {"copy", "elementwise"},
      {"elementwise", "elementwise"}};
  for (const Kind& kind : kKinds) {
    if (absl::StrContains(kernel, kind.part)) return kind.kind;
  }
  return kernel.substr(0, 60);
}

double Milliseconds(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now() - begin)
      .count();
}

struct Sum {
  int launches = 0;
  double milliseconds = 0;
};

std::map<std::string, Sum> Profile(const std::function<void()>& work) {
  namespace profiler = torch::autograd::profiler;
  const torch::profiler::impl::ProfilerConfig config(
      torch::profiler::impl::ProfilerState::KINETO);
  const std::set<torch::profiler::impl::ActivityType> activities = {
      torch::profiler::impl::ActivityType::CUDA};
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  work();
  const auto result = profiler::disableProfiler();
  std::map<std::string, Sum> sums;
  for (const profiler::KinetoEvent& event : result->events()) {
    if (event.deviceType() != c10::DeviceType::CUDA) continue;
    Sum& sum = sums[KindOf(event.name())];
    ++sum.launches;
    sum.milliseconds += static_cast<double>(event.durationNs()) / 1e6;
  }
  return sums;
}

// Runs `work`, which ends when the card has, and prints where its time went.
void Report(const std::string& title, const std::function<void()>& work) {
  for (int i = 0; i < 3; ++i) work();
  std::vector<double> times(11);
  for (double& time : times) time = Milliseconds(work);
  std::nth_element(times.begin(), times.begin() + 5, times.end());
  const double wall = times[5];
  std::printf("\n%s: %.2f ms\n\n| | launches | ms | share |\n", title.c_str(),
              wall);
  std::printf("| --- | --- | --- | --- |\n");
  Sum all;
  std::vector<std::pair<std::string, Sum>> rows;
  for (const auto& row : Profile(work)) {
    rows.push_back(row);
    all.launches += row.second.launches;
    all.milliseconds += row.second.milliseconds;
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.second.milliseconds > b.second.milliseconds;
  });
  const auto print = [&](const std::string& name, int launches, double ms) {
    std::printf("| %s | %d | %.3f | %.0f %% |\n", name.c_str(), launches, ms,
                100 * ms / wall);
  };
  for (const auto& [name, sum] : rows) {
    print(name, sum.launches, sum.milliseconds);
  }
  print("all kernels", all.launches, all.milliseconds);
  print("the card idle, host and launches", 0,
        std::max(0.0, wall - all.milliseconds));
}

absl::Status ProfileDecoder(const Options& options, const OpenedModel& model,
                            at::Device device) {
  const int most = std::max(options.prefill, options.context) + kKvBlockTokens;
  LlmModel::Options llm;
  llm.model.dtype = model.dtype;
  llm.model.device = device;
  llm.num_kv_blocks = KvBlocksFor(most);
  auto loaded = LlmModel::Load(model.config.text, *model.weights, llm);
  if (!loaded.ok()) return loaded.status();
  LlmModel& decoder = **loaded;
  SamplingParams greedy;
  greedy.temperature = 0;
  if (auto opened = decoder.OpenSamplingSlot(0, greedy, {}); !opened.ok()) {
    return opened;
  }
  absl::Status failed;
  const auto step = [&](int num_cached, int num_new) {
    StepInput input;
    for (int i = 0; i < num_new; ++i) input.token_ids.push_back(100 + i % 300);
    StepSequence sequence;
    sequence.block_table.resize(llm.num_kv_blocks);
    std::iota(sequence.block_table.begin(), sequence.block_table.end(), 1);
    sequence.num_cached = num_cached;
    sequence.num_new = num_new;
    sequence.sampling_slot = 0;
    input.sequences.push_back(std::move(sequence));
    failed.Update(decoder.Submit(input));
    if (failed.ok()) failed.Update(decoder.Collect().status());
  };
  // The tokens behind which the decode step stands.
  step(0, options.context);
  Report("prefill of " + std::to_string(options.prefill) + " tokens",
         [&] { step(0, options.prefill); });
  Report("decode step behind " + std::to_string(options.context) + " tokens",
         [&] { step(options.context, 1); });
  return failed;
}

absl::Status ProfileTower(const Options& options, const OpenedModel& model) {
  VisionEncoderOptions encoder_options;
  encoder_options.dtype = model.dtype;
  encoder_options.device = options.device;
  auto encoder =
      MakeVisionEncoder(*model.weights, model.config, encoder_options);
  if (!encoder.ok()) return encoder.status();
  const int size = model.config.vision.image_size;
  const RgbImage tile = MakeRgbImage(size, size);
  absl::Status failed;
  Report("one tile of the vision tower",
         [&] { failed.Update((*encoder)->Encode(tile).status()); });
  return failed;
}

absl::Status Run(const Options& options) {
  const auto device = ParseDevice("--device", options.device);
  if (!device.ok()) return device.status();
  if (auto bound = BindThread(*device); !bound.ok()) return bound;
  auto model = OpenModel(options.model, WeightSet::kAll);
  if (!model.ok()) return model.status();
  const absl::Status decoder = ProfileDecoder(options, *model, *device);
  return decoder.ok() ? ProfileTower(options, *model) : decoder;
}

int Main(int argc, char** argv) {
  Options options;
  CommandLine line("card_profile", "Where the time of a step goes on a card.");
  AddModelOptions(line, &options.model);
  line.Group("Steps");
  line.Add("device", "DEVICE", &options.device, "The card.");
  line.Add("prefill", "1..", &options.prefill, "Tokens of the prefill.");
  line.Add("context", "1..", &options.context,
           "Tokens before the decode step.");
  if (const auto exit_code = line.Start(argc, argv)) return *exit_code;
  const absl::Status status = Run(options);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Main(argc, argv); }
