#!/usr/bin/env python3
"""Fails where the documents and the sources do not agree:

- docs/errors.md has a row for every reason of common/errors.h, and for nothing else;
- a link from one file of the repository to another leads somewhere.
"""
import pathlib
import re
import sys

REASON = re.compile(r'^inline constexpr char k\w+\[\] = "(\w+)";', re.MULTILINE)
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \|", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def unlike_reasons(page, header):
    """What docs/errors.md says too little, too much or twice."""
    reasons = REASON.findall(header)
    rows = ROW.findall(page)
    if not reasons:
        yield "common/errors.h: no reasons found"
    for reason in sorted(set(reasons) - set(rows)):
        yield f"docs/errors.md: {reason} is missing"
    for row in sorted(set(rows) - set(reasons)):
        yield f"docs/errors.md: {row} is no reason of common/errors.h"
    for row in sorted(set(rows)):
        if rows.count(row) > 1:
            yield f"docs/errors.md: {row} has {rows.count(row)} rows"


def anchors(page):
    """What a link may name behind "#": headings in lower case, dashes for spaces."""
    words = (re.sub(r"[^\w\- ]", "", x.lower()) for x in HEADING.findall(page))
    return {x.strip().replace(" ", "-") for x in words}


def dead_links(root):
    pages = [*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("examples/*.md")]
    pages += [*root.glob("clients/*/README.md"), *root.glob("models/*/README.md")]
    pages += root.glob("tests/**/README.md")
    for page in sorted(pages):
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        for target, anchor in LINK.findall(text):
            where = f"{page.relative_to(root)}: {target}"
            if ":" in target:
                continue
            other = page.parent / target
            if not other.exists():
                yield f"{where} is not there"
            elif anchor and anchor not in anchors(other.read_text(encoding="utf-8")):
                yield f"{where} has no heading #{anchor}"


def main(root):
    page = (root / "docs" / "errors.md").read_text(encoding="utf-8")
    header = (root / "common" / "errors.h").read_text(encoding="utf-8")
    # Could this see a difference at all?
    assert list(unlike_reasons(page.replace("| `OVERLOADED` |", "| |"), header))
    assert list(unlike_reasons(page + "| `NO_SUCH_REASON` |\n", header))
    found = [*unlike_reasons(page, header), *dead_links(root)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
