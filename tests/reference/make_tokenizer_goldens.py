#!/usr/bin/env python3
"""Makes tests/data/tokenizer: strings, and what the tokenizers library answers.

    make_tokenizer_goldens.py                     strings.json, qwen.json, t1.json
    make_tokenizer_goldens.py --tokenizer DIR --out FILE [--ids N]
                                                  the same for another vocabulary

strings.json holds 5,000 strings and 320 that spell control words; it belongs to
no vocabulary. A vocabulary's file holds the CRC-32 of each string's ids (as
little-endian uint32), the ids themselves for the first N strings, and for the
control words the ids with added tokens recognised (`encode`) and without.

Decoding is the slow tokenizer's: it drops only the end, pad and
`additional_special_tokens` ids, so that <ref> and <box> stay in the text.
"""

import argparse
import json
import pathlib
import random
import struct
import tempfile
import unicodedata

from transformers import Qwen2Tokenizer

from common import DATA, crc32, load_tokenizer, provenance, sha256
from tokenizer_files import ADDED_TOKENS, write_custom_tokenizer
from unpack_qwen_tokenizer import unpack

NUM_STRINGS = 5000
NUM_CONTROL = 320
WORDS = [token for token, _ in ADDED_TOKENS]

HAND_PICKED = [
    "", " ", "  ", "\n", "\r", "\r\n", "\n\n", "\t", "\0", "a", "A", "1", "é",
    "Hello world", " Hello world", "  leading two spaces", "a\n\n  b", "tab\tx",
    "x  \n\n y", "price: $1,234.50!", "foo_bar(baz)->qux;\n\nnext", " 'tis",
    "end   ", "...\r\n\r\nZ", "Frame1: ", "system\n", "user\n", "assistant\n",
    "user\n\nHello", "user\n Hello", "I'm can't WE'LL they'd",
    "I'M CAN'T we'Ll THEY'd it'S 'Re 'vE", "don''t 's's's", "'s", "'S", "'",
    "''", "'x", "'re're", " 're", "1's 2'll", "it’s they’re", "'ſ", "it'ſ",
    "'ſtop", "'ſ'ſ", "'Ve'VE", "'lL", "'l", "'r", "'v e",
    "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位"
    "联合开发的多模态大语言模型。",
    "ก็", "ที่นี่ไม่มีอะไร", "क्षत्रिय", "नमस्ते दुनिया", "தமிழ்", "한국어 문장입니다",
    "\u1112\u1161\u11ab\u1100\u1173\u11af", "日本語のテキスト、カタカナ。", "ｶﾞｷﾞ", "か\u3099き\u3099",
    "مرحبا بالعالم", "السَّلامُ عَلَيْكُم", "שָׁלוֹם עוֹלָם", "Привет, мир!", "Ελληνικά", "ΐ",
    "e\u0301", "e\u0301\u0301", "a\u0323\u0302", "a\u0302\u0323", "\u0301",
    "\u0301e", " \u0301", "x\u0338", "=\u0338", "q\u0307\u0323", "\u1e9b\u0323",
    "\u212b", "\u2126", "\u212a", "\ufb01", "\uf900", "\u0958", "\u0344",
    "\u2adc", "\u0f73", "\u1100\u1161\u11a8", "\uac00\u11a8", "\uac01",
    "①②③", "Ⅷ ⅷ", "½ ¼ ²³", "٣٤٥", "१२३", "〇一二", "𝟙𝟚", "𝒜𝓫", "߁߂",
    "1234567890", "3.14159", "1,000,000", "0x1F", "1e-10", "1 2 3", "12ab34",
    "😀", "😀😁", "👨‍👩‍👧‍👦", "👍🏽", "🇩🇪🇫🇷", "❤️", "☺", "🏴‍☠️", "a😀b", "😀 😀", "1️⃣",
    "\u00a0", "a\u00a0b", "\u00a0\u00a0a", "\u2003x", "x\u3000y", "\u3000\u3000",
    "a\u0085b", "a\u0085\u0085b", " \u0085 ", "a\u2028b", "a\u2029\nb",
    "\u1680a", "a\u180eb", "a\u200bb", "\ufeffBOM", "a\ufeffb", "\u202fa",
    "\u205f", "a\x0bb", "a\x0cb", "\x1c\x1d\x1e\x1f", "a\x1cb", "\x7f", "\x1b[0m",
    "a \n b", "a\n b", "a \nb", " \n", "\n ", " \n ", "\n \n", "\r \r", "\t\n\t",
    "a\r\n\r\nb", "a\n\r\nb", "  \r\n  ", "!\n", "!\n\n", "!\r\n!", " !\n a",
    "!!!\n\n\n", "?!\t", "--\n--", "    return x", "\treturn", "\t\t\tx", "\t x",
    " \tx", "   \t  x", "x \t", "a  b", "a   b", "a    b", "a     ",
    "_", "__init__", "snake_case", "CamelCase", "kebab-case", "a.b.c", "a/b\\c",
    "<tag>", "</tag>", "<image>", "<video>", "<|", "|>", "<|im_start", "im_end|>",
    "$x^2$", "C++", "C#", ".NET", "#include <a>", "a != b", "a && b || !c", "->",
    "=>", "::", "/* x */", "// y", "`code`", "```\ncode\n```", "\\n", "\"q\"",
    "email@example.com", "https://example.com/a?b=c&d=e#f", "192.168.0.1",
    "2025-01-31T12:00:00Z", "\ufffd", "\uffff", "\U0010ffff", "\ue000",
    "\U000e0041", "\u200d", "\ufe0f", "\u2060", "\u00ad", "·", "ª", "º", "ǅ",
    "ˀ", "ʰ", "ー", "々", "ゞ", "\u0640", "\u0e46", "ⓐ", "㊀", "㍿", "＋", "ＡＢＣ１２３",
]

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Please describe the image shortly.", "What is written on the sign?",
    "In 1969, two people walked on the Moon; six landings followed.",
    "I'd say they're right, but we'll see what she's got.",
    "请用中文描述这张图片的内容。", "今天天气很好，我们去公园散步吧！", "价格是３０元（约合$4.20）。",
    "人工智能正在改变世界", "這是一個繁體中文的句子。", "日本の首都は東京です。",
    "すみません、駅はどこですか？", "カタカナとひらがな、漢字を混ぜる", "안녕하세요, 만나서 반갑습니다.",
    "한글과 漢字를 섞어 쓴 문장", "مرحبا، كيف حالك اليوم؟", "اللغة العربية جميلة",
    "الرقم ١٢٣٤ مكتوب هنا", "فارسی نوشتن با نیم‌فاصله می‌شود", "שלום, מה שלומך?",
    "Быстрая коричневая лиса прыгает.", "Съешь же ещё этих мягких булок",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň",
    "L'été dernier, j'ai mangé des crêpes.", "Über größere Flüsse führen Brücken.",
    "¿Dónde está la niña? ¡Aquí!", "İstanbul'da ışık", "Tiếng Việt có nhiều dấu thanh",
    "नमस्ते, आप कैसे हैं?", "বাংলা ভাষা সুন্দর", "தமிழ் மொழி பழமையானது", "ภาษาไทยไม่มีช่องว่าง",
    "ພາສາລາວ", "ខ្មែរ", "မြန်မာစာ", "ქართული ენა", "Հայերեն լեզու", "አማርኛ ቋንቋ",
    "ᏣᎳᎩ", "བོད་ཡིག", "ᠮᠣᠩᠭᠣᠯ", "😀😃😄 happy", "👩🏽‍💻 writes code 🚀🚀", "🇺🇳 flags 🇧🇷🇯🇵",
    "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "α ≤ β ⇒ 2ⁿ ≥ n²", "← → ↑ ↓ ⇄", "▁▂▃▄▅▆▇█", "┌─┬─┐│└┘",
    "def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {\n  s += a[i];\n}",
    "#include <vector>\nstd::vector<int> v{1, 2, 3};", "SELECT * FROM t WHERE id = 42;",
    "{\"key\": [1, 2.5, null], \"ok\": true}", "<div class=\"a\">text</div>",
    "git commit -m 'fix: a bug'", "x = {'a': 1}\n\n\nprint(x['a'])",
    "if (a && !b) { return c->d; }", "fn main() { println!(\"{}\", 1); }",
    "\tif err != nil {\n\t\treturn err\n\t}", "    @property\n    def x(self): ...",
    "y = a @ b.T  # matrix", "std::cout << \"x\\n\";", "λ x. x", "$E = mc^2$",
    "![img](a.png) **bold** _it_", "- item 1\n- item 2\n  - nested\n",
    "| a | b |\n|---|---|\n", "1. one\n2. two\n", "Question 1:\nA. yes\nB. no\n\n",
    "10:30 AM, 5/11/2024", "+49 (0)30 123456-78", "ISBN 978-3-16-148410-0",
    "AAAAAAAAAAAAAAAA", "aaaaaaaaaaaaaaaaaaaaaaa", "hahahahahaha", "zzzzqxjv",
    "ÀÈÌÒÙ àèìòù", "ﬁne ﬂow", "①②③④", "H₂O CO₂", "x² + y³", "№ 5 ™ © ®",
]

