"""Pushing a registered version to Hugging Face's hub, or to one that answers as it does.

The hub's client reads its address from HF_ENDPOINT, and the token from HF_TOKEN or from what
`hf auth login` has written.
"""

import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from importlib.metadata import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    EvalResult,
    HfApi,
    ModelCard,
    ModelCardData,
)
from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError
from mlflow.entities.model_registry import ModelVersion

from textsr.config import project
from textsr.errors import TextsrError, shorten
from textsr.evaluation.judges import judges_of_summary
from textsr.files import find_files, read_json, read_text
from textsr.models.package import FILES
from textsr.ocr.engines import known_engines
from textsr.registry.card import CARD, DATA, PICTURES, Card
from textsr.registry.origin import kept_folder
from textsr.registry.packaging import download_model
from textsr.tracking import Tracker


def push_to_hub(tracker: Tracker, version: ModelVersion, repo: str, *, private: bool) -> str:
    """Push a version's model folder, params and card; return the address of what came of it.

    Args:
        tracker: the tracking server.
        version: the version.
        repo: of the hub, `OWNER/NAME`; made if it is missing.
        private: whether a repository that is made is its owner's alone.

    Raises:
        TextsrError: if the version has no card or no files, or the hub refuses or gives no answer.
    """
    with kept_folder(tracker, version) as kept, TemporaryDirectory(prefix="textsr-") as made:
        if kept is None:
            raise TextsrError(
                f"{version.name} version {version.version}: has no card, which versions get as "
                "they are registered; push one that `textsr register` made since then"
            )
        model = download_model(tracker, f"models:/{version.name}/{version.version}")
        folder = Path(made)
        for path in [*(model / name for name in FILES), kept / project.PARAMS]:
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
        if (kept / PICTURES).is_dir():
            shutil.copytree(kept / PICTURES, folder / PICTURES)
        card = Card.model_validate(read_json(kept / DATA, Card))
        ModelCard(front_matter(card) + read_text(kept / CARD)).save(folder / "README.md")
        files = {path.relative_to(folder).as_posix(): path for path in find_files(folder)}
        api = HfApi(library_name="textsr")
        try:
            api.create_repo(repo, exist_ok=True, private=private)
            stale = [name for name in api.list_repo_files(repo) if _is_ours(name)]
            done = api.create_commit(  # one: `upload_folder` may leave half a version
                repo,
                [
                    *(CommitOperationAdd(name, path) for name, path in files.items()),
                    *(CommitOperationDelete(name) for name in stale if name not in files),
                ],
                commit_message=f"{version.name} version {version.version}",
            )
        except HFValidationError as error:
            raise TextsrError(f"{repo}: {error}; name it as OWNER/NAME") from error
        except LocalTokenNotFoundError as error:
            raise TextsrError(
                f"{api.endpoint}: no token of the hub; set HF_TOKEN, or `hf auth login`"
            ) from error
        except Exception as error:  # the client's own types, and those of what it sends by
            said = shorten(" ".join(str(error).split()))
            raise TextsrError(
                f"{api.endpoint}: {repo} cannot be pushed ({said}); see to "
                "HF_TOKEN, which must be allowed to write there, and to HF_ENDPOINT"
            ) from error
    return str(done.commit_url)


def front_matter(card: Card) -> str:
    """Return a card's metadata in YAML, as the hub reads them from the head of `README.md`."""
    data = ModelCardData(
        language="en",
        license=str(metadata("textsr")["License-Expression"]).lower(),
        library_name="textsr",
        pipeline_tag="image-to-image",
        tags=["super-resolution", "ocr", "text"],
        model_name=card.title,
        eval_results=list(_results(card.sets)),
    )
    return f"---\n{data.to_yaml()}\n---\n\n"


def _is_ours(name: str) -> bool:
    """Whether a file of a repository is one that a version is pushed with."""
    return name in (*FILES, project.PARAMS.name) or name.startswith(f"{PICTURES}/")


def _results(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[EvalResult]:
    """Yield what the hub calls evaluation results: PSNR, SSIM and each engine's accuracy."""
    titles = {name: entry.title for name, entry in known_engines().items()}
    for name, row in sets.items():
        result = partial(
            EvalResult, task_type="image-to-image", dataset_type=name, dataset_name=name
        )
        for metric, title in (("psnr_db", "PSNR (dB)"), ("ssim", "SSIM")):
            if row.get(metric) is not None:
                interval = {"confidence_interval": row.get(f"{metric}_ci")}
                yield result(
                    metric_type=metric.removesuffix("_db"),
                    metric_name=title,
                    metric_value=row[metric],
                    metric_args=interval,
                )
        for engine in judges_of_summary(row):
            score = row[engine]
            yield result(
                metric_type="accuracy",
                metric_name=f"Accuracy as {titles.get(engine, engine)} reads",
                metric_value=score["accuracy"],
                metric_args={
                    "confidence_interval": score.get("accuracy_ci"),
                    "gain_over_bicubic": score.get("gain"),
                    "gain_interval": score.get("gain_ci"),
                    "engine_version": score.get("version"),
                },
            )
