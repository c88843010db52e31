"""What `make up` starts, by variables of the environment."""

import pytest

from pipelines import services
from pipelines.services import Settings


@pytest.mark.parametrize(
    ("asked", "devices", "workers"), [(None, 0, 1), (None, 3, 3), ("0", 3, 0), ("2", 0, 2)]
)
def test_workers_of_the_gpu_pool(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, devices: int, workers: int
) -> None:
    monkeypatch.setattr(services, "count_devices", lambda: devices)
    monkeypatch.delenv("TEXTSR_GPUS", raising=False)
    if asked is not None:
        monkeypatch.setenv("TEXTSR_GPUS", asked)
    settings = Settings()
    assert settings.workers == workers
    assert settings.environment()["TEXTSR_GPUS"] == str(workers)
    assert settings.pools == (("cpu", "gpu") if workers else ("cpu",))
