"""The templates of pools, as Prefect's server checks them."""

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from jsonschema import ValidationError, validate
from prefect.server.schemas.actions import WorkPoolCreate
from prefect.workers.process import ProcessJobConfiguration

FOLDER = Path(__file__).parents[3] / "pipelines" / "work_pools"


def template(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{kind}.json").read_text())
    return found


KINDS = ["docker", "kubernetes", "process"]
# By which a caller would run something else, or reach more than a job needs.
CLOSED = {
    "annotations",
    "cluster_config",
    "command",
    "container_create_kwargs",
    "env",
    "image",
    "image_pull_policy",
    "namespace",
    "network_mode",
    "networks",
    "privileged",
    "registry_credentials",
    "service_account_name",
    "volumes",
    "working_dir",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_takes_it_and_its_defaults_are_of_their_types(kind: str) -> None:
    pool = WorkPoolCreate(name="gpu", type=kind, base_job_template=template(kind))
    variables = pool.base_job_template["variables"]
    defaults = {
        name: each["default"]
        for name, each in variables["properties"].items()
        if each.get("default") is not None
    }
    validate(defaults, variables)


@pytest.mark.parametrize("kind", KINDS)
def test_a_caller_chooses_no_command_and_no_environment(kind: str) -> None:
    found = template(kind)
    assert not CLOSED & set(found["variables"]["properties"])
    for name in CLOSED:
        assert f"{{{{ {name} }}}}" not in json.dumps(found["job_configuration"])
        with pytest.raises(ValidationError, match="unexpected"):
            validate({name: "x"}, found["variables"])
    with pytest.raises(ValidationError, match="unexpected"):
        validate({"env.PATH": "x"}, found["variables"])


def test_prefect_makes_no_command_and_environment_out_of_what_it_did_not_check() -> None:
    asked = {"command": "touch x", "env": {"A": "1"}, "env.B": "2", "working_dir": "/tmp"}
    made = asyncio.run(
        ProcessJobConfiguration.from_template_and_values(
            template("process"), asked, client=MagicMock()
        )
    )
    assert (made.command, made.env, made.working_dir) == (None, {}, None)


@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_the_server_refuses_it_where_a_variable_is_missing(kind: str) -> None:
    broken = template(kind)
    del broken["variables"]["properties"]["stream_output"]
    with pytest.raises(ValueError, match="stream_output"):
        WorkPoolCreate(name="gpu", type=kind, base_job_template=broken)


def test_a_job_gets_our_image_one_gpu_and_shares() -> None:
    docker, kubernetes = (template(kind)["job_configuration"] for kind in ("docker", "kubernetes"))
    asked = docker["container_create_kwargs"]
    assert asked == {"device_requests": [{"count": 1, "capabilities": [["gpu"]]}]}
    container = kubernetes["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "{{ gpu_limit }}"
    limits = template("kubernetes")["variables"]["properties"]["gpu_limit"]
    assert limits["default"] == 1
    assert docker["image"] == container["image"] == "textsr:latest"
    assert docker["env"]["TEXTSR_SHARE"] == "1"
    assert {"name": "TEXTSR_SHARE", "value": "1"} in container["env"]
