from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.registry.resolve import fetch_model


def test_an_address_needs_a_project_or_a_server_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textsr.tracking.Tracker", lambda root: root)
    monkeypatch.setattr("textsr.registry.packaging.download_model", lambda tracker, _: tracker)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TextsrError, match="not inside a textsr project"):
        fetch_model("models:/textsr@champion", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert fetch_model("models:/textsr@champion", tmp_path) == tmp_path
