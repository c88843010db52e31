"""The champion's lineage and the profile beside it, on a real MLflow store."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textsr import pretrained as reference
from textsr.config.params import Params
from textsr.datasets.shards import spread_rows
from textsr.models.package import ModelSpec, build_network, read_spec, save_model
from textsr.monitoring.champion import attach_profile, attached_profile, find_champion
from textsr.monitoring.measure import UNITS
from textsr.monitoring.profile import Profile, save_profile
from textsr.monitoring.report import DriftReport
from textsr.monitoring.run import run_monitor
from textsr.registry.aliases import promote, register_challenger
from textsr.registry.packaging import log_model
from textsr.tracking import LINES, Tracker, describe_lines, lineage_tags

pytestmark = pytest.mark.slow

DATA = "outs:\n- md5: {hash}.dir\n  path: data\n"


@pytest.fixture
def root(
    tmp_path: Path, make_store: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_store(tmp_path)
    (tmp_path / "data.dvc").write_text(DATA.format(hash="abc"))
    return tmp_path


def make_champion(root: Path, params: Params, earlier: dict[str, str] | None = None) -> Tracker:
    """Register a model as `train`, `evaluate` and `register` do, and promote it.

    `earlier`: params of a run as earlier versions made it.
    """
    tracker = Tracker(root)
    files = {} if earlier else {LINES: json.dumps(describe_lines(params))}
    run_id = tracker.start("scratch", "e", earlier or {}, lineage_tags(root, 1), files).run_id
    spec = ModelSpec(name="scratch", architecture="srcnn_transposed", scale=4)
    save_model(root / "model", spec, build_network(spec))
    uri = log_model(tracker, run_id, root / "model")
    name = params.registration.model_name
    promote(tracker, name, register_challenger(tracker, name, uri, run_id, ""))
    return tracker


def test_without_a_champion_it_is_the_packages_weights(root: Path, tiny_params: Params) -> None:
    tracker = Tracker(root)
    champion = find_champion(tracker, tiny_params, root)
    assert champion.name == "the pretrained weights (no version of textsr is champion)"
    assert champion.folder == reference.FOLDER
    assert champion.differences == ()
    assert attached_profile(tracker, champion) is None


def test_the_champions_lineage_is_held_against_the_project(
    root: Path, tiny_params: Params, tmp_path: Path
) -> None:
    tracker = make_champion(root, tiny_params)
    champion = find_champion(tracker, tiny_params, root)
    assert champion.name == "textsr version 1, the champion"
    assert read_spec(champion.folder).name == "scratch"
    assert champion.data_hash == "abc.dir"
    assert champion.differences == ()

    (root / "data.dvc").write_text(DATA.format(hash="def"))
    render = tiny_params.synthesis.render.model_copy(update={"inverted": 0.9})
    synthesis = tiny_params.synthesis.model_copy(update={"render": render, "seed": 77})
    changed = tiny_params.model_copy(update={"synthesis": synthesis})
    assert find_champion(tracker, changed, root).differences == (
        "data.dvc is def.dir, its was abc.dir",
        "its params were others: synthesis.render.inverted, synthesis.seed",
    )

    # The profile travels with the model: another project finds it.
    assert attached_profile(tracker, champion) is None
    values = pd.DataFrame(np.ones((60, len(UNITS))), columns=list(UNITS))
    save_profile(tmp_path / "reference.parquet", Profile(values, "k", "m", "there"))
    attach_profile(tracker, champion, tmp_path / "reference.parquet")
    attached = attached_profile(tracker, find_champion(tracker, changed, root))
    assert attached is not None
    assert attached.origin == "there"
    pd.testing.assert_frame_equal(attached.values, values)

    tracker.client.delete_run(champion.run_id)
    orphan = find_champion(tracker, tiny_params, root)
    assert orphan.name == "textsr version 1, the champion"
    assert (orphan.run_id, orphan.differences) == (
        None,
        ("its MLflow run is gone, and its lineage with it",),
    )
    assert attached_profile(tracker, orphan) is None


def test_other_extra_datasets_are_differences(
    root: Path, tiny_params: Params, mixed_params: Params
) -> None:
    tracker = make_champion(root, mixed_params)
    assert find_champion(tracker, mixed_params, root).differences == ()
    assert find_champion(tracker, tiny_params, root).differences == (
        "its params were others: extra_datasets.tall.lr_height, extra_datasets.tall.max_lr_width, "
        "extra_datasets.tall.render.font_height_px and 7 more",
    )


def test_a_champion_of_an_earlier_version_is_held_against_the_project_too(
    root: Path, tiny_params: Params, mixed_params: Params
) -> None:
    said = describe_lines(mixed_params)
    earlier = {key.replace("extra_datasets.", "domains."): value for key, value in said.items()}
    assert earlier != said
    tracker = make_champion(root, mixed_params, earlier)
    assert find_champion(tracker, mixed_params, root).differences == ()
    (difference,) = find_champion(tracker, tiny_params, root).differences
    assert difference.startswith("its params were others: extra_datasets.tall.lr_height, ")


@pytest.mark.slow
def test_the_champion_is_watched_where_its_training_lines_are_not(
    root: Path, tiny_params: Params, dataset: Path
) -> None:
    monitoring = tiny_params.monitoring.model_copy(update={"ocr_lines": 0})
    params = tiny_params.model_copy(update={"monitoring": monitoring})
    make_champion(root, params)
    images = root / "images"
    images.mkdir()
    for row in spread_rows(dataset / "train", ["lr"], 60):
        (images / f"{row['sample_id']}.png").write_bytes(row["lr"]["bytes"])
    lines = root / "artifacts/dataset"
    lines.parent.mkdir()
    lines.symlink_to(dataset)
    started: list[str] = []

    def watch(params: Params, place: str) -> DriftReport:
        def start(name: str, total: int) -> Callable[[], None]:
            started.append(name)
            return lambda: None

        return run_monitor(params, root, str(images), root / place / "report", start)

    local = watch(params, "first")
    assert started == ["measuring training lines", "measuring production images"]
    assert (local.model, local.data_hash) == ("textsr version 1, the champion", "abc.dir")
    assert local.verdict == "no drift"

    # Another project's data, or none: the profile beside the champion, not theirs.
    started.clear()
    synthesis = params.synthesis.model_copy(update={"seed": 77})
    changed = params.model_copy(update={"synthesis": synthesis})
    other = watch(changed, "second")
    assert other.differences == ["its params were others: synthesis.seed"]
    lines.unlink()
    absent = watch(params, "third")
    assert started == ["measuring production images"] * 2
    assert local.findings == other.findings == absent.findings
    page = (root / "second/report/report.md").read_text()
    assert "- **Champion and project differ**: its params were others: synthesis.seed" in page
