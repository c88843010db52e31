"""`textsr reproduce`: the outcome on standard output, and as an exit status."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from textsr.cli.main import app
from textsr.reproduction.verdict import ACCURACY, PSNR_DB, SSIM, Reproduction

pytestmark = pytest.mark.slow  # MLflow and PyTorch are imported


def found(*, identical: bool) -> Reproduction:
    return Reproduction(
        model="textsr",
        version="3",
        method="byol",
        commit="0" * 40,
        is_trained=True,
        differences=[],
        bits_expected=True,
        weights_identical=identical,
        largest_difference=0.0,
        metrics_identical=identical,
        measures=[],
    )


@pytest.mark.parametrize("identical", [True, False])
def test_status_and_report(identical: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def reproduce(
        tracker: object,
        version: object,
        root: Path,
        params: object,
        say: object,
        folder: Path | None,
        *,
        keep: bool,
    ) -> Reproduction:
        assert callable(say)
        say("differs from then: CPU: a; here b")
        asked.append((version, folder, keep))
        return found(identical=identical)

    params = SimpleNamespace(registration=SimpleNamespace(model_name="textsr"))
    monkeypatch.setattr("textsr.reproduction.run.reproduce", reproduce)
    monkeypatch.setattr("textsr.tracking.Tracker", lambda _: None)
    monkeypatch.setattr("textsr.registry.catalogue.require_version", lambda *given: given)
    monkeypatch.setattr("textsr.cli.models.read_params", lambda: params)
    arguments = ["reproduce", "3", "--folder", "there", "--keep", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == (0 if identical else 1), done.output
    assert json.loads(done.stdout)["verdict"] == ("identical" if identical else "different")
    assert done.stderr == "differs from then: CPU: a; here b\n"
    assert asked == [((None, "textsr", "3"), Path("there"), True)]


def test_help_and_docs_tell_the_tolerances() -> None:
    told = f"{PSNR_DB:g} dB of PSNR, {SSIM:g} of SSIM, or {100 * ACCURACY:g} points of accuracy"
    page = Path(__file__).parents[3] / "docs/how-to/rebuild.md"
    assert told in page.read_text(encoding="utf-8")
    verb = typer.main.get_command(app).get_command(None, "reproduce")
    assert told in " ".join(verb.help.split())
