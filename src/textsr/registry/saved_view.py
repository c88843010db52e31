"""The view of MLflow's UI in which models are compared, saved with the experiment."""

import base64
import json
import zlib
from collections.abc import Sequence

VIEW_TAG = "mlflow.sharedViewState.textsr"
"""Tag of an experiment: the view as MLflow's UI keeps views that people save (MLflow 3.17)."""

_KEY = VIEW_TAG.rpartition(".")[2]
_TITLE = "Which model reads best"
_WIDTH, _WIDE = 105, 360  # pixels


def encode_view(engines: Sequence[str]) -> str:
    """Return the value of `VIEW_TAG`: verdicts, gains by OCR engine, costs, data and code.

    Args:
        engines: names of the OCR engines; by the first one's gain runs are ordered.
    """
    metrics = [f"{kind}/{engine}" for engine in engines for kind in ("gain", "low")]
    metrics += ["test/psnr_db", "test/ssim", "ms_per_line", "train_seconds", "parameters"]
    columns = ["tags.`verdict`", *(f"metrics.`{metric}`" for metric in metrics)]
    columns += ["tags.`data_hash`", "tags.`git_commit`"]
    state = {
        "orderByKey": f"metrics.`gain/{engines[0]}`",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {each: _WIDE if each == columns[0] else _WIDTH for each in columns},
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    about = {"name": _TITLE, "createdAt": 0, "updatedAt": 0, "state": f"deflate;{packed}"}
    return json.dumps(about)


def view_address(server: str, experiment_id: str) -> str:
    """Return the page of MLflow's UI that shows the view.

    Args:
        server: address of MLflow's server, without a slash at its end.
        experiment_id: of the experiment with the trainings.
    """
    mode = "workflowType=machine_learning"  # the UI opens as one for prompts and traces
    return f"{server}/#/experiments/{experiment_id}/runs?{mode}&viewStateShareKey={_KEY}"


def lines_address(server: str, experiment_id: str) -> str:
    """Return the page that shows lines side by side, a column a run; as `view_address`."""
    return f"{view_address(server, experiment_id)}&compareRunsMode=ARTIFACT"
