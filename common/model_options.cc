#include "common/model_options.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "common/weight_manifest.h"

namespace tandem {
namespace {

// "/models/InternVL3-8B/" is served as "InternVL3-8B".
std::string FolderName(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::path path =
      std::filesystem::absolute(directory, ignored).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

absl::Status VerifyWhereListed(const std::string& directory) {
  std::error_code ignored;
  if (!std::filesystem::exists(absl::StrCat(directory, "/", kWeightManifest),
                               ignored)) {
    return absl::OkStatus();
  }
  LogInfo("verifying", {{"model", directory}, {"manifest", kWeightManifest}});
  return VerifyWeightManifest(directory);
}

}  // namespace

void AddModelOptions(CommandLine& line, ModelOptions* options) {
  line.Group("Model");
  line.Add("model", "DIR", &options->model,
           "Folder of an InternVL3 model: config.json, *.safetensors, "
           "tokenizer. Both published layouts.");
  line.Add("random-weights", "CONFIG_DIR", &options->random_weights,
           "Instead of --model: seeded noise in the shapes of "
           "CONFIG_DIR/config.json, for tests of speed and memory.");
  line.Exclude("model", "random-weights");
  line.Add("random-seed", "N", &options->random_seed, "Of --random-weights.");
  line.Add("served-name", "NAME", &options->served_name,
           "The model's name for clients. Default: the folder's name.");
  line.Add("dtype", "auto|float32|bfloat16", &options->dtype,
           "Of weights and arithmetic; auto is what the model is stored in.");
  line.Add("profile", "custom|hf", &options->profile,
           "Prompt and preprocessing: the model's own code, or the Hugging "
           "Face processor.");
  line.Add("max-tiles", "1..40", &options->max_tiles,
           "Most tiles of an image that names none, thumbnail not counted. "
           "Default: the model's, 12.");
}

absl::StatusOr<DType> ChooseDType(const std::string& option,
                                  const ModelConfig& config) {
  if (option != "auto") return ParseDType(option);
  return config.stored_dtype == DType::kFloat32 ? DType::kFloat32
                                                : DType::kBFloat16;
}

absl::StatusOr<OpenedModel> DescribeModel(const ModelOptions& options) {
  if (options.model.empty() == options.random_weights.empty()) {
    return absl::InvalidArgumentError(
        "exactly one of --model and --random-weights must be given");
  }
  OpenedModel model;
  model.has_random_weights = options.model.empty();
  model.directory =
      model.has_random_weights ? options.random_weights : options.model;
  model.name = options.served_name.empty() ? FolderName(model.directory)
                                           : options.served_name;
  TANDEM_ASSIGN_OR_RETURN(model.config, ReadModelConfig(model.directory));
  model.config.max_tiles = options.max_tiles.value_or(model.config.max_tiles);
  model.profile = options.profile == "hf" ? PreprocessingProfile::kHf
                                          : PreprocessingProfile::kCustom;
  TANDEM_ASSIGN_OR_RETURN(model.dtype,
                          ChooseDType(options.dtype, model.config));
  return model;
}

absl::StatusOr<OpenedModel> OpenModel(const ModelOptions& options,
                                      WeightSet set) {
  TANDEM_ASSIGN_OR_RETURN(OpenedModel model, DescribeModel(options));
  if (model.has_random_weights) {
    model.weights = MakeRandomWeights(model.config, options.random_seed);
  } else {
    TANDEM_RETURN_IF_ERROR(VerifyWhereListed(model.directory));
    TANDEM_ASSIGN_OR_RETURN(model.weights,
                            OpenCheckpoint(model.directory, model.config, set));
  }
  TANDEM_ASSIGN_OR_RETURN(model.fingerprint,
                          model.weights->VisionFingerprint());
  return model;
}

}  // namespace tandem