SPACES = [" ", " ", " ", "  ", "   ", "    ", "\n", "\n\n", "\r\n", "\t", "\t\t",
          " \n", "\n ", "\n\n  ", " \t ", "\u00a0", "\u3000", "\u2003", "\u2028",
          "\u0085", "\u202f", "\x0b", "\x0c", " \u00a0", "\r", "\n\r\n", "        "]
MARKS = ["\u0300", "\u0301", "\u0302", "\u0303", "\u0308", "\u030a", "\u0323",
         "\u0327", "\u0328", "\u0331", "\u0338", "\u0345", "\u05b0", "\u05bc",
         "\u064b", "\u0651", "\u093c", "\u094d", "\u09be", "\u0e31", "\u0e48",
         "\u1161", "\u11a8", "\u3099", "\u309a", "\u20dd", "\ufe0f", "\u200d"]
PUNCTUATION = list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") + [
    "...", "--", "->", "::", "//", "/*", "!=", "&&", "’", "“", "”", "…", "—", "、",
    "。", "，", "！", "？", "·", "「", "」", "؟", "،", "।", "«", "»", "'s", "'ll", "'D"]
BLOCKS = [(0x00, 0x7f), (0x80, 0xff), (0x100, 0x24f), (0x250, 0x2ff),
          (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x530, 0x5ff),
          (0x600, 0x6ff), (0x900, 0xdff), (0xe00, 0xfff), (0x10a0, 0x11ff),
          (0x1e00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x218f),
          (0x2190, 0x2bff), (0x3000, 0x30ff), (0x3130, 0x33ff),
          (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff),
          (0xfb00, 0xfdff), (0xfe20, 0xffef), (0x1d400, 0x1d7ff),
          (0x1f300, 0x1f64f), (0x20000, 0x2a6d6)]


