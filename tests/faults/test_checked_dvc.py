"""What a cache, a remote or another user gives to DVC is checked where we run it: `textsr dvc`."""

import hashlib
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from dvc_data.hashfile.tree import Tree

from textsr.cli import checked_dvc
from textsr.errors import TextsrError

PIPELINE = """
stages:
  make:
    cmd: mkdir -p out && cp data/* out/
    deps: [data]
    outs: [out]
"""


def run(folder: Path, *command: str, status: int = 0) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    identity = {f"GIT_{w}_{f}": "t" for w in ("AUTHOR", "COMMITTER") for f in ("NAME", "EMAIL")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **identity, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with data and a stage's output, and beside it the remote that has both."""
    folder = tmp_path_factory.mktemp("pushed")
    clone = folder / "clone"
    (clone / "data").mkdir(parents=True)
    for name in ("a", "b"):
        (clone / "data" / name).write_text(f"{name}\n")
    (clone / "dvc.yaml").write_text(PIPELINE)
    run(clone, "git", "init", "-q")
    run(clone, "textsr", "dvc", "init", "-q")
    (clone / ".dvc/config").write_text(
        "[core]\n    remote = shared\n['remote \"shared\"']\n    url = ../../remote\n"
    )
    run(clone, "textsr", "dvc", "add", "-q", "data")
    run(clone, "textsr", "dvc", "repro", "-q")
    run(clone, "textsr", "dvc", "push", "-q", "--run-cache")
    return folder


@pytest.fixture
def full(pushed: Path, tmp_path: Path) -> Path:
    """A clone where everything is; its remote is beside it."""
    shutil.copytree(pushed, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy" / "clone"


@pytest.fixture
def empty(full: Path) -> Path:
    """A clone without data, cache and outputs; its remote has them."""
    for name in ("data", "out", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(full / name)
    (full / "dvc.lock").unlink()
    return full


def remote(clone: Path) -> Path:
    return clone.parent / "remote"


def objects(clone: Path) -> Path:
    return clone / ".dvc/cache/files/md5"


def place(store: Path, oid: str) -> Path:
    return store / oid[:2] / oid[2:]


def data_oid(clone: Path) -> str:
    return str(yaml.safe_load((clone / "data.dvc").read_text())["outs"][0]["md5"])


def change_run(clone: Path, **changes: str) -> None:
    """Change what the remote's run cache says of the stage's output."""
    (entry,) = (remote(clone) / "runs").glob("*/*/*")
    said = yaml.safe_load(entry.read_text())
    said["outs"][0] |= changes
    entry.write_text(yaml.safe_dump(said))


def forge_output(clone: Path, **changes: str) -> None:
    """Let the remote's run cache name a folder whose first file is changed; hashes are right."""
    listed = json.loads(place(remote(clone) / "files/md5", data_oid(clone)).read_text())
    listed[0] |= changes
    content = json.dumps(listed).encode()
    oid = hashlib.md5(content).hexdigest() + ".dir"
    path = place(remote(clone) / "files/md5", oid)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    change_run(clone, md5=oid)


def flip_bit(path: Path) -> None:
    """Change a file as a failing disk does: neither its times nor its mode change."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


class Touch:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


class TestState:
    def test_lies_in_the_clone_for_its_owner_alone(self, full: Path) -> None:
        site = (full / checked_dvc.SITE).resolve()
        assert site.stat().st_mode & 0o777 == 0o700
        assert f"Repo.site_cache_dir: {site}/repo/" in run(full, "textsr", "dvc", "doctor")

    def test_planted_pickle_does_not_run(self, full: Path, tmp_path: Path) -> None:
        run(full, "textsr", "dvc", "checkout", "-q")
        marker, site = tmp_path / "planted", full / checked_dvc.SITE
        site.chmod(0o777)
        databases = list(site.glob("repo/*/links/cache.db"))
        assert databases
        for database in databases:
            with sqlite3.connect(database) as planted:
                planted.execute(
                    "INSERT INTO Cache (key, raw, store_time, access_time, mode, value)"
                    " VALUES (?, 0, ?, ?, 1, x'00')",
                    (pickle.dumps(Touch(marker)), time.time(), time.time()),
                )
        run(full, "textsr", "dvc", "checkout", "-q")
        assert not marker.exists()
        assert site.stat().st_mode & 0o777 == 0o700

    def test_lies_in_the_clone_whatever_is_exported(
        self, full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "for all"))
        site = (full / checked_dvc.SITE).resolve()
        said = run(tmp_path, "textsr", "dvc", "-q", "--cd", str(full), "doctor")
        assert f"Repo.site_cache_dir: {site}/repo/" in said
        run(tmp_path, "textsr", "dvc", "--no-such-option", status=254)

    def test_is_the_users_own_outside_of_clones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DVC_SITE_CACHE_DIR", "")  # to be as it was after the test
        monkeypatch.setattr(checked_dvc, "_install_checks", lambda: None)
        monkeypatch.setattr("dvc.cli.main", lambda arguments: 0)
        assert checked_dvc.main(["get", "https://host/repository", "data"]) == 0
        site = Path(os.environ["DVC_SITE_CACHE_DIR"])
        assert site == tmp_path / "cache/textsr/dvc"
        assert site.stat().st_mode & 0o777 == 0o700

    def test_of_another_user_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked_dvc.private_site(tmp_path)
        monkeypatch.setattr(os, "getuid", lambda: 12345)
        with pytest.raises(TextsrError, match="belongs to another user"):
            checked_dvc.private_site(tmp_path)

    def test_plain_dvc_is_told_by_make_setup(self, full: Path) -> None:
        """By the line of the Makefile's target `setup`, with all else that it does left out."""
        makefile = (Path(__file__).parents[2] / "Makefile").read_text()
        (full / "Makefile").write_text(makefile)
        (full / ".venv/bin").mkdir(parents=True)
        site = full / checked_dvc.SITE
        stamp = full / ".venv/.installed-from-lock"
        for name in ("requirements.lock", "pyproject.toml"):
            (full / name).touch()
        stamp.touch()
        run(full, "make", "-s", "setup")
        assert f"Repo.site_cache_dir: {site}/repo/" in run(full, "dvc", "doctor")
        assert run(full, "make", "-s", "setup") == ""  # it has been told
        site.chmod(0o777)  # as plain DVC makes it, once .dvc/tmp was removed
        run(full, "make", "-s", "setup")
        assert site.stat().st_mode & 0o777 == 0o700


class TestRemote:
    @pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "..", "", "a//b", "./a"])
    def test_path_outside_the_folder_is_refused(self, path: str) -> None:
        read = checked_dvc._checking_entries(lambda *arguments: None)
        with pytest.raises(checked_dvc._Refusal, match="not inside the folder"):
            read(Tree, [{"relpath": path, "md5": "0" * 32}])

    def test_long_names_and_ids_are_shortened(self) -> None:
        read = checked_dvc._checking_entries(lambda *arguments: None)
        for entry in (
            {"relpath": "../" * 99_999, "md5": None},
            {"relpath": "a", "md5": "b" * 9999},
        ):
            with pytest.raises(checked_dvc._Refusal) as refused:
                read(Tree, [entry])
            assert len(str(refused.value)) < 500

    @pytest.mark.parametrize("path", ["a", "a/b", "..a/b..", "a b/ü"])
    def test_path_inside_the_folder_is_read(self, path: str) -> None:
        read = checked_dvc._checking_entries(lambda cls, entries, name: "read")
        assert read(Tree, [{"relpath": path, "md5": "0" * 32}]) == "read"

    def test_folder_with_a_file_outside_is_not_restored(self, empty: Path) -> None:
        forge_output(empty, relpath="../../evil")
        run(empty, "textsr", "dvc", "pull", "-q", "data.dvc")
        said = run(empty, "textsr", "dvc", "repro", "--pull", status=1)
        assert "names the file '../../evil'" in said
        assert "Traceback" not in said
        assert not list(empty.parent.glob("evil*"))

    def test_id_that_is_a_path_is_not_fetched(self, empty: Path) -> None:
        """DVC would copy it to .dvc/config.local, by which it can be told to do anything."""
        (remote(empty) / "files/md5/xx").mkdir()
        (remote(empty).parent / "config.local").write_text("[core]\n")
        forge_output(empty, md5="xx../../../../config.local")
        said = run(empty, "textsr", "dvc", "repro", "--pull", status=1)
        assert "is no MD5 hash" in said
        assert not (empty / ".dvc/config.local").exists()

    def test_folder_of_another_hash_is_not_pulled(self, empty: Path) -> None:
        path = place(remote(empty) / "files/md5", data_oid(empty))
        path.chmod(0o644)
        path.write_text(path.read_text().replace('"a"', '"../../evil"'))
        said = run(empty, "textsr", "dvc", "pull", "data.dvc", status=1)
        assert f"{path.name}: its content has another hash" in said
        assert not list(empty.parent.glob("evil*"))

    def test_run_that_names_other_outputs_is_not_restored(self, empty: Path) -> None:
        change_run(empty, path="src")
        run(empty, "textsr", "dvc", "pull", "-q", "data.dvc")
        said = run(empty, "textsr", "dvc", "repro", "--pull", status=1)
        assert "'src', which are not the stage's" in said
        assert not (empty / "src").exists()

    @pytest.fixture
    def s3(self, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
        import boto3

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")
        client.create_bucket(Bucket="textsr")
        return s3_server, client

    def test_run_whose_name_leads_out_of_the_cache_is_not_fetched(
        self, empty: Path, s3: tuple[str, Any]
    ) -> None:
        address, client = s3
        client.put_object(Bucket="textsr", Key="cache/runs/aa/../../../evil", Body=b"evil")
        (empty / ".dvc/config").write_text(
            "[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://textsr/cache\n"
            f"    endpointurl = {address}\n"
        )
        said = run(empty, "textsr", "dvc", "fetch", "--run-cache", "make", status=1)
        assert "no name of a run cache entry" in said
        assert not (empty / ".dvc/evil").exists()


class TestDamage:
    def test_is_not_checked_out(self, full: Path) -> None:
        oid = hashlib.md5(b"a\n").hexdigest()
        flip_bit(place(objects(full), oid))
        shutil.rmtree(full / "data")
        said = run(full, "textsr", "dvc", "checkout", "data.dvc", status=255)
        assert f"{oid[2:]}: was damaged; removed" in said
        assert not place(objects(full), oid).exists()
        run(full, "textsr", "dvc", "pull", "-q", "data.dvc")
        assert (full / "data/a").read_text() == "a\n"

    def test_is_mended_by_one_pull(self, full: Path) -> None:
        flip_bit(place(objects(full), hashlib.md5(b"a\n").hexdigest()))
        flip_bit(place(objects(full), data_oid(full)))
        shutil.rmtree(full / "data")
        said = run(full, "textsr", "dvc", "pull", "data.dvc")
        assert said.count("was damaged; removed") == 2
        assert (full / "data/a").read_text() == "a\n"

    def test_of_an_output_makes_its_stage_run_again(self, full: Path) -> None:
        flip_bit(place(objects(full), hashlib.md5(b"b\n").hexdigest()))
        shutil.rmtree(full / "out")
        said = run(full, "textsr", "dvc", "repro")
        assert "was damaged; removed" in said
        assert "Running stage 'make'" in said
        assert (full / "out/b").read_text() == "b\n"

    def test_in_a_remote_is_not_taken(self, empty: Path) -> None:
        flip_bit(place(remote(empty) / "files/md5", hashlib.md5(b"a\n").hexdigest()))
        said = run(empty, "textsr", "dvc", "pull", "data.dvc", status=1)
        assert "was damaged; removed" in said
        assert not (empty / "data/a").exists()


class TestLockRecord:
    @pytest.mark.parametrize("left", [b"", b'{"write": {"da', b"\xff\xfe", b"[]", b"[" * 100_000])
    def test_is_mended_when_a_kill_left_half_of_it(
        self, tmp_path: Path, left: bytes, capsys: pytest.CaptureFixture[str]
    ) -> None:
        record = tmp_path / ".dvc/tmp/rwlock"
        record.parent.mkdir(parents=True)
        record.write_bytes(left)
        checked_dvc.mend_rwlock(tmp_path)
        assert not record.exists()
        assert "was damaged" in capsys.readouterr().err

    def test_does_not_stop_a_command(self, full: Path) -> None:
        (full / ".dvc/tmp/rwlock").write_text('{"wri')
        assert "didn't change" in run(full, "textsr", "dvc", "repro")

    def test_stays_while_another_command_may_be_at_work(self, tmp_path: Path) -> None:
        record = tmp_path / ".dvc/tmp/rwlock"
        record.parent.mkdir(parents=True)
        record.write_text("{")
        program = "import sys; sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program, "dvc", "repro"], cwd=tmp_path, stdin=subprocess.PIPE
        ) as other:
            with pytest.raises(TextsrError, match=f"process {other.pid} may be at work"):
                checked_dvc.mend_rwlock(tmp_path)
            assert other.stdin is not None
            other.stdin.close()
        assert record.exists()

    def test_is_mended_where_processes_of_others_cannot_be_seen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hide(process: psutil.Process) -> list[str]:
            raise psutil.AccessDenied(process.pid)

        monkeypatch.setattr(psutil.Process, "cmdline", hide)
        record = tmp_path / ".dvc/tmp/rwlock"
        record.parent.mkdir(parents=True)
        record.write_text("{")
        checked_dvc.mend_rwlock(tmp_path)
        assert not record.exists()

    def test_that_is_whole_is_left(self, tmp_path: Path) -> None:
        record = tmp_path / ".dvc/tmp/rwlock"
        record.parent.mkdir(parents=True)
        record.write_text('{"write": {}, "read": {}}')
        checked_dvc.mend_rwlock(tmp_path)
        assert record.exists()
