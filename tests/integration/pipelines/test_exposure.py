"""What `make up` exposes to whom: web pages, other users, callers of its ports; a hostile place.

All attack one set of real servers, in a folder with spaces whose path is longer than a socket's.
"""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from browser import CHROMIUM, browser
from fastapi.routing import APIRoute, APIWebSocketRoute
from served import Project
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's chromium)")
FOREIGN = "http://evil.example"
SERVERS = ("prefect", "mlflow", "docs")


def closed_address(project: Project, server: str) -> str:
    """An address that answers none but its user."""
    paths = {"prefect": "/api/version", "mlflow": "/version", "docs": "/index.html"}
    return f"{getattr(project, server)}{paths[server]}"


def routes(kind: type) -> list[Any]:
    from prefect.server.api.server import API_ROUTERS

    return [route for router in API_ROUTERS for route in router.routes if isinstance(route, kind)]


def assistant_routes() -> list[APIRoute]:
    from mlflow.server.assistant.api import assistant_router

    return [route for route in assistant_router.routes if isinstance(route, APIRoute)]


def fill(path: str) -> str:
    return re.sub(r"{[^}]*}", str(uuid4()), path)


def test_it_is_up_in_a_long_path_with_spaces(project: Project) -> None:
    assert len(str(project.home / "supervisor.sock")) > 107
    code, said = project.services("status")
    assert code == 0, said


@pytest.mark.parametrize("server", SERVERS)
def test_a_port_answers_its_user_alone(project: Project, server: str) -> None:
    address, (user, password) = closed_address(project, server), project.credentials
    (project.root / "artifacts/validation/data_docs").mkdir(exist_ok=True)
    (project.root / "artifacts/validation/data_docs/index.html").write_text("docs")
    assert httpx.get(address, auth=(user, password)).status_code == 200
    assert httpx.get(address).status_code == 401
    for wrong in ((user, ""), (user, f"{password}x"), ("", password), ("admin", "password")):
        assert httpx.get(address, auth=wrong).status_code == 401
    for value in ("Basic", "Basic !", f"Bearer {password}", "Basic \xff"):
        headers = {"Authorization": value.encode("latin-1")}
        assert httpx.get(address, headers=headers).status_code == 401


@pytest.mark.parametrize("server", SERVERS)
def test_a_port_answers_under_its_own_name_alone(project: Project, server: str) -> None:
    for address in (closed_address(project, server), getattr(project, server)):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1]:80"):
            answer = httpx.get(address, auth=project.credentials, headers={"Host": host})
            assert answer.status_code == 400, host


@pytest.mark.parametrize("server", SERVERS)
def test_a_port_answers_no_page_of_another_server(project: Project, server: str) -> None:
    address, imported = closed_address(project, server), getattr(project, server)
    for origin in (FOREIGN, "null", "http://127.0.0.1:1", "http://localhost", f"{imported}0"):
        headers = {"Origin": origin}
        for method in ("GET", "POST", "OPTIONS"):
            answer = httpx.request(method, address, auth=project.credentials, headers=headers)
            assert answer.status_code == 403, (method, origin)
            assert "access-control-allow-origin" not in answer.headers
    for site in ("cross-site", "same-site"):  # pictures and scripts, which have no Origin
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
        assert httpx.get(address, auth=project.credentials, headers=headers).status_code == 403
        followed = headers | {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert httpx.get(address, auth=project.credentials, headers=followed).status_code == 200
    for origin in (imported, imported.replace("127.0.0.1", "localhost")):
        answer = httpx.get(address, auth=project.credentials, headers={"Origin": origin})
        assert answer.status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json"])
def test_nothing_is_written_without_credentials(project: Project, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    for address, body in (
        (f"{project.prefect}/api/flows/", {"name": "intruder"}),
        (f"{project.mlflow}/api/2.0/mlflow/experiments/create", {"name": "intruder"}),
        (f"{project.mlflow}/ajax-api/2.0/mlflow/experiments/create", {"name": "intruder"}),
    ):
        assert httpx.post(address, content=json.dumps(body), headers=headers).status_code == 401
    assert httpx.put(project.docs, content=b"x").status_code == 401


def test_every_route_of_prefect_asks_for_credentials(project: Project) -> None:
    with httpx.Client(base_url=f"{project.prefect}/api", timeout=30) as client:
        asked = 0
        for route in routes(APIRoute):
            for method in route.methods:
                answer = client.request(method, fill(route.path))
                ready = route.path == "/ready"
                assert answer.status_code == (200 if ready else 401), (method, route.path)
                asked += 1
    assert asked > 100


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static-files/index.html",
        "/get-artifact",
        "/graphql",
        "/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/jobs/1",
        "/gateway/x/mlflow/invocations",
        "/v1/traces",
        "/api/2.0/mlflow-artifacts/artifacts",
        "//health",
        "/health/",
        "/health/../version",
    ],
)
def test_all_of_mlflow_but_its_health_asks_for_credentials(project: Project, path: str) -> None:
    assert httpx.get(f"{project.mlflow}/health").status_code == 200
    for method in ("GET", "POST"):
        assert httpx.request(method, project.mlflow + path).status_code == 401