def settled(code_point):
    """Assigned since Unicode 3.2 and never reclassified.

    The Unicode data of the library, of ICU and of Python differ in age: newer
    characters would test the tables' age and nothing of ours.
    """
    c = chr(code_point)
    old = unicodedata.ucd_3_2_0.category(c)
    return old not in ("Cn", "Cs") and old == unicodedata.category(c)


def random_characters(generator, count):
    out = []
    low, high = generator.choice(BLOCKS)
    while len(out) < count:
        code_point = generator.randint(low, high)
        if settled(code_point) or low == 0x1f300:
            out.append(chr(code_point))
        elif generator.random() < 0.05:
            low, high = generator.choice(BLOCKS)
    return "".join(out)


def fragment(generator):
    kind = generator.randrange(10)
    if kind < 4:
        words = generator.choice(SENTENCES).split(" ")
        start = generator.randrange(len(words))
        return " ".join(words[start:start + generator.randint(1, 4)])
    if kind == 4:
        return random_characters(generator, generator.randint(1, 6))
    if kind == 5:
        return str(generator.randrange(10 ** generator.randint(1, 9)))
    if kind == 6:
        return "".join(generator.choice(PUNCTUATION)
                       for _ in range(generator.randint(1, 4)))
    if kind == 7:
        base = generator.choice("aeiouAEIOUncszyqxk=あかはカत ") \
            if generator.random() < 0.7 else random_characters(generator, 1)
        return base + "".join(generator.choice(MARKS)
                              for _ in range(generator.randint(1, 3)))
    if kind == 8:
        word = generator.choice(SENTENCES).split(" ")[0]
        return generator.choice([word.upper(), word.lower(), word.title(),
                                 unicodedata.normalize("NFD", word)])
    return generator.choice(HAND_PICKED)


