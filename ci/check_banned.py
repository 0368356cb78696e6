#!/usr/bin/env python3
"""Refuses calls and words that have no place in the sources."""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
CALLS = r"\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|system|popen|alloca|gets|rand|srand|tmpnam|mktemp)\s*\("
EXIT = r"(?<!_)\bexit\s*\("
LINE_COMMENT = r"^\s*//|[;{})]\s*//"
# memcmp on bytes that are no secrets; everything else goes through digest_equal().
MEMCMP_OK = {"src/base/buf.c", "src/base/flags.c", "src/base/str.c", "src/codec/json.c"}
MEMCMP_NOTE = "not secret:"

problems = []


def strip_strings(line):
    return re.sub(r'"(\\.|[^"\\])*"', '""', line)


def main():
    for path in sorted(p for top in ("src", "tests", "bench") for p in root.joinpath(top).rglob("*.[ch]")):
        rel = str(path.relative_to(root))
        comment = False
        for n, raw in enumerate(path.read_text().splitlines(), 1):
            if "://" not in raw and re.search(LINE_COMMENT, raw):
                problems.append(f"{rel}:{n}: write /* */ comments")
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", raw):
                problems.append(f"{rel}:{n}: unfinished: {raw.strip()[:60]}")
            line = strip_strings(raw)
            if comment or line.lstrip().startswith(("/*", "*")):
                comment = ("/*" in line or comment) and "*/" not in line
                continue
            line = re.sub(r"/\*.*?\*/", "", line)
            if "/*" in line:
                comment, line = True, line.split("/*")[0]
            for m in re.finditer(CALLS, line):
                problems.append(f"{rel}:{n}: {m.group(1)}() is banned")
            if re.search(r"\bgoto\b", line):
                problems.append(f"{rel}:{n}: goto is banned")
            if re.search(EXIT, line) and not rel.startswith(("src/cmd/", "src/tools/", "src/sim/", "tests/")):
                problems.append(f"{rel}:{n}: exit() belongs to cmd/, tools/ and sim/")
            if re.search(r"\bmemcmp\s*\(", line) and rel.startswith("src/") and rel not in MEMCMP_OK and MEMCMP_NOTE not in raw:
                problems.append(f"{rel}:{n}: memcmp(): use digest_equal(), or say on the line /* {MEMCMP_NOTE} ... */")
    print("\n".join(problems) or "banned calls: ok")
    return 1 if problems else 0


sys.exit(main())
