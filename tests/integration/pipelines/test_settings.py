"""What `make up` starts, by variables of the environment."""

from pathlib import Path

import pytest

from pipelines import services
from pipelines.credentials import make_credentials
from pipelines.services import Settings, main


@pytest.mark.parametrize(
    ("asked", "devices", "workers"), [(None, 0, 1), (None, 3, 3), ("0", 3, 0), ("2", 0, 2)]
)
def test_workers_of_the_gpu_pool(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    asked: str | None,
    devices: int,
    workers: int,
) -> None:
    make_credentials(tmp_path, "http://127.0.0.1:4200/api")
    monkeypatch.setenv("TEXTSR_HOME", str(tmp_path))
    monkeypatch.setattr(services, "count_devices", lambda: devices)
    monkeypatch.delenv("TEXTSR_GPUS", raising=False)
    if asked is not None:
        monkeypatch.setenv("TEXTSR_GPUS", asked)
    settings = Settings()
    assert settings.workers == workers
    assert settings.environment()["TEXTSR_GPUS"] == str(workers)
    assert settings.pools == (("cpu", "gpu") if workers else ("cpu",))


@pytest.mark.parametrize(
    ("variable", "value"), [("TEXTSR_GPUS", "-1"), ("TEXTSR_PREFECT_PORT", "http")]
)
def test_an_impossible_value_is_one_message_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["services", "status"])
    assert main() == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"textsr: {variable}={value}: input should be ")
