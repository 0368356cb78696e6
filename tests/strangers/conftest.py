"""Programs that are not of this project, against cloudsim and skr on the public names, ports and addresses.

in_cloud.sh has laid those names on loopback; nothing here tells a client where to go, but for the authority it trusts.
"""
import os
import pathlib
import tempfile

import pytest

import go_original
import programs
import sdk

POLICY = pathlib.Path(__file__).resolve().parent / "policy.rego"
LISTEN = ("-policy", POLICY, "-names", "azure", "-tls_listen", ",".join(f"127.77.0.{n}:443" for n in (1, 2, 3, 4)),
          "-http_listen", "169.254.169.254:80")
MOVED = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST")  # cloudsim's hints to clients on a laptop


class Cloud(programs.Cloud):
    def __init__(self, folder, *args, state=None):
        super().__init__(folder, *LISTEN, *args, state=state)
        self.env = {k: v for k, v in self.env.items() if k not in MOVED}
        self.ca = str(self.state_dir / "ca.pem")

    def import_oct_with(self, client, *claims, name="key1"):
        """One symmetric key, imported by the SDK."""
        key = sdk.JsonWebKey(kty="oct-HSM", k=bytes(range(32)))
        client.import_key(name, key, hardware_protected=True, exportable=True, release_policy=sdk.policy(self, *claims))

    def vault(self, product):
        return "https://" + (self.hsm if product == "managed-hsm" else self.akv)


@pytest.fixture(scope="session")
def folder():
    with tempfile.TemporaryDirectory(prefix="strangers-") as d:
        yield pathlib.Path(d)


@pytest.fixture(scope="session")
def policy_of_group():
    return POLICY.read_bytes()


@pytest.fixture(scope="session")
def accepted_report(folder, policy_of_group):
    """The report of the Go program, which the cloud then takes as it is; None without that program."""
    return go_original.learn_report(folder, policy_of_group) if os.environ.get("GO_SKR") else None


@pytest.fixture(scope="session")
def shared_cloud(folder, accepted_report):
    more = []
    if accepted_report:
        (folder / "accepted-report").write_bytes(accepted_report)
        more = ["-accept_report", folder / "accepted-report"]
    c = Cloud(folder, *more)
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = c.ca
    yield c
    assert c.stop() == 0, c.output()[-2000:]


@pytest.fixture
def cloud(shared_cloud):
    shared_cloud.reset()
    return shared_cloud


@pytest.fixture(scope="session")
def shared_skr(folder, shared_cloud):
    allow = {"maa": [shared_cloud.maa], "akv": [shared_cloud.akv, shared_cloud.hsm, "my-vault.vault.azure.net", "my-hsm.managedhsm.azure.net"]}
    s = programs.Skr(folder, shared_cloud, config={"allow": allow, "certcache": None}, loglevel="info")
    yield s
    assert s.stop() == 0, s.output()[-2000:]


@pytest.fixture
def skr(shared_skr, cloud):
    assert shared_skr.p.poll() is None, shared_skr.output()[-2000:]
    return shared_skr
