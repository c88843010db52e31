"""What the end-to-end tests share: a finished project, since making it takes minutes; servers."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from clones import ENVIRONMENT, commit, make_clone, run
from machines import Servers, servers

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@pytest.fixture(scope="session", autouse=True)
def readings(make_once: Callable[[str, Callable[[Path], object]], Path]) -> None:
    """Projects of one run share what engines read: an image is read once, which takes longest."""
    kept = make_once("readings", lambda _: None)
    ENVIRONMENT["TEXTSR_READINGS"] = str(kept / "readings.sqlite")


@pytest.fixture(scope="session")
def unbroken(make_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A tiny project that one `dvc repro` has brought up to date, committed."""

    def make(folder: Path) -> None:
        project = make_clone(folder)
        run(project, "dvc", "repro")
        commit(project)

    return make_once("unbroken", make)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("servers")) as found:
        yield found


@pytest.fixture
def bucket(s3_server: str) -> str:
    """The address of an S3 server on loopback, with a bucket `textsr`."""
    boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).create_bucket(Bucket="textsr")
    return s3_server


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[int]:
    """The port of an SSH server on loopback; keys and known hosts are in the home `tmp_path`."""
    if SSHD is None:
        pytest.skip("no sshd here (Debian's openssh-server)")
    keys = tmp_path / ".ssh"
    keys.mkdir(mode=0o700)
    for key in ("host", "client"):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / key))
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (keys / "known_hosts").write_text(f"[127.0.0.1]:{port} {(keys / 'host.pub').read_text()}")
    (keys / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host\nPidFile none\n"
        f"AuthorizedKeysFile {keys}/client.pub\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.geteuid() == 0:  # where sshd drops its privileges; made at boot, if there was one
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    log = tmp_path / "sshd.log"
    server = subprocess.Popen([SSHD, "-D", "-f", str(keys / "sshd_config"), "-E", str(log)])
    try:
        await_server(port, server, log)
        yield port
    finally:
        server.terminate()
        server.wait()


def await_server(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {log.read_text().strip()}")
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
