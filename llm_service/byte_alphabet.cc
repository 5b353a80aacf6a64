#include "llm_service/byte_alphabet.h"

#include <array>

#include "common/utf8.h"

namespace tandem {
namespace {

constexpr int kNumSymbols = 0x144;

struct Alphabet {
  std::array<char16_t, 256> symbol{};
  std::array<int16_t, kNumSymbols> byte{};  // -1: none
};

constexpr bool StandsForItself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) ||
         byte >= 174;
}

constexpr Alphabet MakeAlphabet() {
  Alphabet alphabet;
  for (int16_t& byte : alphabet.byte) byte = -1;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const int symbol = StandsForItself(byte) ? byte : next++;
    alphabet.symbol[byte] = static_cast<char16_t>(symbol);
    alphabet.byte[symbol] = static_cast<int16_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = MakeAlphabet();

}  // namespace

std::string ByteSymbol(uint8_t byte) {
  std::string symbol;
  AppendUtf8(kAlphabet.symbol[byte], symbol);
  return symbol;
}

absl::optional<std::string> BytesOfSymbols(absl::string_view symbols) {
  std::string bytes;
  for (size_t i = 0; i < symbols.size();) {
    int length = 0;
    const char32_t symbol = ReadValidUtf8(symbols.data() + i, &length);
    if (symbol >= kNumSymbols || kAlphabet.byte[symbol] < 0) {
      return absl::nullopt;
    }
    bytes.push_back(static_cast<char>(kAlphabet.byte[symbol]));
    i += length;
  }
  return bytes;
}

}  // namespace tandem
