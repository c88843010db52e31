"""No secret in messages, tags, params, logs and Prefect's states, wherever it came from."""

import base64
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from pipelines import monitor, reports
from pipelines.execution import keep_secrets
from pipelines.stages import run_command
from textsr.cli import main as cli
from textsr.config.params import Params, parse_params
from textsr.errors import TextsrError
from textsr.monitoring.report import describe
from textsr.redaction import redact
from textsr.registry.aliases import promote, register_challenger
from textsr.registry.smoke import smoke_test
from textsr.tracking import Tracker

ROOT = Path(__file__).parents[2]
SECRET = "h4rd/to+guess"


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (f"https://user:{SECRET}@host/api", "https://***@host/api"),
        ("https://user:h4rd%2Fto@host:1", "https://***@host:1"),
        (f"https://:{SECRET}@host", "https://***@host"),
        ("https://user:p@ss@host", "https://***@host"),
        (f"API request to http://user:{SECRET}@host/x?a=b failed", "to http://***@host/x?a=b"),
        (f"http://a:5000/x,https://u:{SECRET}@b", "http://a:5000/x,https://***@b"),
        ("https://ghp_token@github.com/a/b", "https://***@github.com/a/b"),
        (f"s3://KEYID:{SECRET}@bucket/path", "s3://***@bucket/path"),
        (f"postgresql+psycopg2://u:{SECRET}@h/db", "postgresql+psycopg2://***@h/db"),
        (f"postgresql://h/db?user=u&password={SECRET}&x=1", "h/db?user=u&password=***&x=1"),
        (f"secret_access_key = {SECRET}", "secret_access_key = ***"),
        (f"{{'auth_string': '{SECRET}', 'x': 1}}", "{'auth_string': '***', 'x': 1}"),
        (f"Authorization: Basic {SECRET}", "Authorization: Basic ***"),
        (f"https://b/x?X-Amz-Signature={SECRET}&y=1", "https://b/x?X-Amz-Signature=***&y=1"),
    ],
)  # fmt: skip
def test_secrets_are_masked(told: str, kept: str) -> None:
    assert kept in redact(told)
    assert "h4rd" not in redact(told)
    assert redact(redact(told)) == redact(told)
    assert str(TextsrError(told)) == redact(told)


@pytest.mark.parametrize(
    "harmless",
    [
        "models:/textsr@champion: cannot be got from http://127.0.0.1:5000",
        "http://127.0.0.1:5000/models/textsr@champion",
        "http://[::1]:5000/a@b",
        "https://host/a@b",
        "ssh://git@host/repository",
        "s3://bucket/images@2x/a.png",
        "file:///tmp/a:b@c",
        "params.yaml: training.token: unknown key; remove it or correct its spelling",
        "basic training failed; the secret is patience",
    ],
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert redact(harmless) == harmless


@pytest.mark.parametrize(
    "text",
    ["a", "1", "a.a.a.", "@", "a:1/", "x://", "x://a:b@c ", "token=", "token ", "authorization:"],
)
def test_time_is_linear_in_the_length(text: str) -> None:
    """Less than a second; a quadratic time would be hours."""
    long = ("http://" + text * 1_000_000)[:1_000_000]
    began = time.process_time()
    redact(long)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("before", ["1", "-", "9.+", "x" * 10_000 + " ", "my.own_", "é"])
def test_what_stands_before_a_secret_does_not_hide_it(before: str) -> None:
    for told in (f"https://user:{SECRET}@host", f"s3://KEYID:{SECRET}@b", f"token={SECRET}"):
        assert "h4rd" not in redact(before + told)
        assert redact(before + told).startswith(before + told[:5])


def test_secrets_of_the_environment_are_masked_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcdefgh12")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:swordfish")
    monkeypatch.setenv("PREFECT_API_URL", "http://me:open%20sesame@host/api")
    said = redact("got abcdefgh12, admin:swordfish, open%20sesame and 'open sesame'")
    assert said == "got ***, ***, *** and '***'"


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with the server's status."""

    def do_GET(self) -> None:
        self.server.seen.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_error(self.server.status)  # type: ignore[attr-defined]

    do_POST = do_GET  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[SimpleNamespace]:
    """A tracking server that fails; its status can be set, and it can be closed."""
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    listening.status, listening.seen = 500, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield listening
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a tracker sets be forgotten after the test."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "MLflow gives no answer"),
        (503, "MLflow gives no answer"),
        (None, "MLflow gives no answer"),
        (401, "MLflow refuses"),
        (403, "MLflow refuses"),
    ],
)
def test_a_servers_password_is_used_and_not_told(
    server: ThreadingHTTPServer,
    credentials: None,
    status: int | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = server.server_port
    if status is None:
        server.shutdown()
        server.server_close()
    else:
        server.status = status  # type: ignore[attr-defined]
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:h4rd%2Fto@127.0.0.1:{port}")
    for name, value in cli._QUIET.items():  # which `main` would set for all tests after this one
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["textsr", "rollback"])
    with pytest.raises(SystemExit):
        cli.main()
    told = "".join(capfd.readouterr())
    assert f"textsr: http://127.0.0.1:{port}: {said}" in told
    assert "h4rd" not in told
    assert "Traceback" not in told
    expected = "Basic " + base64.b64encode(b"me:h4rd/to").decode()
    assert set(server.seen) == (set() if status is None else {expected})  # type: ignore[attr-defined]


