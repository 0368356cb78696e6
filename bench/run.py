#!/usr/bin/python3
"""Measures a build on this machine, over loopback, in at most about four minutes (--quick: one).

Prints the machine, then a table: each figure with the median and the spread of its repetitions, the goal, and whether it is met.
GO_SKR=path of the Go original's skr measures its start, memory and /status beside ours in the same run.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import chart  # noqa: E402
import figures  # noqa: E402
import lab  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


def read(path, pattern=r"(.*)"):
    try:
        m = re.search(pattern, pathlib.Path(path).read_text())
    except OSError:
        return None
    return m[1].strip() if m else None


def busy_share(seconds=1.0):
    """What others take of all processors while we do nothing."""
    def ticks():
        t = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return sum(t), t[3] + t[4]
    all1, idle1 = ticks()
    time.sleep(seconds)
    all2, idle2 = ticks()
    return 1 - (idle2 - idle1) / max(all2 - all1, 1)


def machine():
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False).stdout.strip()
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "build": commit or "unknown",
            "processor": read("/proc/cpuinfo", r"model name\s*:\s*(.*)") or platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "memory_mb": int(read("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) // 1024,
            "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not readable",
            "load": read("/proc/loadavg", r"(\S+ \S+ \S+)"), "busy_before": round(busy_share(), 2)}


def measure(bench, quick, only, progress):
    """Lists of values by figure, and what the reference computation took between them."""
    values, reference = {}, []
    for name, function, n, n_quick, limit_s in figures.GROUPS:
        if only and not re.search(only, name):
            continue
        start = time.monotonic()
        reference.append(lab.reference())
        repetitions = n_quick if quick else n
        for i in range(repetitions):
            if i > 0 and time.monotonic() - start > (limit_s / 4 if quick else limit_s):
                break
            progress(f"{name}, {i + 1} of {repetitions}")
            for figure, value in function(bench).items():
                values.setdefault(figure, []).append(value)
    return values, reference


def judge(name, values, others):
    title, unit, goal, better = figures.FIGURES[name]
    median = low = high = met = None
    if values:
        median, low, high = statistics.median(values), min(values), max(values)
        against = (high if better == "low" else low) if name in figures.WORST else median
        met = None if goal is None else against <= goal if better == "low" else against >= goal
    return {"name": name, "title": title, "unit": unit, "goal": goal, "better": better, "median": median, "low": low, "high": high, "n": len(values),
            "met": met, "original": figures.ORIGINAL.get(name), "original_here": statistics.median(others) if others else None}


def number(x):
    if x is None:
        return "-"
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def ratio(ours, theirs, better):
    """How many times better we are."""
    if not ours or not theirs:
        return "-"
    return f"{theirs / ours if better == 'low' else ours / theirs:.2f}×"


def row(f, compare, here):
    met = {True: "yes", False: "NO", None: "-"}[f["met"]] if f["n"] else "not measured"
    goal = "-" if f["goal"] is None else ("≤ " if f["better"] == "low" else "≥ ") + number(f["goal"])
    spread = f"{number(f['low'])} – {number(f['high'])}" if f["n"] > 1 else "-"
    cells = [f["title"], f["unit"], number(f["median"]), spread, str(f["n"]), goal, met, number(f["original"])]
    if here:
        cells += [number(f["original_here"]), ratio(f["median"], f["original_here"], f["better"])]
    if compare is not None:
        before = compare.get(f["name"], {}).get("median")
        cells += [number(before), ratio(f["median"], before, f["better"])]
    return cells


def print_table(result, compare):
    here = any(f["original_here"] for f in result["figures"])
    head = ["figure", "unit", "median", "spread", "n", "goal", "met", "Go original (measured on such a machine)"]
    if here:
        head += ["Go original here", "ratio"]
    if compare is not None:
        head += ["before", "ratio"]
    rows = [head] + [row(f, compare, here) for f in result["figures"]]
    width = [max(len(r[i]) for r in rows) for i in range(len(head))]
    line = lambda r: "| " + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, width))) + " |"
    print(line(rows[0]))
    print("|" + "|".join("-" * (w + 2) for w in width) + "|")
    for r in rows[1:]:
        print(line(r))


def print_facts(facts):
    print(f"build {facts['build']}, {facts['date']}\n{facts['processor']}, {facts['cores']} cores, {facts['memory_mb']} MB, Linux {facts['kernel']}, "
          f"governor {facts['governor']}\nload {facts['load']}, others take {facts['busy_before']:.0%} of the processors before the run")
    ms, times = zip(*facts["reference"])
    print(f"between the figures, one fixed computation took {min(ms):.1f} to {max(ms):.1f} ms of processor time, and up to {max(times):.1f} "
          "times that by the clock")
    if facts["busy_before"] > 0.1 or max(times) > 1.2:
        print("The machine is not quiet: times and rates are bounds of what it can do; processor times suffer less, memory does not.")
    if facts["cores"] < 2:
        print("One core: skr, its callers and its cloud share it.")
    print()


def print_notes(result):
    print()
    if not result["sessions"]:
        print("This build has no attestation sessions: the warm rows are not measured.")
    print("/attest/raw: /dev/sev-guest is played by bench/fake_device.c, at no cost. Releases: reports are signed by cloudsim, over loopback, and")
    print("skr asks it for one in each session: that is part of the times and of skr's processor time.")
    for name, (seen, failed, retries) in result["failing"].items():
        kind = figures.WARM if name == "fail_warm" else figures.COLD
        print(f"1 % of answers are 503, {kind}: {failed} of {seen} releases failed; {retries} requests to services were made again")
    for text in result["failures"]:
        print(f"a failure of the burst: {text}")


def run(a, progress):
    with tempfile.TemporaryDirectory(prefix="skr-bench-") as folder, contextlib.ExitStack() as after:
        facts, start = machine(), time.monotonic()
        bench = figures.Lab(a.bin.resolve(), pathlib.Path(folder), after, os.environ.get("GO_SKR"))
        values, reference = measure(bench, a.quick, a.only, progress)
        failing = {k: v for k, v in bench.notes.items() if k.startswith("fail_")}
        return {"facts": dict(facts, reference=[(round(ms, 1), round(times, 2)) for ms, times in reference], seconds=round(time.monotonic() - start), load_after=read("/proc/loadavg", r"(\S+ \S+ \S+)")),
                "sessions": bench.has_sessions, "failing": failing, "failures": [v for k, v in bench.notes.items() if k == "burst_failed" and v],
                "figures": [judge(n, values.get(n, []), values.get(n + "@go", [])) for n in figures.FIGURES if not a.only or n in values]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin", help="folder of the programs")
    p.add_argument("--quick", action="store_true", help="fewer repetitions, at most a minute")
    p.add_argument("--only", metavar="REGEX", help="only these groups: " + ", ".join(g[0] for g in figures.GROUPS))
    p.add_argument("--json", type=pathlib.Path, metavar="FILE", help="keep the result for a later --compare")
    p.add_argument("--compare", type=pathlib.Path, metavar="OLD.json", help="add ratios to an earlier result; above 1 is better")
    a = p.parse_args()
    terminal = sys.stderr.isatty()

    def progress(text):
        if terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    compare = {f["name"]: f for f in json.loads(a.compare.read_text())["figures"]} if a.compare else None
    result = run(a, progress)
    progress("")
    print_facts(result["facts"])
    print_table(result, compare)
    print_notes(result)
    if a.json:
        a.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    plot = a.bin.resolve().parent / "bench" / "bench.svg"
    plot.write_text(chart.draw(result["figures"], f"skr {result['facts']['build']} on {result['facts']['processor']}"))
    print(f"plot: {plot}; {result['facts']['seconds']} s")
    return 0


sys.exit(main())
