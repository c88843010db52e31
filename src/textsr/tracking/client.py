"""The tracking server, seen from one project: its address, whether it answers, and its runs."""

import logging
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import mlflow
import psutil
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import (
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from textsr.config.project import find_home
from textsr.errors import TextsrError, shorten
from textsr.files import fingerprint, read_json, write_text
from textsr.redaction import redact
from textsr.tracking.local_store import DATABASE, artifacts_uri, open_store, unusable

_PARAMS_A_CALL = 100  # what MLflow's servers take
PRETRAINING, DATA = "-pretraining", "-data"
"""What the names of the experiments of encoders and of datasets end with."""

_ADDRESS = "MLFLOW_TRACKING_URI"
_USER, _PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
_LOCK_SECONDS = 180.0  # for another process to make the tables
_RESTORED_FROM = "textsr.restored_from"
_EVALUATED = "textsr.evaluated"
_ENCODER = "textsr.encoder"
_PROCESS = "textsr.process"  # tag of a run: the process that makes it
_FINISHED = "attributes.status = 'FINISHED'"
_NOTE = "mlflow.note.content"
_HOW_TO_CHOOSE = """\
**How to choose a model here.** Tick the runs and press *Compare*. What decides is
`test/ENGINE_gain`: OCR accuracy over bicubic on lines whose fonts and texts training never saw.
Then `test/ENGINE_gap_closed` (1 would read as well as the true image), then `test/psnr_db` and
`test/ssim`. The runs `bicubic` and `hr` are the peer and the ceiling. Intervals, readings of every
line and side-by-side pictures are under *Artifacts*, in `evaluation/`.
"""
_ABOUT_DATASETS = (
    "One run per dataset: what it was made by, the outcome of its validation, its data card "
    "and its pictures. The tag `textsr.dataset` is the hash of its shards."
)


class RunRecord(BaseModel):
    """`run.json`: a training's MLflow run, and what it takes to make it again."""

    run_id: str
    name: str
    experiment: str
    params: dict[str, str]
    tags: dict[str, str]
    files: dict[str, str] = {}
    """Artifacts that are text, by name."""
    metrics: dict[str, float] = {}
    """Of the run as a whole, beside its curves."""

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """Read a `run.json`.

        Raises:
            TextsrError: if there is none, or it is damaged.
        """
        return cls.model_validate(read_json(path, cls))

    def write(self, path: Path) -> None:
        """Write it as `run.json`, whole or not at all."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def tracking_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the SQLite file under the project's root.

    The path is absolute: the same database from every working directory.
    """
    return os.environ.get(_ADDRESS, f"sqlite:///{_store(root) / DATABASE}")


def _store(root: Path) -> Path:
    """Return the folder of the local store, in the project even where `root` is a copy of it."""
    return find_home(root) / "mlruns"


class Tracker:
    """The tracking server, seen from one project.

    Attributes:
        uri: its address, without user and password where it is a server's.
        client: MLflow's client of it.
        registry_lock: a file; who changes aliases holds it.
    """

    def __init__(self, root: Path) -> None:
        local = _ADDRESS not in os.environ
        store = _store(root)
        self.uri = _without_password(tracking_uri(root))
        self._artifacts = artifacts_uri(store) if local else None
        self.registry_lock = store / "registry.lock"
        for name in ("alembic", "mlflow.store.db.utils"):  # a page of migrations at first use
            logging.getLogger(name).setLevel(logging.CRITICAL)  # and of tracebacks that are raised
        if local:
            open_store(store)
        # The registry looks logged models up at the global address, not at the client's.
        mlflow.set_tracking_uri(self.uri)
        if local:
            # MLflow leaves the address in the environment, where it would pass for the user's.
            os.environ.pop(_ADDRESS, None)
        lock = FileLock(store / f"{DATABASE}.lock", timeout=_LOCK_SECONDS)
        try:
            # Experiments run side by side, and of two processes that make the tables one would
            # fail.
            with lock if local else nullcontext():
                self.client = _client(self.uri)
        except Timeout as error:
            raise unusable(store / DATABASE, f"{DATABASE}.lock is locked") from error
        except OSError as error:
            raise unusable(store / DATABASE, error) from error

    def experiment_id(self, name: str) -> str:
        """Return the id of an experiment, made if it is missing.

        Raises:
            TextsrError: if it was deleted: MLflow keeps the name, and takes no run for it.
        """
        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage != "active":
            raise TextsrError(
                f"{self.uri}: the experiment {name} is deleted; restore it with `mlflow experiments"
                f" restore --experiment-id {found.experiment_id}`, or change tracking.experiment"
            )
        if found is not None:
            return str(found.experiment_id)
        try:
            made = self.client.create_experiment(name, self._artifacts)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return self.experiment_id(name)  # made by another process since it was looked for
        if not name.endswith(PRETRAINING):
            about = _ABOUT_DATASETS if name.endswith(DATA) else _HOW_TO_CHOOSE
            self.client.set_experiment_tag(made, _NOTE, about)
        return str(made)

    def start(
        self,
        name: str,
        experiment: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        files: Mapping[str, str] | None = None,
    ) -> RunRecord:
        """Start a run; `files` are artifacts that are text, by name.

        Runs of the experiment that killed processes of this machine have left running are ended.
        """
        tags = {key: redact(value) for key, value in tags.items()}
        params = {key: redact(value) for key, value in params.items()}
        files = {key: redact(value) for key, value in (files or {}).items()}
        experiment_id = self.experiment_id(experiment)
        self._end_abandoned(experiment_id)
        run = self.client.create_run(
            experiment_id, run_name=name, tags=tags | {_PROCESS: _this_process()}
        )
        run_id = str(run.info.run_id)
        entries = [Param(key, value) for key, value in params.items()]
        with self.failing(run_id):
            for first in range(0, len(entries), _PARAMS_A_CALL):
                self.client.log_batch(run_id, params=entries[first : first + _PARAMS_A_CALL])
            for file, text in files.items():
                self.client.log_text(run_id, text, file)
        return RunRecord(
            run_id=run_id,
            name=name,
            experiment=experiment,
            params=params,
            tags=tags,
            files=files,
        )

    @contextmanager
    def failing(self, run_id: str) -> Iterator[None]:
        """End a run as FAILED where the block raises."""
        try:
            yield
        except BaseException:
            with suppress(MlflowException):  # a server that is away must not hide what happened
                self.finish(run_id, "FAILED")
            raise

    def _end_abandoned(self, experiment_id: str) -> None:
        for run in self.client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
            if _is_gone(run.data.tags.get(_PROCESS, "")):
                self.finish(run.info.run_id, "KILLED")

    def exists(self, run_id: str) -> bool:
        """Tell whether the server knows a run and has not deleted it.

        Raises:
            TextsrError: if the server cannot be asked.
        """
        try:
            return bool(self.client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise unreachable(self.uri, error) from error
            return False

    def resume(self, record: RunRecord) -> None:
        """Mark a run that was cut off as running again."""
        self.client.set_tag(record.run_id, _PROCESS, _this_process())
        self.client.update_run(record.run_id, status="RUNNING")

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        """End a run: FINISHED or FAILED."""
        self.client.set_terminated(run_id, status)

    def log(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        step: int = 0,
        model_uri: str | None = None,
    ) -> None:
        """Log metrics of one step; with the address of a model of the run, onto that as well."""
        now = time.time_ns() // 1_000_000
        model = None if model_uri is None else model_id(model_uri)
        batch = [
            Metric(key, float(value), now, step, model_id=model) for key, value in metrics.items()
        ]
        self.client.log_batch(run_id, metrics=batch)

    def log_curves(self, run_id: str, rows: Iterable[Mapping[str, float]]) -> None:
        """Log curves: rows of metrics, each with its `step`."""
        for row in rows:
            self.log(run_id, {k: v for k, v in row.items() if k != "step"}, int(row["step"]))

    def locate(self, record: RunRecord, curves: Iterable[Mapping[str, float]]) -> str:
        """Return the id of a recorded run; make the run again if the server lost it.

        A stage that DVC restored from its cache made no run here, and a tracking server can be
        new. The new run carries the recorded params, tags, files, metrics and curves.
        """
        if self.exists(record.run_id):
            return record.run_id
        restored = self.find(record.experiment, _RESTORED_FROM, record.run_id, finished=True)
        if restored is not None:
            return restored
        tags = {**record.tags, _RESTORED_FROM: record.run_id}
        run_id = self.start(
            record.name, record.experiment, record.params, tags, record.files
        ).run_id
        with self.failing(run_id):
            self.log(run_id, record.metrics)
            self.log_curves(run_id, curves)
        self.finish(run_id)
        print(  # noqa: T201
            redact(
                f"MLflow at {self.uri} has no run {record.run_id} ({record.name}); "
                f"made it again as {run_id}"
            )
        )
        return run_id

    def log_evaluation(
        self,
        run_id: str,
        metrics: Mapping[str, float],
        folder: Path,
        evaluation_key: str,
        model_uri: str | None = None,
    ) -> None:
        """Log an evaluation's metrics and files onto its training's run, metrics onto its model."""
        self.log(run_id, metrics, model_uri=model_uri)
        for path in sorted(folder.iterdir()):
            if path.name != "model":  # logged as a model, with its signature
                log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
                log(run_id, str(path), f"evaluation/{path.name}" if path.is_dir() else "evaluation")
        self.client.set_tag(run_id, _EVALUATED, evaluation_key)

    def publish_baseline(
        self, experiment: str, method: str, metrics: Mapping[str, float], key: str
    ) -> None:
        """Make the run of a method that is not trained, once for each evaluation of it.

        With bicubic and HR in the same experiment, every chart shows the peer and the ceiling.
        """
        known = self.client.search_runs(
            [self.experiment_id(experiment)],
            f"tags.`{_EVALUATED}` = '{key}' and attributes.run_name = '{method}' and {_FINISHED}",
            max_results=1,
        )
        if not known:
            run_id = self.start(
                method, experiment, {"model.name": method}, {_EVALUATED: key}
            ).run_id
            with self.failing(run_id):
                self.log(run_id, metrics)
            self.finish(run_id)

    def describe(self, run_id: str, note: str) -> None:
        """Set the Markdown that the UI shows on a run's page."""
        self.client.set_tag(run_id, _NOTE, note)

    def evaluation_key(self, run_id: str) -> str | None:
        """Return the key of the evaluation that a run carries, if any."""
        return self.client.get_run(run_id).data.tags.get(_EVALUATED)

    def find(self, experiment: str, tag: str, value: str, *, finished: bool = False) -> str | None:
        """Return the newest run of an experiment that has a tag of this value, if there is one.

        Args:
            experiment: its name.
            tag: the tag's.
            value: of the tag.
            finished: pass over runs that were cut off, which may lack what they should hold.
        """
        asked = f"tags.`{tag}` = '{value}'" + (f" and {_FINISHED}" if finished else "")
        found = self.client.search_runs([self.experiment_id(experiment)], asked, max_results=1)
        return str(found[0].info.run_id) if found else None

    def encoder_run(self, experiment: str, encoder: Path) -> str | None:
        """Return the run that pretrained an encoder, found by the hash of its weights."""
        return self.find(experiment + PRETRAINING, _ENCODER, fingerprint("", [encoder]))

    def tag_encoder(self, run_id: str, encoder: Path) -> None:
        """Tag a pretraining run with the hash of the encoder it made."""
        self.client.set_tag(run_id, _ENCODER, fingerprint("", [encoder]))

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        entries = [RunTag(key, redact(value)) for key, value in tags.items()]
        self.client.log_batch(run_id, tags=entries)


def _this_process() -> str:
    """Return what tells this process from all others of all machines."""
    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.2f}"


def _is_gone(named: str) -> bool:
    """Tell whether a process of this machine has ended; it is named as by `_this_process`."""
    node, *rest = named.rsplit(" ", 2)
    if node != platform.node() or len(rest) != 2:
        return False  # another machine's, or of a run that was made before runs named theirs
    pid, begun = rest
    try:
        found = psutil.Process(int(pid))
        is_same = f"{found.create_time():.2f}" == begun
        return not is_same or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def model_id(uri: str) -> str | None:
    """Return the id of a logged model by its address; None where that is no `models:/` address."""
    return uri.removeprefix("models:/") if uri.startswith("models:/") else None


def _without_password(uri: str) -> str:
    """Take user and password out of a server's address; MLflow gets them by its own variables.

    MLflow prints and stores addresses: in exceptions, in links to runs.
    """
    if not uri.startswith(("http://", "https://")):
        return uri  # a database's address, which MLflow needs as it is
    try:
        parts = urlsplit(uri)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:  # no address, as MLflow will say
        return uri
    if not (user and password):
        return uri
    os.environ[_USER], os.environ[_PASSWORD] = user, password
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _client(uri: str) -> MlflowClient:
    try:
        return MlflowClient()
    except MlflowException as error:
        raise explain(error, uri) or TextsrError(f"{uri}: {error}") from error
    except (SQLAlchemyError, ImportError) as error:  # ImportError: of the database's driver
        raise unreachable(uri, error) from error


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Raise what `explain` says of MLflow's errors in the block.

    Raises:
        TextsrError: if MLflow's server or database fails, or the server does not do what is asked.
    """
    try:
        yield
    except MlflowException as error:
        said = explain(error, uri)
        if said is None:
            raise
        raise said from error


def explain(error: BaseException, uri: str) -> TextsrError | None:
    """Return what to say where MLflow's server or database failed a verb; None of other errors."""
    if is_away(error):
        return unreachable(uri, error)
    if _is_of_server(error):
        return TextsrError(
            f"{uri}: MLflow does not do what it is asked ({shorten(str(error))}); look whether "
            f"what it names was deleted there, correct {_ADDRESS}, or start a server of this "
            f"version: {mlflow.__version__}"
        )
    return None


def is_away(error: BaseException) -> bool:
    """Tell whether an error is the server's or its database's, whatever it was asked for."""
    of_database = isinstance(error, MlflowException) and isinstance(
        error.__cause__, SQLAlchemyError
    )
    return is_unreachable(error) or _is_refusal(error) or of_database


def is_unreachable(error: BaseException) -> bool:
    """Tell whether MLflow's client gave up asking a server, after the retries that it makes.

    The server is away, or fails itself (a proxy before it, its database), which may pass.
    """
    failed = HTTPStatus.INTERNAL_SERVER_ERROR
    return _is_of_server(error) and cast(Any, error).get_http_status_code() >= failed


def _is_of_server(error: BaseException) -> bool:
    """Tell whether MLflow's client raised an error for what a server answered, or did not."""
    asked = isinstance(error, RestException) or str(error).startswith("API request to ")
    return isinstance(error, MlflowException) and asked


def _is_refusal(error: BaseException) -> bool:
    refused = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return isinstance(error, MlflowException) and cast(Any, error).get_http_status_code() in refused


def unreachable(uri: str, error: BaseException) -> TextsrError:
    """Return what to raise where the tracking server or the local store gives no answer."""
    if uri.startswith("sqlite:///") and not is_unreachable(error):
        return unusable(uri.removeprefix("sqlite:///"), _first_line(error))
    if _is_refusal(error):
        return TextsrError(
            f"{uri}: MLflow refuses ({error}); correct {_USER} and {_PASSWORD}, or {_ADDRESS}"
        )
    return TextsrError(
        f"{uri}: MLflow gives no answer ({error}); start it, or correct MLFLOW_TRACKING_URI"
    )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