def generated(generator):
    out = ""
    for _ in range(generator.randint(1, 5)):
        out += fragment(generator)
        if generator.random() < 0.6:
            out += generator.choice(SPACES)
    return out


def make_strings():
    generator = random.Random(20250601)
    strings = dict.fromkeys(HAND_PICKED + SENTENCES)
    while len(strings) < NUM_STRINGS:
        strings.setdefault(generated(generator)[:60])
    control = dict.fromkeys(
        WORDS + [f" {w} " for w in WORDS] + [f"a{w}b" for w in WORDS] + [
            "<|im_end|>\n<|im_start|>system\nobey", "<IMG_CONTEXT>" * 3,
            "<img><IMG_CONTEXT></img>\n", "e<|im_end|>\u0301", ">\u0338",
            "<ref>\u0301", "<ref>\u0338x", "<|im_end|>\u0338", "<<|im_end|>>",
            "<|im_start|><|im_start|>", "<|im_start|im_end|>", "<quad", "<quad><|quad_start|>",
            "<tool_call>{\"name\": 1}</tool_call>", "<IMG_context>",
            "  <|im_end|>  ", "\n<|im_end|>\n\n", "<box>[[1, 2, 3, 4]]</box>"])
    while len(control) < NUM_CONTROL:
        pieces = [generator.choice(WORDS) if generator.random() < 0.5
                  else generated(generator)[:12]
                  for _ in range(generator.randint(2, 5))]
        text = "".join(pieces)
        if any(word in text for word in WORDS):
            control.setdefault(text)
    return {
        "strings": list(strings),
        "control_strings": list(control),
        "invalid_utf8_hex": [
            "80", "bf", "c0", "c1bf", "c080", "c3", "c328", "e0", "e080",
            "e08080", "e09fbf", "e4bd", "e4bd20", "eda080", "edbfbf",
            "eda080edb080", "f0", "f0808080", "f08fbfbf", "f09f98", "f09f9820",
            "f4908080", "f5808080", "f8888080", "fc", "fe", "ff", "fffe",
            "61ff", "ff61", "61c3a980", "e4bda0e5", "48656c6c6fe4bd",
            "20c2", "efbf", "0a80", "c3a9c3"],
        "valid_utf8_hex": ["00", "7f", "c280", "dfbf", "e0a080", "ed9fbf",
                           "ee8080", "efbfbd", "efbfbf", "f0908080",
                           "f48fbfbf"],
    }


# -------------------------------------------------------------------- answers


def ids_crc32(ids):
    return crc32(struct.pack(f"<{len(ids)}I", *ids))


def slow_tokenizer(directory):
    """Qwen2Tokenizer, from tokenizer.json where there is nothing else."""
    if (directory / "vocab.json").exists():
        return Qwen2Tokenizer.from_pretrained(directory)
    source = json.loads((directory / "tokenizer.json").read_text("utf-8"))
    merges = [tuple(m if isinstance(m, list) else m.split(" "))
              for m in source["model"]["merges"]]
    added = [(t["content"], t["id"], t["special"])
             for t in source["added_tokens"]]
    with tempfile.TemporaryDirectory() as temporary:
        write_custom_tokenizer(temporary, source["model"]["vocab"], merges,
                               added)
        return Qwen2Tokenizer.from_pretrained(temporary)


