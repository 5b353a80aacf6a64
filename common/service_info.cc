#include "common/service_info.h"

#include "common/process.h"
#include "common/request_id.h"

namespace tandem {

v1::ServiceInfo MakeServiceInfo(const OpenedModel& model) {
  v1::ServiceInfo info;
  info.set_model(model.name);
  info.set_fingerprint(model.fingerprint);
  info.set_profile(model.profile == PreprocessingProfile::kHf
                       ? v1::PROFILE_HF
                       : v1::PROFILE_CUSTOM);
  info.set_dtype(ToProto(model.dtype));
  info.set_hidden_size(model.config.text.hidden_size);
  info.set_tokens_per_tile(model.config.tokens_per_tile());
  info.set_tile_size(model.config.vision.image_size);
  info.set_replica_id(RandomHex(16));
  info.set_version(Version());
  info.set_max_tiles(model.config.max_tiles);
  return info;
}

}  // namespace tandem