def test_the_assistant_of_mlflow_answers_nobody(project: Project) -> None:
    asked = 0
    with httpx.Client(base_url=project.mlflow, auth=project.credentials, timeout=30) as client:
        for route in assistant_routes():
            for method in route.methods:
                for path in (fill(route.path), fill(route.path).replace("-", "%2D")):
                    answer = client.request(method, path)
                    assert (answer.status_code, answer.text) == (404, "This is closed here"), path
                    asked += 1
    assert asked > 10


def test_websockets_of_prefect_ask_for_credentials(project: Project) -> None:
    paths = [fill(route.path) for route in routes(APIWebSocketRoute)]
    assert len(paths) >= 4
    for path in paths:
        for token in (None, "", "textsr:wrong"):
            assert not is_let_in(project, path, {"type": "auth", "token": token})
        assert not is_let_in(project, path, {"type": "filter", "filter": {}})
        assert is_let_in(project, path, {"type": "auth", "token": ":".join(project.credentials)})


def test_websockets_answer_no_foreign_page_or_name(project: Project) -> None:
    address = f"{project.prefect.replace('http', 'ws')}/api/events/out"
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, origin=FOREIGN, subprotocols=["prefect"])
    named = address.replace("127.0.0.1", "evil.example")
    port = int(project.prefect.rpartition(":")[2])
    with pytest.raises(InvalidStatus, match="400"):
        connect(named, sock=socket.create_connection(("127.0.0.1", port)))


def is_let_in(project: Project, path: str, first: dict[str, Any]) -> bool:
    address = f"{project.prefect.replace('http', 'ws')}/api{path}"
    with connect(address, subprotocols=["prefect"]) as connection:
        connection.send(json.dumps(first))
        try:
            return bool(json.loads(connection.recv(timeout=30)) == {"type": "auth_success"})
        except ConnectionClosed:
            return False


def test_data_docs_are_all_that_their_port_shows(project: Project) -> None:
    (project.root / "artifacts/validation/data_docs/folder").mkdir(parents=True, exist_ok=True)
    for path in ("folder/", "..%2f..%2f..%2fparams.yaml", "%2e%2e/", "..\\..\\params.yaml"):
        answer = httpx.get(f"{project.docs}/{path}", auth=project.credentials)
        assert answer.status_code == 404, path


