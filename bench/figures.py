"""What is measured: one table of figures with their goals, and one function for each group of them.

A function measures once and returns {figure: value}; run.py repeats it. A value of a figure that is not in the table is an error.
"""
import contextlib
import time

import lab

# What the Go original took, measured on such a machine (2 cores of a server processor, the same cloud on loopback).
ORIGINAL = {"release_0": 38, "release_20": 102, "rate": 23, "cpu_cold": 44, "release_20_cold": 102, "burst_status": 7200, "burst_done": 13,
            "burst_rss": 86, "raw_rps": 25200, "raw_cpu": 39, "status_rps": 75500, "status_cpu": 13, "idle_rss": 17, "start": 4, "first_key": 56,
            "fail_warm": 1, "fail_cold": 1}

WARM, COLD = "warm", "session per release"

# name: (title, unit, goal, better)
FIGURES = {
    "release_0": (f"release, 1 caller, services at 0 ms, {WARM}: p50", "ms", 2, "low"),
    "release_0_cold": (f"the same, {COLD}, pool filled: p50", "ms", 5, "low"),
    "release_20": (f"release, 1 caller, services at 20 ms, {WARM}: p50", "ms", 22, "low"),
    "release_20_cold": (f"the same, {COLD}, pool filled: p50", "ms", 45, "low"),
    "rate": (f"releases/s, 64 callers, {WARM}", "/s", 500, "high"),
    "rate_cold": (f"the same, {COLD}", "/s", None, "high"),
    "cpu_warm": (f"processor time of a release, {WARM}", "ms", 2, "low"),
    "cpu_cold": (f"the same, {COLD}", "ms", 44, "low"),
    "burst_status": ("256 releases on an attestation of 2 s: /status p99 meanwhile", "ms", 10, "low"),
    "burst_done": ("  all answered after", "s", 2.5, "low"),
    "burst_rss": ("  peak memory", "MB", 24, "low"),
    "burst_failed": ("  releases that failed", "", 0, "low"),
    "raw_rps": ("/attest/raw, 64 connections, fake device", "/s", None, "high"),
    "raw_cpu": ("  processor time of each", "µs", 25, "low"),
    "status_rps": ("/status, 64 connections", "/s", None, "high"),
    "status_cpu": ("  processor time of each", "µs", 8, "low"),
    "idle_rss": ("memory at rest, TLS not used yet", "MB", 11, "low"),
    "start": ("start to the first answer", "ms", 6, "low"),
    "first_key": ("start to the first key", "ms", 50, "low"),
    "fail_warm": (f"releases that fail when 1 % of answers are 503, {WARM}", "%", 0, "low"),
    "fail_cold": (f"the same, {COLD}", "%", 0, "low"),
}
# A figure of these is as good as its worst repetition.
WORST = {"burst_failed", "fail_warm", "fail_cold"}


class Lab:
    """The running cloud and the ways to run skr against it."""

    def __init__(self, bin_dir, folder, after, original=None):
        self.tools, self.folder, self.after = lab.Tools(bin_dir), folder, after
        self.cloud = lab.Cloud(bin_dir, folder, after)
        self.report = folder / "report.bin"
        self.cloud.write_report(self.report)
        self.default = lab.Setup(self.tools, self.cloud)
        self.cold = lab.Setup(self.tools, self.cloud, session={"max_age_s": 0})
        self.device = lab.Setup(self.tools, self.cloud, device=self.report)
        self.original = lab.OriginalSetup(original, self.cloud) if original else None
        self.running = {}
        self.notes = {}
        self.has_sessions = self._has_sessions()

    def skr(self, kind):
        """A running skr of this kind, kept for the next repetition."""
        if kind not in self.running:
            self.running[kind] = lab.Skr(getattr(self, kind), self.folder, self.after, "/status" if kind == "original" else "/readyz")
        return self.running[kind]

    def _has_sessions(self):
        """Whether two releases need one attestation."""
        s = self.skr("default")
        self.cloud.faults()
        self.load(s, path="/key/release", body=self.cloud.release, count=2)
        return self.cloud.count("maa", "attest") < 2

    def settle(self, *more, seconds=5):
        """Waits until no skr does anything: keys are made ahead in the background, on the processor that is measured."""
        programs, end = [*self.running.values(), *more], time.monotonic() + seconds
        while time.monotonic() < end:
            before = sum(p.cpu_s() for p in programs)
            time.sleep(0.1)
            if sum(p.cpu_s() for p in programs) - before < 0.003:
                return

    def load(self, skr, **options):
        self.settle()
        r = self.tools.load(skr.port, **options)
        if r["failures"]:
            raise RuntimeError(f"{r['failures']} of {r['failures'] + r['count']} requests failed: {r['first_failure']}")
        return r

    def releases(self, kind, **options):
        return self.load(self.skr(kind), path="/key/release", body=self.cloud.release, **options)


