// Asks a question about a picture over gRPC and prints the answer as it comes.
//
//   build/cpp_grpc/cpp_grpc 127.0.0.1:50051 photo.png "What is in the picture?"
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "grpcpp/grpcpp.h"
#include "tandem/v1/gateway.grpc.pb.h"

namespace v1 = tandem::v1;

// Prints the answer; the call's status.
grpc::Status Ask(const std::string& target, const std::string& picture,
                 const std::string& question) {
  v1::ChatRequest request;
  v1::ChatMessage* turn = request.add_messages();
  turn->set_role("user");
  turn->add_content()->mutable_image()->set_data(picture);
  turn->add_content()->set_text(question);
  request.mutable_sampling()->set_temperature(0);

  auto channel =
      grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  auto stub = v1::ChatService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::minutes(2));
  // With an API key: context.AddMetadata("authorization", "Bearer KEY");
  auto stream = stub->Chat(&context, request);
  v1::ChatChunk chunk;
  while (stream->Read(&chunk)) std::cout << chunk.delta_text() << std::flush;
  std::cout << "\n";
  return stream->Finish();
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: cpp_grpc HOST:PORT PICTURE QUESTION\n";
    return 2;
  }
  std::ifstream file(argv[2], std::ios::binary);
  if (!file) {
    std::cerr << argv[2] << " cannot be read\n";
    return 1;
  }
  const std::string picture{std::istreambuf_iterator<char>(file), {}};
  const grpc::Status status = Ask(argv[1], picture, argv[3]);
  if (status.ok()) return 0;
  std::cerr << status.error_message() << "\n";
  return 1;
}
