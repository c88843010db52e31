"""A local MLflow store that was moved, copied, damaged or locked."""

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking._tracking_service import utils as artifact_utils

from textsr.cli import main as cli
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.pretrained import FOLDER
from textsr.registry.aliases import aliases_of, promote, register_challenger, version_of
from textsr.registry.packaging import download_model, log_model
from textsr.registry.smoke import smoke_test
from textsr.tracking import Tracker, local_store
from textsr.tracking import client as tracking

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose champion is the pretrained weights; in a folder with a space."""
    root = tmp_path_factory.mktemp("stores") / "a project"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
    run_id = tracker.start("r", "e", {}, {}).run_id
    uri = log_model(tracker, run_id, FOLDER)
    promote(tracker, "textsr", register_challenger(tracker, "textsr", uri, run_id, ""))
    tracker.start("without artifacts", "e", {}, {})
    return root


@pytest.fixture
def project(original: Path, tmp_path: Path) -> Path:
    """A copy that knows its place; elsewhere for each test, since MLflow keeps databases open."""
    copy = tmp_path / "a project"
    shutil.copytree(original, copy)
    with contextlib.closing(sqlite3.connect(copy / "mlruns/mlflow.db")) as database, database:
        for table, column in local_store._LOCATIONS:
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)",
                (original.as_uri(), copy.as_uri()),
            )
    return copy


def locations(root: Path) -> set[str]:
    """The places that a store's database names, less those of MLflow's default experiment."""
    with sqlite3.connect(root / "mlruns/mlflow.db") as database:
        found = [
            row[0]
            for table, column in local_store._LOCATIONS
            for row in database.execute(f"SELECT {column} FROM {table}")
        ]
    return {uri for uri in found if uri and uri.startswith("file:")}


def use(root: Path) -> None:
    """Load the champion and log onto its run, and onto one that had no artifacts."""
    artifact_utils._artifact_repos_cache.clear()  # a process knows runs by their ids alone
    tracker = Tracker(root)
    champion = version_of(tracker, "textsr", "champion")
    assert champion is not None
    method = tracker.client.get_run(champion.run_id).info.run_name
    for uri in ("models:/textsr@champion", f"runs:/{champion.run_id}/{method}"):
        load_model(download_model(tracker, uri))
    experiment = tracker.experiment_id("e")
    for run in tracker.client.search_runs([experiment]):
        tracker.client.log_artifact(run.info.run_id, str(ROOT / "LICENSE"), "evaluation")
        listed = tracker.client.list_artifacts(run.info.run_id, "evaluation")
        assert [item.path for item in listed] == ["evaluation/LICENSE"]


def test_a_moved_project_uses_its_champion_and_logs_where_it_is(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "else where"
    project.rename(moved)
    use(moved)
    assert f"{len(locations(moved)) + 1} locations in it name" in capsys.readouterr().err
    assert all(uri.startswith((moved / "mlruns").as_uri()) for uri in locations(moved))
    assert not project.exists()
    Tracker(moved)
    assert "the store was at" not in capsys.readouterr().err


def test_a_copy_leaves_the_original_alone(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    before = sorted(project.rglob("*"))
    use(copy)
    assert sorted(project.rglob("*")) == before
    shutil.rmtree(project)
    load_model(download_model(Tracker(copy), "models:/textsr@champion"))


def test_a_copy_registers_for_itself(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    database = project / "mlruns/mlflow.db"
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    artifact_utils._artifact_repos_cache.clear()
    tracker = Tracker(copy)
    run_id = tracker.start("second", "e", {}, {}).run_id
    second = register_challenger(tracker, "textsr", log_model(tracker, run_id, FOLDER), run_id, "")
    promote(tracker, "textsr", second)
    assert aliases_of(tracker, "textsr") == {"challenger": "2", "champion": "2", "previous": "1"}
    load_model(download_model(tracker, "models:/textsr@champion"))
    assert database in before
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_a_smoke_test_after_a_move_leaves_the_alias(project: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    project.rename(moved)
    artifact_utils._artifact_repos_cache.clear()
    record = {"model_name": "textsr", "version": "1", "champion_before": None}
    said = smoke_test(
        Tracker(moved), record, ROOT / "docs/images/sample.png", tmp_path / "large.png"
    )
    assert "version 1 upscales" in said
    assert aliases_of(Tracker(moved), "textsr")["champion"] == "1"


def test_a_place_that_was_chosen_by_hand_stays(project: Path) -> None:
    tracker = Tracker(project)
    for number, place in enumerate(("file:///nowhere/shared", "s3://bucket/mlruns/artifacts")):
        tracker.client.create_experiment(f"chosen{number}", place)
    before = locations(project)
    Tracker(project)
    assert locations(project) == before >= {"file:///nowhere/shared"}


def test_a_place_whose_disk_is_not_mounted_stays(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "nas/mlruns/artifacts"
    tracker = Tracker(project)
    experiment = tracker.client.create_experiment("chosen", place.as_uri())
    for _ in range(2):
        run = tracker.client.create_run(experiment)
    tracker.client.log_artifact(run.info.run_id, str(ROOT / "LICENSE"))
    before = locations(project)
    (tmp_path / "nas").rename(tmp_path / "unmounted")
    Tracker(project)
    assert locations(project) == before >= {place.as_uri()}
    assert "the store was at" not in capsys.readouterr().err


def test_a_moved_store_without_runs_has_its_new_runs_where_it_is(
    project: Path, tmp_path: Path
) -> None:
    shutil.rmtree(project / "mlruns/artifacts")
    with contextlib.closing(sqlite3.connect(project / "mlruns/mlflow.db")) as database, database:
        for table in ("runs", "logged_models", "model_versions"):
            database.execute(f"DELETE FROM {table}")
    moved = tmp_path / "moved"
    project.rename(moved)
    run = Tracker(moved).start("r", "e", {}, {})
    artifacts = Tracker(moved).client.get_run(run.run_id).info.artifact_uri
    assert artifacts.startswith((moved / "mlruns/artifacts").as_uri())


def test_two_processes_bring_a_store_along_once(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    project.rename(tmp_path / "moved")
    store = tmp_path / "moved/mlruns"
    look = local_store._left_places

    def look_and_be_overtaken(database: sqlite3.Connection, at: Path) -> list[str]:
        seen = look(database, at)
        monkeypatch.setattr(local_store, "_left_places", look)
        local_store.open_store(at)
        return seen

    monkeypatch.setattr(local_store, "_left_places", look_and_be_overtaken)
    local_store.open_store(store)
    assert capsys.readouterr().err.count("the store was at") == 1


def test_a_store_is_opened_while_a_server_writes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_store, "_LOCK_SECONDS", 0.2)
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        database.execute("BEGIN IMMEDIATE")
        local_store.open_store(project / "mlruns")
        database.rollback()


def test_a_project_reached_by_a_link_is_not_taken_for_moved(project: Path, tmp_path: Path) -> None:
    before = locations(project)
    (tmp_path / "link").symlink_to(project)
    Tracker(tmp_path / "link")
    assert locations(project) == before


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database, " * 99)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10_000])


def make_folder(path: Path) -> None:
    path.unlink()
    (path / "x").mkdir(parents=True)


def damage_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [damage_header, truncate, make_folder, damage_pages])
def test_a_damaged_database_is_named_with_the_remedy(
    project: Path, damage: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    database = project / "mlruns/mlflow.db"
    damage(database)
    with pytest.raises(TextsrError) as refused:
        version_of(Tracker(project), "textsr", "champion")
    said = str(refused.value)
    assert said.startswith(f"{database}: MLflow's database cannot be used (")
    assert "docs/how-to/back-up-and-upgrade.md" in said
    assert "\n" not in said
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_database_that_is_damaged_further_on_is_named_by_every_verb(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(project)
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        database.execute("DROP TABLE registered_model_aliases")
    monkeypatch.chdir(project)
    monkeypatch.setattr(cli, "app", lambda **_: tracker.client.get_registered_model("textsr"))
    with pytest.raises(SystemExit):
        cli.main()
    told = capfd.readouterr().err
    assert told.startswith(f"textsr: {project}/mlruns/mlflow.db: MLflow's database cannot be used")
    assert "Traceback" not in told


def test_a_database_that_stays_locked_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_store, "_LOCK_SECONDS", 0.2)
    with sqlite3.connect(project / "mlruns/mlflow.db") as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TextsrError, match=r"mlflow\.db: database is locked: another program"):
            Tracker(project)
        database.rollback()
    monkeypatch.setattr(tracking, "_LOCK_SECONDS", 0.2)
    with (
        tracking.FileLock(project / "mlruns/mlflow.db.lock"),
        pytest.raises(TextsrError, match=r"mlflow\.db: .* locked: another program"),
    ):
        Tracker(project)
