#include "common/base64.h"

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TANDEM_BASE64_AVX2 1
#endif

namespace tandem {
namespace {

constexpr uint8_t kNoDigit = 0xFF;

// The value of every character, 0 to 63, else kNoDigit.
constexpr std::array<uint8_t, 256> MakeDigits() {
  constexpr absl::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<uint8_t, 256> digits = {};
  for (uint8_t& digit : digits) digit = kNoDigit;
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
  }
  return digits;
}
constexpr std::array<uint8_t, 256> kDigits = MakeDigits();

// Without its padding. Where that leaves one character over or does not fill
// the last group, the length is wrong.
absl::StatusOr<absl::string_view> WithoutPadding(absl::string_view text) {
  absl::string_view digits = text;
  while (text.size() - digits.size() < 2 && !digits.empty() &&
         digits.back() == '=') {
    digits.remove_suffix(1);
  }
  const bool padded = digits.size() < text.size();
  if (digits.size() % 4 == 1 || (padded && text.size() % 4 != 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("base64 of ", digits.size(), " characters and ",
                     text.size() - digits.size(), " of padding ends early"));
  }
  return digits;
}

size_t BytesOf(size_t digits) { return digits / 4 * 3 + digits % 4 * 3 / 4; }

// The characters that are decoded, and where to.
struct Progress {
  const uint8_t* in;
  size_t in_left;
  uint8_t* out;
};

absl::Status BadDigit(absl::string_view digits) {
  for (size_t i = 0; i < digits.size(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(digits[i]);
    if (kDigits[byte] != kNoDigit) continue;
    return absl::InvalidArgumentError(
        absl::StrFormat("byte 0x%02X at %d is not base64", byte, i));
  }
  return absl::InternalError("every character is base64");
}

// What is left, a group at a time. False for a character that is no digit.
bool DecodeGroups(Progress progress) {
  const auto& [in, in_left, out] = progress;
  uint8_t* to = out;
  size_t i = 0;
  for (; i + 4 <= in_left; i += 4) {
    const uint8_t a = kDigits[in[i]], b = kDigits[in[i + 1]];
    const uint8_t c = kDigits[in[i + 2]], d = kDigits[in[i + 3]];
    if ((a | b | c | d) > 63) return false;
    *to++ = static_cast<uint8_t>(a << 2 | b >> 4);
    *to++ = static_cast<uint8_t>(b << 4 | c >> 2);
    *to++ = static_cast<uint8_t>(c << 6 | d);
  }
  if (i == in_left) return true;
  const uint8_t a = kDigits[in[i]], b = kDigits[in[i + 1]];
  const uint8_t c = i + 2 < in_left ? kDigits[in[i + 2]] : 0;
  if ((a | b | c) > 63) return false;
  *to++ = static_cast<uint8_t>(a << 2 | b >> 4);
  if (i + 2 < in_left) *to = static_cast<uint8_t>(b << 4 | c >> 2);
  return true;
}

#ifdef TANDEM_BASE64_AVX2
// The alphabet by halves of a byte. All characters of one upper half that are
// digits become their values by the same addition, but for '/', which has index
// 1 here, a half without digits. Which lower halves are digits depends on the
// upper one in four ways; a class is a bit, and a character is a digit when its
// lower half is not ruled out in the class of its upper half.
struct HalfTables {
  std::array<uint8_t, 32> class_of_upper, ruled_out_of_lower, addend_of_upper;
};

constexpr HalfTables MakeHalfTables() {
  // Classes of '+' '/'; '0' to '9'; 'A' to 'O' and 'a' to 'o'; 'P' to 'Z' and
  // 'p' to 'z'; no digits.
  constexpr uint8_t kSigns = 1, kNumbers = 2, kFirst = 4, kLast = 8, kNone = 16;
  HalfTables tables = {};
  for (int half = 0; half < 16; ++half) {
    uint8_t ruled_out = kNone;
    if (half != 0xB && half != 0xF) ruled_out |= kSigns;
    if (half > 9) ruled_out |= kNumbers;
    if (half == 0) ruled_out |= kFirst;
    if (half > 0xA) ruled_out |= kLast;
    constexpr uint8_t kClasses[8] = {kNone,  kNone, kSigns, kNumbers,
                                     kFirst, kLast, kFirst, kLast};
    constexpr int kAddends[8] = {0,       63 - '/', 62 - '+', 52 - '0',
                                 0 - 'A', 0 - 'A',  26 - 'a', 26 - 'a'};
    for (int lane : {0, 16}) {
      tables.class_of_upper[lane + half] = half < 8 ? kClasses[half] : kNone;
      tables.ruled_out_of_lower[lane + half] = ruled_out;
      tables.addend_of_upper[lane + half] =
          static_cast<uint8_t>(half < 8 ? kAddends[half] : 0);
    }
  }
  return tables;
}
alignas(32) constexpr HalfTables kHalves = MakeHalfTables();

__attribute__((target("avx2"))) inline __m256i Load(
    const std::array<uint8_t, 32>& table) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(table.data()));
}

