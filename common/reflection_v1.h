#pragma once

#include <memory>

#include "grpcpp/impl/server_builder_plugin.h"

namespace tandem {

// Reflection for one server as newer tools ask for it, grpc.reflection.v1; this
// gRPC's own plugin answers v1alpha alone. The two list the same services and
// answer the same files, numbers and error codes. Knows what is compiled in.
std::unique_ptr<grpc::ServerBuilderPlugin> MakeReflectionV1();

}  // namespace tandem
