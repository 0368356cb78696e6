"""Programs that are not of this project, against cloudsim and skr on the public names, ports and addresses.

in_cloud.sh has laid those names on loopback; nothing here tells a client where to go, but for the authority it trusts.
"""
import importlib.util
import os
import pathlib
import sys
import tempfile

import pytest

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "conftest.py"
LISTEN = ("-names", "azure", "-tls_listen", ",".join(f"127.77.0.{n}:443" for n in (1, 2, 3, 4)),
          "-http_listen", "169.254.169.254:80")
MOVED = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST")  # cloudsim's hints to clients on a laptop


def load_programs():
    """The programs as the end-to-end tests start them."""
    spec = importlib.util.spec_from_file_location("programs", E2E)
    module = importlib.util.module_from_spec(spec)
    sys.modules["programs"] = module
    spec.loader.exec_module(module)
    return module


programs = load_programs()


class Cloud(programs.Cloud):
    def __init__(self, folder, *args, state=None):
        super().__init__(folder, *LISTEN, *args, state=state)
        self.env = {k: v for k, v in self.env.items() if k not in MOVED}
        self.ca = str(self.state_dir / "ca.pem")

    def vault(self, product):
        return "https://" + (self.hsm if product == "managed-hsm" else self.akv)


@pytest.fixture(scope="session")
def folder():
    with tempfile.TemporaryDirectory(prefix="strangers-") as d:
        yield pathlib.Path(d)


@pytest.fixture(scope="session")
def shared_cloud(folder):
    c = Cloud(folder)
    os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = c.ca
    yield c
    assert c.stop() == 0, c.output()[-2000:]


@pytest.fixture
def cloud(shared_cloud):
    shared_cloud.reset()
    return shared_cloud


@pytest.fixture(scope="session")
def shared_skr(folder, shared_cloud):
    allow = {"maa": [shared_cloud.maa], "akv": [shared_cloud.akv, shared_cloud.hsm]}
    s = programs.Skr(folder, shared_cloud, config={"allow": allow}, loglevel="info")
    yield s
    assert s.stop() == 0, s.output()[-2000:]


@pytest.fixture
def skr(shared_skr, cloud):
    assert shared_skr.p.poll() is None, shared_skr.output()[-2000:]
    return shared_skr