// Four digits of six bits in every 32 become three bytes, and those of a lane
// its first twelve; then both lanes' the first 24 of the whole.
__attribute__((target("avx2"))) inline __m256i Pack(__m256i digits) {
  const __m256i pairs =
      _mm256_maddubs_epi16(digits, _mm256_set1_epi32(0x01400140));
  const __m256i groups =
      _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
  const __m256i big_endian = _mm256_setr_epi8(
      2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1,  //
      2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(groups, big_endian),
                                     _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7));
}

// Goes on while 32 characters are digits and the 32 bytes that are written for
// them, 24 of which count, fit into what the characters that are left will
// become.
__attribute__((target("avx2"))) Progress DecodeWithAvx2(Progress progress) {
  const __m256i class_of_upper = Load(kHalves.class_of_upper);
  const __m256i ruled_out_of_lower = Load(kHalves.ruled_out_of_lower);
  const __m256i addend_of_upper = Load(kHalves.addend_of_upper);
  const __m256i half = _mm256_set1_epi8(0x0F);
  const __m256i slash = _mm256_set1_epi8('/');
  while (progress.in_left >= 44) {
    const __m256i text =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(progress.in));
    const __m256i upper = _mm256_and_si256(_mm256_srli_epi32(text, 4), half);
    const __m256i lower = _mm256_and_si256(text, half);
    const __m256i classes = _mm256_shuffle_epi8(class_of_upper, upper);
    const __m256i ruled_out = _mm256_shuffle_epi8(ruled_out_of_lower, lower);
    if (!_mm256_testz_si256(classes, ruled_out)) break;
    const __m256i index =
        _mm256_add_epi8(upper, _mm256_cmpeq_epi8(text, slash));
    const __m256i digits =
        _mm256_add_epi8(text, _mm256_shuffle_epi8(addend_of_upper, index));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(progress.out), Pack(digits));
    progress.in += 32;
    progress.in_left -= 32;
    progress.out += 24;
  }
  return progress;
}
#endif

Progress DecodeFast(Progress progress) {
#ifdef TANDEM_BASE64_AVX2
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return DecodeWithAvx2(progress);
#endif
  return progress;
}

Progress DecodeNothing(Progress progress) { return progress; }

// Characters at a time: `out` grows by what they become, which the processor's
// caches hold, so that filling it with zeros first costs no way to memory.
constexpr size_t kStep = 32 * 1024;

template <class Fast>
absl::Status Decode(absl::string_view text, Fast fast, std::string& out) {
  out.clear();
  TANDEM_ASSIGN_OR_RETURN(const absl::string_view digits, WithoutPadding(text));
  out.reserve(BytesOf(digits.size()));
  for (size_t at = 0; at < digits.size(); at += kStep) {
    const absl::string_view step = digits.substr(at, kStep);
    const size_t have = out.size();
    out.resize(have + BytesOf(step.size()));
    const Progress start{reinterpret_cast<const uint8_t*>(step.data()),
                         step.size(),
                         reinterpret_cast<uint8_t*>(out.data() + have)};
    if (DecodeGroups(fast(start))) continue;
    out.clear();
    return BadDigit(digits);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<size_t> Base64DecodedBytes(absl::string_view text) {
  TANDEM_ASSIGN_OR_RETURN(const absl::string_view digits, WithoutPadding(text));
  return BytesOf(digits.size());
}

absl::Status DecodeBase64(absl::string_view text, std::string& out) {
  return Decode(text, DecodeFast, out);
}

absl::Status DecodeBase64ByTable(absl::string_view text, std::string& out) {
  return Decode(text, DecodeNothing, out);
}

}  // namespace tandem
