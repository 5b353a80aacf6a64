#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/error_line.h"
#include "cli/model_report.h"
#include "common/byte_size.h"
#include "nlohmann/json.hpp"

namespace tandem {
namespace {

using Json = nlohmann::ordered_json;

const char* LayoutName(Layout layout) {
  return layout == Layout::kHf ? "hf" : "custom";
}

std::string Count(int64_t count) {
  if (count >= 1'000'000'000) return absl::StrFormat("%.2f B", count / 1e9);
  if (count >= 1'000'000) return absl::StrFormat("%.1f M", count / 1e6);
  return absl::StrFormat("%.0f K", count / 1e3);
}

std::string Row(absl::string_view name, const std::string& parameters,
                const std::string& weights, const std::string& besides) {
  return absl::StrFormat("  %-14s  %10s  %10s  %s\n", name, parameters, weights,
                         besides);
}

std::string Shapes(const ModelReport& report) {
  const VisionConfig& vision = report.config.vision;
  const TextConfig& text = report.config.text;
  return absl::StrFormat(
      "  vision          %d layers, hidden %d, %d heads, tiles of %d px, %d "
      "tokens a tile, up to %d tiles\n"
      "  language        %d layers, hidden %d, %d heads (%d for KV) of %d, "
      "vocabulary %d, context %d\n",
      vision.num_layers, vision.hidden_size, vision.num_heads,
      vision.image_size, report.config.tokens_per_tile(),
      report.config.max_tiles, text.num_layers, text.hidden_size,
      text.num_heads, text.num_kv_heads, text.head_dim, text.vocab_size,
      text.max_positions);
}

std::string Weights(const ModelReport& report) {
  if (!report.weights.ok()) {
    return absl::StrCat("NOT COMPLETE: ", ErrorLine(report.weights));
  }
  return absl::StrCat("complete, ", report.num_weight_files,
                      report.num_weight_files == 1 ? " file" : " files");
}

std::string Fit(const ModelReport& report, int64_t available_bytes) {
  if (available_bytes == 0) return "not known what is free";
  return absl::StrCat(
      FormatBytes(available_bytes), " free: ",
      report.total_bytes() <= available_bytes ? "fits" : "DOES NOT FIT");
}

std::string Table(const ModelReport& report) {
  const ModelReport::Service both = {
      report.vision.parameters + report.llm.parameters,
      report.vision.weight_bytes + report.llm.weight_bytes};
  return absl::StrCat(
      Row("", "parameters", "weights", "besides"),
      Row("tandem-vision", Count(report.vision.parameters),
          FormatBytes(report.vision.weight_bytes),
          absl::StrCat(FormatBytes(report.embedding_bytes_per_tile),
                       " for each tile's embeddings")),
      Row("tandem-llm", Count(report.llm.parameters),
          FormatBytes(report.llm.weight_bytes),
          absl::StrCat(
              FormatBytes(report.kv_bytes_per_token), " KV for each token, ",
              FormatBytes(report.context_kv_bytes()), " for one full context")),
      Row("tandem serve", Count(both.parameters),
          FormatBytes(both.weight_bytes),
          absl::StrCat(FormatBytes(report.total_bytes()),
                       " in all with one full context")));
}

Json ServiceAsJson(const ModelReport::Service& service) {
  return {{"parameters", service.parameters},
          {"weight_bytes", service.weight_bytes}};
}

Json ShapesAsJson(const ModelConfig& config) {
  const VisionConfig& vision = config.vision;
  const TextConfig& text = config.text;
  return {{"vision",
           {{"layers", vision.num_layers},
            {"hidden_size", vision.hidden_size},
            {"heads", vision.num_heads},
            {"tile_size", vision.image_size},
            {"tokens_per_tile", config.tokens_per_tile()},
            {"max_tiles", config.max_tiles}}},
          {"language",
           {{"layers", text.num_layers},
            {"hidden_size", text.hidden_size},
            {"heads", text.num_heads},
            {"kv_heads", text.num_kv_heads},
            {"head_dim", text.head_dim},
            {"vocabulary", text.vocab_size},
            {"context", text.max_positions}}}};
}

}  // namespace

std::string ReportAsText(const ModelReport& report, int64_t available_bytes) {
  return absl::StrCat(
      report.directory, "\n",
      absl::StrFormat("  layout          %s, stored in %s, served in %s\n",
                      LayoutName(report.config.layout),
                      DTypeName(report.config.stored_dtype),
                      DTypeName(report.dtype)),
      "  files           ", Weights(report), "\n", Shapes(report),
      Table(report), "  this machine    ", Fit(report, available_bytes), "\n");
}

std::string ReportAsJson(const ModelReport& report, int64_t available_bytes) {
  Json json = {
      {"directory", report.directory},
      {"layout", LayoutName(report.config.layout)},
      {"stored_dtype", std::string(DTypeName(report.config.stored_dtype))},
      {"dtype", std::string(DTypeName(report.dtype))},
      {"complete", report.weights.ok()},
      {"weight_files", report.num_weight_files},
      {"shapes", ShapesAsJson(report.config)},
      {"tandem-vision", ServiceAsJson(report.vision)},
      {"tandem-llm", ServiceAsJson(report.llm)},
      {"embedding_bytes_per_tile", report.embedding_bytes_per_tile},
      {"kv_bytes_per_token", report.kv_bytes_per_token},
      {"total_bytes", report.total_bytes()},
      {"available_bytes", available_bytes},
      {"fits", report.total_bytes() <= available_bytes}};
  if (!report.weights.ok()) json["error"] = ErrorLine(report.weights);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tandem
