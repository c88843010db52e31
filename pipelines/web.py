"""The servers of `make up` behind a guard: `python -m pipelines.web prefect|mlflow|docs`.

They listen on loopback, which keeps out neither web pages in the user's own browser nor other users
of the machine. So each asks for credentials, and answers only under its own name and its own pages.
"""

import base64
import hmac
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from pipelines.credentials import read_credentials
from pipelines.services import HOSTS, Settings, read_settings
from textsr.errors import TextsrError
from textsr.serving.guard import is_of_another_page

_DATA_DOCS = Path("artifacts/validation/data_docs")


class _Guard:
    """Refuses requests that another server's page makes, and those without credentials."""

    def __init__(
        self, app: ASGIApp, credentials: str | None, open_paths: Collection[str], closed: str | None
    ) -> None:
        self._app = app
        self._open_paths = open_paths
        self._closed = closed
        self._expected = None
        if credentials is not None:
            self._expected = b"Basic " + base64.b64encode(credentials.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        # A browser adds credentials that it knows to what any page asks for.
        if is_of_another_page(headers, HOSTS):  # Prefect's UI at `localhost` asks at 127.0.0.1
            return PlainTextResponse("Pages of other servers may not ask here", 403)
        is_open = scope["type"] == "http" and scope["path"] in self._open_paths
        given = headers.get("authorization", "").encode()
        if not (is_open or self._expected is None or hmac.compare_digest(given, self._expected)):
            asked = {"WWW-Authenticate": 'Basic realm="textsr"'}
            return PlainTextResponse("Credentials are in .services/credentials", 401, asked)
        if self._closed is not None and scope["path"].startswith(self._closed):
            return PlainTextResponse("This is closed here", 404)
        return None


def guarded(
    app: ASGIApp,
    credentials: str | None,
    open_paths: Collection[str] = (),
    closed: str | None = None,
) -> ASGIApp:
    """Return an ASGI app behind checks of Host, Origin and credentials.

    A foreign Host (a name that its owner lets point to loopback) is answered with 400, what another
    server's page asks for with 403, missing or wrong credentials with 401, a closed path with 404.

    Args:
        app: the server.
        credentials: USER:PASSWORD for HTTP's basic authentication; None where `app` itself asks.
        open_paths: paths that need no credentials.
        closed: what paths begin with that are answered to nobody.
    """
    guard = _Guard(app, credentials, open_paths, closed)
    return TrustedHostMiddleware(guard, HOSTS, www_redirect=False)


def prefect(settings: Settings) -> ASGIApp:
    """Return Prefect's server: it asks for PREFECT_SERVER_API_AUTH_STRING itself.

    Its health and the files of its UI are open; the UI asks its user for the credentials.
    """
    from prefect.server.api.server import create_app

    return guarded(create_app(final=True), None)


def mlflow(settings: Settings) -> ASGIApp:
    """Return MLflow's server on the clone's store; its health is open, its assistant closed."""
    from mlflow.server import constants

    store = Path(os.environ["TEXTSR_CLONE"]) / "mlruns"
    database = f"sqlite:///{store / 'mlflow.db'}"
    # What `mlflow server` tells the server that it starts; it leaves no room for a guard.
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: database,
        constants.REGISTRY_STORE_URI_ENV_VAR: database,
        constants.ARTIFACT_ROOT_ENV_VAR: settings.artifact_root,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(store / "artifacts"),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    from mlflow.server.assistant.api import assistant_router
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(database, database, settings.artifact_root)
    # It runs commands here for whoever may write runs, and MLflow has no setting against it.
    closed = assistant_router.prefix
    return guarded(app, read_credentials(settings.home), {"/health"}, closed)


def docs(settings: Settings) -> ASGIApp:
    """Return the Data Docs: files, no listings."""
    files = StaticFiles(directory=_DATA_DOCS, html=True, check_dir=False, follow_symlink=True)
    files.config_checked = True  # the folder is there once a dataset was validated
    app = Starlette(routes=[Mount("/", files)])
    return guarded(app, read_credentials(settings.home))


def serve(name: str, settings: Settings) -> None:
    """Run a server until it is ended.

    Args:
        name: `prefect`, `mlflow` or `docs`.
        settings: where it listens.

    Raises:
        TextsrError: if there are no credentials.
    """
    apps: dict[str, tuple[Callable[[Settings], ASGIApp], int]] = {
        "prefect": (prefect, settings.prefect_port),
        "mlflow": (mlflow, settings.mlflow_port),
        "docs": (docs, settings.docs_port),
    }
    app, port = apps[name]
    uvicorn.run(app(settings), host="127.0.0.1", port=port, log_level="warning")


def main() -> None:
    """Run the server that the command line names."""
    os.umask(0o077)
    serve(sys.argv[1], read_settings())


if __name__ == "__main__":
    try:
        main()
    except TextsrError as error:
        raise SystemExit(f"textsr: {error}") from error
