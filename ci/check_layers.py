#!/usr/bin/env python3
"""Refuses includes that go up a floor, libraries outside their one door, and files that are too long."""
import pathlib
import re
import sys

FLOORS = {"base": 0, "codec": 1, "crypto": 2, "http": 3, "azure": 4, "attest": 5, "skr": 6, "server": 7, "encfs": 7,
          "cmd": 8, "tools": 8, "sim": 8}
APART = {("server", "encfs"), ("encfs", "server"), ("cmd", "sim"), ("sim", "cmd"), ("cmd", "tools"), ("tools", "cmd")}
# Library header -> where it may be included (floor directory or file prefix).
DOORS = {
    r"openssl/": ("crypto/",),
    r"(nettle/|gmp\.h)": ("crypto/",),
    r"curl/": ("http/client_curl",),
    r"microhttpd\.h": ("server/httpd", "sim/simhttpd"),
    r"jansson\.h": ("codec/",),
    r"expat\.h": ("azure/blob",),
    r"cbor": ("codec/cbor",),
    r"fuse": ("encfs/image_fs",),
    r"libcryptsetup\.h": ("encfs/volume",),
}
MAX_C, MAX_H, MAX_FUNCTION = 500, 150, 60

root = pathlib.Path(__file__).resolve().parent.parent
problems = []


def check_includes(path, text):
    rel = path.relative_to(root / "src")
    floor = rel.parts[0]
    for n, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        where, name = f"src/{rel}:{n}", m.group(2)
        if m.group(1) == "<":
            for pattern, doors in DOORS.items():
                if re.match(pattern, name) and not str(rel).startswith(doors):
                    problems.append(f"{where}: <{name}> has its door at {', '.join(doors)}")
            continue
        other = name.split("/")[0]
        if "/" not in name:
            if name != "build_id.h":
                problems.append(f'{where}: write "{floor}/{name}"')
        elif other not in FLOORS:
            problems.append(f"{where}: \"{name}\" is on no floor")
        elif FLOORS[other] > FLOORS[floor] or (floor, other) in APART:
            problems.append(f"{where}: floor {FLOORS[floor]} ({floor}) may not include \"{name}\"")


def check_sizes(path, text):
    lines = text.splitlines()
    limit = MAX_H if path.suffix == ".h" else MAX_C
    if len(lines) > limit:
        problems.append(f"{path.relative_to(root)}: {len(lines)} lines, at most {limit}")
    start = None
    for n, line in enumerate(lines, 1):
        if line == "{":
            start = n
        elif line == "}" and start is not None:
            if n - start + 1 > MAX_FUNCTION + 2:
                problems.append(f"{path.relative_to(root)}:{start}: a function of {n - start - 1} lines, at most {MAX_FUNCTION}")
            start = None


def main():
    for path in sorted((root / "src").rglob("*.[ch]")):
        text = path.read_text()
        check_includes(path, text)
        check_sizes(path, text)
    for path in sorted((root / "tests").rglob("*.[ch]")):
        check_sizes(path, path.read_text())
    print("\n".join(problems) or "layers: ok")
    return 1 if problems else 0


sys.exit(main())
