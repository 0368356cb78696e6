"""The Go program that skr replaces, where GO_SKR names one. It has no processor here, so it sends the fixed report that it keeps for that."""
import json
import os
import pathlib
import subprocess
import tempfile

import programs

REPORTED_TCB = 0x180  # in a report; eight bytes, one of them for each part


class GoSkr:
    """The calls of programs.Skr to the other program."""

    post, get, raw, combined = programs.Skr.post, programs.Skr.get, programs.Skr.raw, programs.Skr.combined
    attest, release, jwk = programs.Skr.attest, programs.Skr.release, programs.Skr.jwk

    def __init__(self, folder, policy, cloud=None, env=None):
        self.cloud, self.port = cloud, programs.free_port()
        self.log = open(pathlib.Path(tempfile.mkdtemp(prefix="go-", dir=folder)) / "log", "wb")
        config = programs.b64(json.dumps({"maaconfig": {"user_agent": "e2e/1"}}))
        e = {"PATH": os.environ["PATH"], "UVM_SECURITY_POLICY": programs.b64(policy), "GIN_MODE": "release", **(env or {})}
        self.p = subprocess.Popen([os.environ["GO_SKR"], "-port", str(self.port), "-base64", config, "-loglevel", "trace"],
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, env=e)
        programs.Program.wait_for(self, lambda: self.get("/status").status == 200)

    def output(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def stop(self):
        self.p.kill()
        self.p.wait()
        self.log.close()


def learn_report(folder, policy):
    """The report that it sends when it has no processor, for a group with this policy."""
    certs = {"vcekCert": "x", "tcbm": "0", "certificateChain": "x", "cacheControl": "0"}
    skr = GoSkr(folder, policy, env={"UVM_HOST_AMD_CERTIFICATE": programs.b64(json.dumps(certs))})
    try:
        answer = skr.raw()
        assert answer.status == 200, answer
        return bytes.fromhex(answer.json["report"])
    finally:
        skr.stop()


def reported_tcb(report):
    tcb = report[REPORTED_TCB:REPORTED_TCB + 8]
    return {"boot_loader": tcb[0], "tee": tcb[1], "snp": tcb[6], "microcode": tcb[7]}
