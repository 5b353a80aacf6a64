#!/usr/bin/env python3
"""Fails on an #include that goes against the arrows of ARCHITECTURE.md.

proto <- common <- kernels <- {vision_service, llm_service, gateway} <- cli
"""
import pathlib
import re
import sys

MAY_SEE = {
    "common": {"common"},
    "kernels": {"common", "kernels"},
    "vision_service": {"common", "kernels", "vision_service"},
    "llm_service": {"common", "kernels", "llm_service"},
    "gateway": {"common", "gateway"},
    "cli": {"common", "kernels", "vision_service", "llm_service", "gateway", "cli"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Seen by kernels in no message: the one room below tensors that knows protos.
NO_PROTO = {"kernels"}


def breaches(root):
    for room, allowed in MAY_SEE.items():
        for path in sorted((root / room).rglob("*")):
            if path.suffix not in (".h", ".cc", ".cu", ".cuh"):
                continue
            text = path.read_text(encoding="utf-8")
            for include in INCLUDE.findall(text):
                first = include.split("/")[0]
                if first in MAY_SEE and first not in allowed:
                    yield f"{path.relative_to(root)}: {room} must not see {include}"
                if room in NO_PROTO and include.startswith("tandem/v1/"):
                    yield f"{path.relative_to(root)}: {room} must not see a message"
            # kernels/cpu/simd.h is meant to be included at several levels.
            guarded = "#pragma once" in text or "TANDEM_LEVEL" in text
            if path.suffix == ".h" and not guarded:
                yield f"{path.relative_to(root)}: no #pragma once"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = list(breaches(root))
    for line in found:
        print(line)
    print(f"layering: {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