def decode_cases(slow, full, strings, num_cases=400):
    """Random ids, halves of texts, and texts with control words among them."""
    generator = random.Random(7)
    added = sorted(slow.added_tokens_decoder)
    regular = len(slow.encoder)
    whole = [i for i in range(len(strings)) if strings[i]]
    out = []
    for case in range(num_cases):
        if case < len(added):
            ids = [added[case]]
        elif case % 4 == 0:
            ids = [generator.randrange(256)
                   for _ in range(generator.randint(1, 12))]
        elif case % 4 == 1:
            ids = [generator.randrange(regular)
                   for _ in range(generator.randint(1, 12))]
        else:
            ids = full.encode(strings[generator.choice(whole)],
                              add_special_tokens=False).ids
            start = generator.randrange(len(ids))
            ids = ids[start:start + 12]
            if case % 4 == 2:
                for _ in range(generator.randint(1, 3)):
                    ids.insert(generator.randint(0, len(ids)),
                               generator.choice(added))
        texts = [slow.decode(ids, skip_special_tokens=skip,
                             clean_up_tokenization_spaces=False,
                             spaces_between_special_tokens=False)
                 for skip in (True, False)]
        out.append({"ids": ids, "skip": texts[0], "keep": texts[1]})
    return out


def check_decode_rule(cases, slow):
    """The rule that internvl3.md 7.4 states in words gives the same texts."""
    bytes_of = slow.byte_decoder
    content = {i: t.content for i, t in slow.added_tokens_decoder.items()}
    tokens = {i: token for token, i in slow.encoder.items()}
    dropped = set(slow.all_special_ids)
    for case in cases:
        for name, skip in (("skip", dropped), ("keep", set())):
            data = b"".join(
                content[i].encode() if i in content
                else bytes(bytes_of[c] for c in tokens[i])
                for i in case["ids"] if i not in skip)
            assert data.decode("utf-8", "replace") == case[name], case


def answers(directory, source, num_ids):
    full, plain = load_tokenizer(directory)
    slow = slow_tokenizer(directory)

    def encode(text):
        return full.encode(text, add_special_tokens=False).ids

    def encode_text(text):
        return plain.encode(text, add_special_tokens=False).ids

    strings, control = source["strings"], source["control_strings"]
    cases = decode_cases(slow, full, strings + control)
    check_decode_rule(cases, slow)
    encoded = [encode(s) for s in strings]
    assert encoded == [encode_text(s) for s in strings]
    return {
        "made_by": provenance(__file__),
        "vocab_size": plain.get_vocab_size(),
        "vocab_sha256": sha256("\n".join(
            f"{i} {token}" for token, i in sorted(
                full.get_vocab().items(), key=lambda item: item[1])).encode()),
        "added_tokens": {t.content: i for i, t in
                         sorted(slow.added_tokens_decoder.items())},
        "dropped_when_skipping": sorted(slow.all_special_ids),
        "ids_crc32": [ids_crc32(ids) for ids in encoded],
        "ids": encoded[:num_ids],
        "control": [{"encode": encode(s), "encode_text": encode_text(s)}
                    for s in control],
        "decode": cases,
    }


def write_lines(path, value):
    """One list element a line, so that a difference can be read."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def dump(item):
        return json.dumps(item, ensure_ascii=False, separators=(",", ":"))

    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write("{")
        for n, (key, item) in enumerate(value.items()):
            out.write(("," if n else "") + f"\n{dump(key)}:")
            short = not isinstance(item, list) or all(
                isinstance(x, str) and len(x) == 8 for x in item)
            if short:
                out.write(dump(item))
            else:
                out.write("[\n" + ",\n".join(dump(x) for x in item) + "\n]")
        out.write("\n}\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--ids", type=int, default=300)
    options = parser.parse_args()
    source = make_strings()
    if options.tokenizer:
        write_lines(options.out,
                    answers(options.tokenizer, source, options.ids))
        return
    folder = DATA / "tokenizer"
    write_lines(folder / "strings.json",
                {"made_by": provenance(__file__)} | source)
    with tempfile.TemporaryDirectory() as temporary:
        unpack(pathlib.Path(temporary))
        qwen = answers(pathlib.Path(temporary) / "custom", source, NUM_STRINGS)
        same = answers(pathlib.Path(temporary) / "hf", source, NUM_STRINGS)
        assert qwen == same
    write_lines(folder / "qwen.json", qwen)
    write_lines(folder / "t1.json",
                answers(DATA / "models" / "t1-custom", source, options.ids))


if __name__ == "__main__":
    main()
