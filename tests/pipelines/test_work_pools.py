"""The templates of pools on Docker and Kubernetes, as Prefect's server checks them."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate
from prefect.server.schemas.actions import WorkPoolCreate

FOLDER = Path(__file__).parents[2] / "pipelines" / "work_pools"


def template(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text())
    return found


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_server_takes_it_and_its_defaults_are_of_their_types(kind: str) -> None:
    pool = WorkPoolCreate(name="gpu", type=kind, base_job_template=template(kind))
    variables = pool.base_job_template["variables"]
    defaults = {
        name: each["default"]
        for name, each in variables["properties"].items()
        if each.get("default") is not None
    }
    validate(defaults, variables)
    assert defaults["image"] == "textsr:latest"
    assert defaults["env"]["TEXTSR_SHARE"] == "1"


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_server_refuses_it_where_a_variable_is_missing(kind: str) -> None:
    broken = template(kind)
    del broken["variables"]["properties"]["image"]
    with pytest.raises(ValueError, match="image"):
        WorkPoolCreate(name="gpu", type=kind, base_job_template=broken)


def test_a_job_gets_one_gpu() -> None:
    docker, kubernetes = template("docker"), template("kubernetes")
    asked = docker["variables"]["properties"]["container_create_kwargs"]["default"]
    assert asked == {"device_requests": [{"count": 1, "capabilities": [["gpu"]]}]}
    job = kubernetes["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert job["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpu_limit }}"
    assert kubernetes["variables"]["properties"]["gpu_limit"]["default"] == 1