def cpu_of(b, kind, run):
    """Processor time of skr for each answer of a load, in seconds, with what the load left to be done, such as new keys."""
    skr = b.skr(kind)
    b.settle()
    before = skr.cpu_s()
    r = run()
    b.settle()
    return (skr.cpu_s() - before) / r["count"], r


def delays(ms):
    return [{"service": s, "op": op, "delay_ms": ms} for s, op in (("maa", "attest"), ("akv", "release"))] if ms else []


def release(ms):
    def measure(b):
        b.cloud.faults(*delays(ms))
        out = {}
        if b.has_sessions:
            b.releases("default", count=3)
            out[f"release_{ms}"] = b.releases("default", count=40)["p50_us"] / 1000
        b.releases("cold", count=1)
        out[f"release_{ms}_cold"] = b.releases("cold", count=7, pause_ms=300)["p50_us"] / 1000
        return out
    return measure


def rate(b):
    b.cloud.faults()
    out = {}
    if b.has_sessions:
        cpu, r = cpu_of(b, "default", lambda: b.releases("default", connections=64, ms=1200))
        out.update(rate=r["rps"], cpu_warm=cpu * 1000)
    cpu, r = cpu_of(b, "cold", lambda: b.releases("cold", connections=64, count=64))
    return dict(out, rate_cold=r["rps"], cpu_cold=cpu * 1000)


def burst(b):
    b.cloud.faults({"service": "maa", "op": "attest", "delay_ms": 2000})
    skr = lab.Skr(b.default, b.folder, b.after)
    b.settle(skr)
    try:
        releases = b.tools.load_begin(skr.port, path="/key/release", body=b.cloud.release, connections=256, count=256)
        time.sleep(0.05)
        status = b.tools.load(skr.port, ms=1800, pause_ms=2)
        done = lab.finish(releases)
        b.notes["burst_failed"] = done["first_failure"]
        return {"burst_status": status["p99_us"] / 1000, "burst_done": done["seconds"], "burst_rss": skr.status_kib("VmHWM") / 1024,
                "burst_failed": done["failures"] + status["failures"]}
    finally:
        skr.stop()


def raw(b):
    cpu, r = cpu_of(b, "device", lambda: b.load(b.skr("device"), path="/attest/raw", body='{"runtime_data":"eyJhIjoxfQ=="}', connections=64, ms=1000))
    return {"raw_rps": r["rps"], "raw_cpu": cpu * 1e6}


def status(b):
    out = {}
    for kind, suffix in (("device", ""), ("original", "@go")):
        if getattr(b, kind):
            cpu, r = cpu_of(b, kind, lambda k=kind: b.load(b.skr(k), connections=64, ms=1000))
            out.update({"status_rps" + suffix: r["rps"], "status_cpu" + suffix: cpu * 1e6})
    return out


def idle(b):
    out = {}
    for kind, suffix in (("device", ""), ("original", "@go")):
        if getattr(b, kind):
            out["idle_rss" + suffix] = b.tools.startup(getattr(b, kind), rss=True)["rss_kib"] / 1024
    return out


def startup(b):
    b.cloud.faults()
    b.settle()
    r = b.tools.startup(b.default, b.cloud.release)
    out = {"start": r["serving_us"] / 1000, "first_key": r["first_key_us"] / 1000}
    if b.original:
        out["start@go"] = b.tools.startup(b.original)["serving_us"] / 1000
    return out


def failing(kind, name, **load):
    def measure(b):
        if kind == "default" and not b.has_sessions:
            return {}
        b.cloud.faults(*({"service": s, "op": op, "status": 503, "probability": 0.01} for s, op in (("maa", "attest"), ("akv", "release"))))
        with contextlib.ExitStack() as after:
            after.callback(b.cloud.faults)
            skr = b.skr(kind)
            before = skr.metric("skr_retries_total")
            r = b.tools.load(skr.port, path="/key/release", body=b.cloud.release, **load)
            seen, failed, retries = b.notes.get(name, (0, 0, 0))
            b.notes[name] = (seen + r["count"] + r["failures"], failed + r["failures"], retries + int(skr.metric("skr_retries_total") - before))
            return {name: 100 * r["failures"] / (r["count"] + r["failures"])}
    return measure


# (name, function, repetitions, with --quick, seconds after which no repetition is begun)
GROUPS = [
    ("start-up", startup, 20, 5, 25),
    ("memory at rest", idle, 5, 2, 15),
    ("/status", status, 5, 2, 20),
    ("/attest/raw", raw, 5, 2, 15),
    ("release at 0 ms", release(0), 5, 1, 30),
    ("release at 20 ms", release(20), 5, 1, 30),
    ("releases together", rate, 5, 1, 40),
    ("slow attestation", burst, 5, 1, 40),
    ("failing services, warm", failing("default", "fail_warm", connections=16, count=500), 5, 1, 20),
    ("failing services", failing("cold", "fail_cold", connections=16, count=60), 5, 1, 20),
]
