#!/usr/bin/env python3
"""Runs the unit tests, the end-to-end tests, the tests by programs of others and, where it is at hand, the acceptance suite.

Prints what failed and what was skipped by name, and ends with "N passed, N failed, N skipped".
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"  # Debian's: its packages are what ci/deps.sh installs
ACCEPT = ROOT.parent / "shared" / "accept" / "run.sh"
SKIPPED = 77


class Tally:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def line(self):
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def read_cmocka(name, out, code):
    t = Tally()
    t.passed = len(re.findall(r"^\[       OK \]", out, re.M))
    reasons = re.findall(r"^SKIPPED: (.*)$", out, re.M)
    for i, m in enumerate(dict.fromkeys(re.findall(r"^\[  SKIPPED \] (\w+)$", out, re.M))):
        t.skipped.append(f"{name}: {m}" + (f" ({reasons[i]})" if i < len(reasons) else ""))
    t.failed = [f"{name}: {m}" for m in dict.fromkeys(re.findall(r"^\[  FAILED  \] (\w+)$", out, re.M))]
    if code != 0 and not t.failed:
        t.failed = [f"{name}: ended with {code}"]
    return t


def read_pytest(name, out, code):
    t = Tally()
    tail = out.strip().splitlines()[-1]
    count = lambda word: int((re.search(rf"(\d+) {word}", tail) or [0, 0])[1])
    t.passed = count("passed")
    t.failed = [f"{name}: {m}" for m in re.findall(r"^(?:FAILED|ERROR) (.*)$", out, re.M)]
    t.skipped = [f"{name}: {m}" for m in re.findall(r"^SKIPPED (.*)$", out, re.M)]
    if code not in (0, 5) and not t.failed:
        t.failed = [f"{name}: ended with {code}"]
    return t


def unit(build, timeout_factor):
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    run = subprocess.run(["meson", "test", "-C", str(build), "--no-rebuild", "-t", str(timeout_factor)],
                         capture_output=True, text=True, check=False)
    total = Tally()
    if not log.exists():
        print(run.stdout[-3000:] + run.stderr[-2000:])
        total.failed.append("unit tests did not run")
        return total
    for line in log.read_text().splitlines():
        r = json.loads(line)
        out, code = (r.get("stdout") or "") + (r.get("stderr") or ""), r["returncode"]
        if code == SKIPPED:
            t = Tally()
            t.skipped = [f"{r['name']}: {(out.strip().splitlines() or ['no reason given'])[-1]}"]
        elif "[==========]" in out:
            t = read_cmocka(r["name"], out, code)
        elif re.search(r"^(=+ )?.*\d+ (passed|failed|skipped).* in [\d.]+s", out, re.M):
            t = read_pytest(r["name"], out, code)
        else:
            t = Tally()
            t.passed, t.failed = (1, []) if code == 0 else (0, [r["name"]])
        if r["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not t.failed and not (code == 5 and t.skipped):
            t.failed = [f"{r['name']}: {r['result']}"]
        if t.failed:
            print(f"--- {r['name']}\n{out[-6000:]}")
        total.add(t)
    return total


def pytest_part(part, build, command):
    """Runs pytest by this command and reads its report; 77 is a part that cannot run here, with the reason in the last line."""
    results = build / f"{part}.xml"
    results.unlink(missing_ok=True)
    env = dict(os.environ, BIN=str(build / "bin"), PYTHONDONTWRITEBYTECODE="1")
    run = subprocess.run([*command, f"--junitxml={results}"], env=env, capture_output=True, text=True, check=False)
    total = Tally()
    if run.returncode == SKIPPED:
        total.skipped.append(f"{part}: {run.stdout.strip().splitlines()[-1]}")
        return total
    if not results.exists():
        print(run.stdout[-3000:] + run.stderr[-2000:])
        total.failed.append(f"{part}: did not run")
        return total
    for case in xml.parse(results).getroot().iter("testcase"):
        name = f"{part}/{case.get('classname', '').split('.')[-1]}: {case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            total.failed.append(name)
        elif skipped is not None:
            whole_file = re.search(r"Skipped: (.*)'", skipped.text or "") if case.get("classname") == "" else None
            total.skipped.append(f"{name} ({whole_file[1] if whole_file else skipped.get('message')})")
        else:
            total.passed += 1
    if total.failed:
        print(run.stdout[-12000:])
    if run.returncode not in (0, 1, 5) and not total.failed:
        total.failed.append(f"{part}: ended with {run.returncode}")
    return total


def e2e(build, extra):
    return pytest_part("e2e", build, [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", "--tb=short", "-n", "2",
                                      "--dist", "loadfile", *extra, str(ROOT / "tests" / "e2e")])


def strangers(build):
    return pytest_part("strangers", build, [str(ROOT / "tests" / "strangers" / "run.sh"), str(build)])


def accept(build, more=True):
    """The suite beside the checkout and, with more, our own groups on the same fixtures."""
    total = Tally()
    if not ACCEPT.exists():
        total.skipped.append("acceptance suite: it is not beside this checkout")
        return total
    if os.geteuid() != 0:
        total.skipped.append("acceptance suite: it needs root")
        return total
    env = dict(os.environ, SKR=str(build / "bin" / "skr"), ACC_MORE=str(ROOT / "tests" / "accept") if more else "")
    run = subprocess.run([str(ACCEPT)], env=env, capture_output=True, text=True, check=False)
    last = re.search(r"^(\d+) passed, (\d+) failed$", run.stdout, re.M)
    if not last:
        total.failed.append("acceptance suite did not run")
    else:
        total.passed = int(last[1])
        total.failed = [f"accept: {m}" for m in re.findall(r"^  (\w+: .*\S)\n      ", run.stdout.split("recorded, not judged")[0], re.M)]
        total.failed = total.failed[:int(last[2])] or [f"accept: {last[2]} tests"] * int(last[2])
    if total.failed or not last:
        print(run.stdout[-8000:] + run.stderr[-2000:])
    return total


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    p.add_argument("--only", default="unit,e2e,strangers,accept", help="comma-separated: contract (accept without our own groups), unit, e2e, strangers, accept")
    p.add_argument("--timeout-factor", type=float, default=1.0, help="for sanitizers and valgrind")
    p.add_argument("--e2e", default="", help="more arguments for pytest")
    a = p.parse_args()
    a.build = a.build.resolve()
    parts = {"unit": lambda: unit(a.build, a.timeout_factor), "e2e": lambda: e2e(a.build, a.e2e.split()),
             "strangers": lambda: strangers(a.build), "accept": lambda: accept(a.build),
             "contract": lambda: accept(a.build, more=False)}
    total = Tally()
    for name in a.only.split(","):
        start = time.monotonic()
        t = parts[name]()
        print(f"{name}: {t.line()} ({time.monotonic() - start:.0f} s)", flush=True)
        total.add(t)
    for s in total.skipped:
        print(f"skipped: {s}")
    for f in total.failed:
        print(f"FAILED: {f}")
    print(total.line())
    return 1 if total.failed or not total.passed else 0


sys.exit(main())
