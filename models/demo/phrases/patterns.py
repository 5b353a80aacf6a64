"""Patterns of wordings: [a|b] is either of them, [a|] leaves it out at times, and brackets may stand in brackets.

The files patterns/en_*.txt and patterns/zh_*.txt have one pattern a line below
a line "# key" that says which question it asks. A pattern stands for many
wordings, so the model meets a word beside many others and learns what the word
itself asks for. Only training uses them.

    python3 -m phrases.patterns              checks all of them and prints how many wordings each key has
    python3 -m phrases.patterns en name 20   prints twenty wordings
"""

import pathlib
import random
import re
import sys

_FOLDER = pathlib.Path(__file__).resolve().parent / "patterns"
_INNERMOST = re.compile(r"\[([^\[\]]*)\]")
_BEFORE_A_STOP = re.compile(r" +(?=[?.!,;:])")


def load(language):
    """{key: patterns} of a language ("en" or "zh")."""
    patterns = {}
    for path in sorted(_FOLDER.glob(f"{language}_*.txt")):
        key = None
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("# "):
                key = line[2:].strip()
            elif line:
                if key is None:
                    raise ValueError(f"{path.name}: {line!r} stands below no key")
                patterns.setdefault(key, []).append(line)
    return {key: tuple(lines) for key, lines in patterns.items()}


def expand(rng, pattern):
    """One wording of a pattern."""
    while "[" in pattern:
        pattern = _INNERMOST.sub(lambda match: rng.choice(match[1].split("|")), pattern)
    return _BEFORE_A_STOP.sub("", " ".join(pattern.split()))


def wordings(pattern):
    """How many wordings a pattern stands for, twice the same ones counted twice."""
    total = [[0, 1]]  # of every open bracket: the sum of its finished parts, the product of the open one
    for sign in pattern:
        if sign == "[":
            total.append([0, 1])
        elif sign == "|" and len(total) > 1:
            total[-1] = [total[-1][0] + total[-1][1], 1]
        elif sign == "]":
            done = sum(total.pop())
            total[-1][1] *= done
    return total[0][1]


def letters(text):
    """What two wordings that differ in capitals, spaces and stops alone have in common."""
    return re.sub(r"\W", "", text.lower())


def matcher(pattern):
    """A regular expression that matches the letters of all wordings of a pattern,
    its slots as they are."""
    signs = {"[": "(?:", "|": "|", "]": ")"}
    return re.compile("".join(signs.get(sign, letters(sign)) for sign in pattern))


def _check(language, templates, seen, unseen):
    """Errors of a language's patterns, as text."""
    rng = random.Random(0)
    for key, lines in templates.items():
        if key not in seen:
            yield f"{language} {key}: there is no such key"
            continue
        slots = {slot for template in seen[key] for slot in re.findall(r"\{(\w+)\}", template)}
        held_out = [letters(template) for template in unseen.get(key, ())]
        for line in lines:
            if line.count("[") != line.count("]"):
                yield f"{language} {key}: brackets do not match in {line!r}"
                continue
            matches = matcher(line).fullmatch
            made = [text for text in held_out if matches(text)]
            if made:
                yield f"{language} {key}: {line!r} makes the held-out {made[0]!r}"
            for _ in range(50):
                text = expand(rng, line)
                used = set(re.findall(r"\{(\w+)\}", text))
                if not used <= slots or (slots and not used):
                    yield f"{language} {key}: has slots {used}, of {slots}: {text!r}"
                    break
                if "|" in text or "]" in text:
                    yield f"{language} {key}: a bar or bracket is left in {text!r}"
                    break


def main():
    from phrases import en, zh
    names = {"en": en, "zh": zh}
    if len(sys.argv) > 3:
        _, language, key, count = sys.argv
        lines, rng = load(language)[key], random.Random()
        for _ in range(int(count)):
            print(expand(rng, rng.choice(lines)))
        return
    bad = []
    for language, words in names.items():
        patterns = load(language)
        bad += _check(language, patterns, words.SEEN, words.UNSEEN)
        for key, lines in patterns.items():
            print(f"{language} {key}: {len(lines)} patterns, {sum(map(wordings, lines)):,} wordings")
    if bad:
        raise SystemExit("\n".join(bad))


if __name__ == "__main__":
    main()
