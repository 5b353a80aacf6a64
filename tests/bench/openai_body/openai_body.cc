// Reads a chat request from the file that it is given into v1::ChatRequest, as
// often as standard input has lines, and prints the milliseconds of each time:
// one side of openai_body.py.
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "gateway/openai_request.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "openai_body BODY.json\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  std::string body{std::istreambuf_iterator<char>(file), {}};
  body.reserve(body.size() + tandem::kJsonPadding);
  for (std::string line; std::getline(std::cin, line);) {
    const auto start = std::chrono::steady_clock::now();
    const auto request = tandem::ParseChatCompletion(body, {});
    const std::chrono::duration<double, std::milli> took =
        std::chrono::steady_clock::now() - start;
    if (!request.ok()) {
      std::cerr << request.status() << "\n";
      return 1;
    }
    const auto& parts = request->chat.messages(0).content();
    std::cout << took.count() << " " << parts.rbegin()->image().data().size()
              << std::endl;
  }
  return 0;
}
