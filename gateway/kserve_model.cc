#include "gateway/kserve_model.h"

#include <string>

namespace tandem {

inference::ModelMetadataResponse KserveMetadata(const v1::Model& model) {
  inference::ModelMetadataResponse metadata;
  metadata.set_name(model.id());
  metadata.add_versions(std::string(kKserveModelVersion));
  metadata.set_platform(std::string("tandem"));
  const auto describe = [](const KserveTensor& tensor, auto& metadata) {
    metadata.set_name(std::string(tensor.name));
    metadata.set_datatype(std::string(tensor.datatype));
    metadata.add_shape(tensor.size);
  };
  for (const KserveTensor& input : kKserveInputs) {
    describe(input, *metadata.add_inputs());
  }
  for (const KserveTensor& output : kKserveOutputs) {
    describe(output, *metadata.add_outputs());
  }
  return metadata;
}

inference::ModelConfig KserveConfig(const v1::Model& model) {
  inference::ModelConfig config;
  config.set_name(model.id());
  config.set_backend(std::string("tandem"));
  config.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  for (const KserveTensor& tensor : kKserveInputs) {
    inference::ModelInput& input = *config.add_input();
    input.set_name(std::string(tensor.name));
    input.set_data_type(tensor.type);
    input.add_dims(tensor.size);
    input.set_optional(tensor.optional);
  }
  for (const KserveTensor& tensor : kKserveOutputs) {
    inference::ModelOutput& output = *config.add_output();
    output.set_name(std::string(tensor.name));
    output.set_data_type(tensor.type);
    output.add_dims(tensor.size);
  }
  // Any number of responses to a request.
  config.mutable_model_transaction_policy()->set_decoupled(true);
  return config;
}

}  // namespace tandem