def test_a_run_with_a_command_of_its_own_does_not_run_it(project: Project, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    (tmp_path / "sitecustomize.py").write_text(f"open({str(mark)!r}, 'w')")
    variables = {
        "command": f"touch '{mark}'",
        "env": {"PYTHONPATH": str(tmp_path)},
        "working_dir": str(tmp_path),
    }
    deployment = project.request("GET", "deployments/name/evaluate/on-demand")
    path = f"deployments/{deployment['id']}/create_flow_run"

    def asked(job_variables: dict[str, Any]) -> dict[str, Any]:
        return {"state": {"type": "SCHEDULED"}, "job_variables": job_variables}

    # As a page or another user asks, then as the user whose credentials they are.
    body, address = json.dumps(asked(variables)), f"{project.prefect}/api/{path}"
    foreign = {"Host": "evil.example", "Origin": FOREIGN}
    assert httpx.post(address, content=body, headers=foreign).status_code == 400
    assert httpx.post(address, content=body).status_code == 401
    dotted = {"env.PYTHONPATH": str(tmp_path)}
    for each in (variables, dotted, *({name: value} for name, value in variables.items())):
        assert project.api.post(path, json=asked(each)).status_code == 422

    # Prefect does not check these: the template leaves them out. The flow refuses its parameters.
    where = {"deployment_id": deployment["id"], "flow_id": deployment["flow_id"]}
    made = {**asked(variables), **where, "work_pool_name": "cpu", "parameters": {"stages": ["x"]}}
    ended = project.wait(project.request("POST", "flow_runs/", made)["id"], 300)
    assert "Validation of flow parameters failed" in ended["state"]["message"]
    assert not mark.exists()


def test_pools_of_an_older_make_up_get_the_closed_template(project: Project) -> None:
    from prefect.workers.process import ProcessWorker

    old = ProcessWorker.get_default_base_job_template()
    project.request("PATCH", "work_pools/gpu", {"base_job_template": old})
    before = project.credentials
    code, said = project.services("up")
    assert code == 0, said
    assert project.credentials == before
    template = project.request("GET", "work_pools/gpu")["base_job_template"]
    assert template == json.loads(
        (project.root / "pipelines/work_pools/process.json").read_text(encoding="utf-8")
    )


def test_up_refuses_servers_that_run_without_its_credentials(project: Project) -> None:
    drawn = {path: path.read_text() for path in project.home.iterdir() if path.suffix == ".toml"}
    drawn[project.home / "credentials"] = ":".join(project.credentials)
    (project.home / "credentials").write_text("textsr:another\n")
    try:
        code, said = project.services("up")
    finally:
        for path, text in drawn.items():
            path.write_text(text)
    assert code == 1
    assert "`make down`, then `make up`" in said


def test_the_printed_profile_opens_prefect_to_its_commands(project: Project) -> None:
    line = next(line for line in project.said.splitlines() if "export" in line)
    script = f"{line[line.index('export') :]}; prefect work-pool ls"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    done = subprocess.run(["sh", "-c", script], env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu" in done.stdout


def test_the_secret_is_in_no_command_line_log_or_answer(project: Project) -> None:
    _, password = project.credentials
    encoded = b64encode(":".join(project.credentials).encode()).decode()
    shown = [" ".join(process.cmdline()) for process in project.processes()]
    shown += [path.read_text(errors="replace") for path in project.home.glob("*.log")]
    shown += [project.said, project.services("status")[1]]
    shown += [project.api.get("admin/settings").text]
    for what in ("work_pools", "deployments", "flow_runs", "logs", "variables"):
        shown += [project.api.post(f"{what}/filter", json={}).raise_for_status().text]
    assert len(shown) > 10
    for text in shown:
        assert password not in text
        assert encoded not in text


def test_what_the_services_keep_is_their_users(project: Project) -> None:
    for folder in (project.home, project.root / "mlruns"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = [*project.home.rglob("*"), project.root / "mlruns" / "mlflow.db"]
    names = {path.name for path in kept}
    assert {"credentials", "prefect.db", "mlflow.db", "cpu.log", "supervisor.sock"} <= names
    results = project.home / "prefect" / "storage"  # runs write there, with their user's umask
    assert stat.S_IMODE(results.stat().st_mode) == 0o700
    for path in kept:
        if not path.is_symlink() and results not in path.parents:
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_can_read_nothing_and_reach_nothing(project: Project) -> None:
    closed = [project.home / name for name in ("credentials", "profiles.toml", "mlflow.log")]
    closed += [project.home / "prefect" / "prefect.db", project.root / "mlruns" / "mlflow.db"]
    closed += [Path(f"/proc/{process.pid}/environ") for process in project.processes()]
    folder = os.open(project.home, os.O_PATH)  # past a path too long for a socket's name
    address = f"/proc/self/fd/{folder}/supervisor.sock"

    def try_all() -> list[str]:
        assert (project.root / "params.yaml").read_bytes()  # the way there is open
        found = [str(path) for path in closed if not fails(path.read_bytes)]
        found += [] if fails(lambda: list(project.home.iterdir())) else ["list"]
        found += [] if fails((project.home / "planted").touch) else ["write"]
        with socket.socket(socket.AF_UNIX) as client:
            found += [] if fails(lambda: client.connect(address)) else ["connect"]
        return found

    assert as_nobody(try_all) == []
    os.close(folder)


def fails(action: Callable[[], Any]) -> bool:
    try:
        action()
    except PermissionError:
        return True
    return False


def as_nobody(action: Callable[[], list[str]]) -> list[str]:
    """What an action returns in a process of the user `nobody`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            told: list[str] = action()
        except BaseException as error:
            told = [repr(error)]
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found: list[str] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


PAGE = """<!doctype html><title>working</title><iframe name=hidden></iframe><script>
const attacks = %s;
async function tell() {
  const said = [];
  for (const [address, body] of attacks) {
    for (const options of [{mode: "no-cors"}, {mode: "cors"}, {credentials: "include"}]) {
      try {
        const answer = await fetch(address, {method: "POST", body, ...options});
        said.push(answer.type + " " + answer.status);
      } catch (error) { said.push("refused"); }
    }
    const form = document.createElement("form");
    Object.assign(form, {action: address, method: "post", enctype: "text/plain", target: "hidden"});
    const field = document.createElement("input");
    Object.assign(field, {name: body.slice(0, -1) + ', "x": "', value: '"}'});
    form.append(field); document.body.append(form); form.submit();
    await new Promise(done => setTimeout(done, 1000));
  }
  document.title = JSON.stringify(said);
}
tell();
</script>"""


@needs_chromium
def test_a_page_in_the_users_browser_starts_nothing(project: Project, tmp_path: Path) -> None:
    deployment = project.request("GET", "deployments/name/evaluate/on-demand")
    run = f"{project.prefect}/api/deployments/{deployment['id']}/create_flow_run"
    attacks = [
        (run, json.dumps({"state": {"type": "SCHEDULED"}})),
        (f"{project.prefect}/api/flows/", json.dumps({"name": "intruder"})),
        (f"{project.mlflow}/api/2.0/mlflow/experiments/create", json.dumps({"name": "intruder"})),
    ]
    before = project.request("POST", "flow_runs/count", {})
    with serving(PAGE % json.dumps(attacks)) as address, browser(tmp_path / "profile") as page:
        # Logged in to both, as the user of the browser is.
        user, password = project.credentials
        page.open(f"{project.mlflow.replace('://', f'://{user}:{password}@')}/version")
        assert "." in page.evaluate("document.body.innerText")
        log_in(page, project)
        page.open(address)
        page.wait(lambda: page.evaluate("document.title") != "working")
        said = json.loads(page.evaluate("document.title"))
    assert len(said) == 9
    assert all(one in ("refused", "opaque 0") for one in said), said
    assert project.request("POST", "flow_runs/count", {}) == before
    flows = project.request("POST", "flows/filter", {})
    assert "intruder" not in {flow["name"] for flow in flows}
    found = httpx.get(
        f"{project.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=intruder",
        auth=project.credentials,
    )
    assert found.status_code == 404


@needs_chromium
def test_prefects_ui_asks_for_the_credentials_and_works_with_them(
    project: Project, tmp_path: Path
) -> None:
    for host in ("127.0.0.1", "localhost"):
        with browser(tmp_path / host) as page:
            log_in(page, project, host)


def log_in(page: Any, project: Project, host: str = "127.0.0.1") -> None:
    page.open(project.prefect.replace("127.0.0.1", host))
    page.wait(lambda: page.evaluate("document.querySelector('input[type=password]') !== null"))
    page.evaluate("document.querySelector('input[type=password]').focus()")
    page.type(":".join(project.credentials))
    page.evaluate("document.querySelector('form button').click()")
    page.wait(lambda: "Active Work Pools" in page.evaluate("document.body.innerText"))


class serving:  # noqa: N801
    """A page on a port of its own."""

    def __init__(self, page: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __exit__(self, *error: Any) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_up_ends_soon_where_a_server_ends_and_names_its_log(tmp_path: Path) -> None:
    broken = Project(tmp_path / "a project")
    web = broken.root / "pipelines" / "web.py"
    web.write_text("raise SystemExit('out of order')\n")
    began = time.monotonic()
    try:
        code, said = broken.services("up")
    finally:
        broken.services("down")
    assert time.monotonic() - began < 100
    assert code == 1
    log = Path(re.findall(r"look into (.*\.log)", said)[0])
    assert "out of order" in log.read_text()
