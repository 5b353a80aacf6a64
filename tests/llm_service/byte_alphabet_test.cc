#include "llm_service/byte_alphabet.h"

#include <set>

#include "gtest/gtest.h"

namespace tandem {
namespace {

TEST(ByteAlphabet, WritesTheKnownSymbols) {
  EXPECT_EQ(ByteSymbol(0x00), "\u0100");
  EXPECT_EQ(ByteSymbol(0x09), "\u0109");
  EXPECT_EQ(ByteSymbol(0x0A), "\u010A");
  EXPECT_EQ(ByteSymbol(0x20), "\u0120");
  EXPECT_EQ(ByteSymbol('!'), "!");
  EXPECT_EQ(ByteSymbol('~'), "~");
  EXPECT_EQ(ByteSymbol(0x7F), "\u0121");
  EXPECT_EQ(ByteSymbol(0x80), "\u0122");
  EXPECT_EQ(ByteSymbol(0xA0), "\u0142");
  EXPECT_EQ(ByteSymbol(0xA1), "\u00A1");
  EXPECT_EQ(ByteSymbol(0xAD), "\u0143");
  EXPECT_EQ(ByteSymbol(0xFF), "\u00FF");
}

TEST(ByteAlphabet, HasOneSymbolForEachByteAndReadsItBack) {
  std::set<std::string> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string symbol = ByteSymbol(static_cast<uint8_t>(byte));
    symbols.insert(symbol);
    EXPECT_EQ(BytesOfSymbols(symbol), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(symbols.size(), 256u);
}

TEST(ByteAlphabet, KnowsWhatIsNoSymbol) {
  for (const char* text :
       {" ", "\n", "\u00A0", "\u00AD", "\u0144", "你", "a b"}) {
    EXPECT_FALSE(BytesOfSymbols(text).has_value()) << text;
  }
  EXPECT_EQ(BytesOfSymbols("\u0120caf\u00C3\u00A9"), " caf\xC3\xA9");
}

}  // namespace
}  // namespace tandem