def test_an_unexpected_error_is_shown_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ValueError(f"cannot connect to postgresql://u:{SECRET}@h/db")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    told = capsys.readouterr().err
    assert "ValueError: cannot connect to postgresql://***@h/db" in told
    assert "Traceback" in told
    assert "h4rd" not in told


def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `mssql` stands for a database whose driver is not installed.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mssql+pymssql://u:h4rd@127.0.0.1/db")
    with pytest.raises(TextsrError, match=r"mssql\+pymssql://\*\*\*@127") as refused:
        Tracker(tmp_path)
    assert "h4rd" not in str(refused.value)


def test_tags_and_params_of_runs_hold_none(tracker: Tracker) -> None:
    secret = f"s3://KEYID:{SECRET}@bucket"
    record = tracker.start("r", "e", {"folder": secret}, {"remote": secret}, {"f.txt": secret})
    tracker.tag(record.run_id, {"later": secret})
    data = tracker.client.get_run(record.run_id).data
    assert data.params["folder"] == data.tags["remote"] == data.tags["later"] == "s3://***@bucket"
    assert record.params["folder"] == record.tags["remote"] == "s3://***@bucket"  # run.json
    logged = Path(tracker.client.download_artifacts(record.run_id, "f.txt")).read_text()
    assert record.files["f.txt"] == logged == "s3://***@bucket"


def test_the_tag_of_a_failed_smoke_test_holds_none(
    tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("before", "broken"):
        run_id = tracker.start(name, "e", {}, {}).run_id
        promote(tracker, "m", register_challenger(tracker, "m", "file:///none", run_id, ""))
    (tmp_path / "data/1").mkdir(parents=True)
    (tmp_path / "data/1/model.json").touch()

    def download(artifact_uri: str, dst_path: str | None) -> str:
        if artifact_uri.endswith("@champion"):
            raise OSError(f"https://u:{SECRET}@host: no space")
        return str(tmp_path)  # the champion before is there, so that the champion is to blame

    monkeypatch.setattr("mlflow.artifacts.download_artifacts", download)
    record = {"model_name": "m", "version": "2", "champion_before": "1"}
    with pytest.raises(TextsrError) as failed:
        smoke_test(tracker, record, tmp_path / "in.png", tmp_path / "out.png")
    tag = tracker.client.get_model_version("m", "2").tags["smoke_test"]
    for told in (tag, str(failed.value)):
        assert "no space" in told
        assert "h4rd" not in told


def test_output_of_commands_reaches_prefect_without_secrets() -> None:
    told: list[str] = []
    script = f"print('s3://KEYID:{SECRET}@bucket: denied'); raise SystemExit(1)"
    with pytest.raises(TextsrError) as failed:
        run_command(["python", "-c", script], log=told.append, environment={})
    assert told == ["s3://***@bucket: denied"]
    assert "h4rd" not in str(failed.value)


def test_what_a_flow_raises_holds_none_nor_do_its_causes() -> None:
    request = httpx.Request("GET", "http://u:h4rd%2Fto@host/api")

    def fail(**_: object) -> None:
        httpx.Response(401, request=request).raise_for_status()

    with pytest.raises(TextsrError, match="HTTPStatusError") as raised, keep_secrets():
        fail()
    assert "h4rd" not in str(raised.value)
    assert raised.value.__suppress_context__
    with pytest.raises(KeyError), keep_secrets():
        raise KeyError("harmless")


def test_links_to_mlflow_hold_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    linked: list[str] = []
    monkeypatch.setattr(reports, "create_link_artifact", lambda link, **_: linked.append(link))
    (tmp_path / "artifacts/models/srcnn_transposed").mkdir(parents=True)
    (tmp_path / "artifacts/models/srcnn_transposed/run.json").write_text('{"run_id": "7"}')
    found = {"run": {"info": {"experiment_id": "1", "run_id": "7"}}}
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=found)

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **given: client(transport=httpx.MockTransport(answer), **given)
    )
    reports._link_runs(
        "train@srcnn_transposed", tmp_path, "f", "http://u:h4rd@host:5000", linked.append
    )
    assert linked == ["http://host:5000/#/experiments/1/runs/7"]
    assert seen[0].headers["Authorization"].startswith("Basic ")


def test_the_monitored_bucket_is_named_without_its_key(
    monkeypatch: pytest.MonkeyPatch, raw_params: dict, tiny_params: Params
) -> None:
    bucket = f"s3://KEYID:{SECRET}@bucket/lines"
    parameters = SimpleNamespace(parameters={"folder": bucket})
    monkeypatch.setattr(monitor, "runtime", SimpleNamespace(flow_run=parameters))
    assert monitor._flow_run_name().startswith("s3://***@bucket/lines, ")
    production = SimpleNamespace(found=1, images={}, unreadable={})
    champion = SimpleNamespace(name="m", data_hash=None, differences=())
    profile = SimpleNamespace(origin="the dataset", engine="rapidocr")
    thresholds = tiny_params.monitoring
    report = describe(bucket, "no drift", production, champion, profile, "rapidocr", [], thresholds)
    assert report.folder == "s3://***@bucket/lines"
    raw = raw_params | {"monitoring": raw_params["monitoring"] | {"folder": [bucket]}}
    with pytest.raises(TextsrError, match=r"monitoring\.folder") as refused:
        parse_params(raw)
    assert "h4rd" not in str(refused.value)


def test_no_secret_is_left_in_this_environment() -> None:
    """What the tests above set would mask their own words in the messages of later tests."""
    assert "h4rd" not in "".join(os.environ.values())
