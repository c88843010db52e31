"""Keeping out what a web page of another server asks for, in the browser of whom we serve.

A server on loopback is out of reach for the network, and not for pages that its user has open.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textsr.errors import TextsrError
from textsr.serving.problems import RefusedError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names under which a server on loopback is asked."""

_STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Swagger UI styles elements one by one, and draws its arrows as `data:`.
_OF_DOCS = _STRICT.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
    "img-src 'self' blob:", "img-src 'self' data:"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def is_of_another_page(
    headers: Headers, hosts: Collection[str], schemes: Collection[str] = ("http",)
) -> bool:
    """Tell whether a page of another server makes a request.

    Args:
        headers: of the request.
        hosts: names under which the server is asked, as their pages' address has them.
        schemes: with which it is asked.
    """
    _, port = _host_and_port(headers.get("host", ""))
    origin = headers.get("origin")
    if origin is not None:  # a page at `localhost` may ask at 127.0.0.1
        own = {f"{scheme}://{_in_address(host)}{port}" for scheme in schemes for host in hosts}
        return origin not in own
    # Its pictures, scripts and frames come without an Origin (Fetch Metadata, W3C). A link that the
    # user follows is none of them.
    is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return is_foreign and headers.get("sec-fetch-dest") != "document"


class Guard:
    """Answers under its own names and to its own pages alone, and says what a browser may load.

    A foreign Host (a name that its owner lets point here) is answered with 400, what another
    server's page asks for with 403. Nothing lets other servers' pages read an answer (CORS).
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], any_host: Collection[str], docs: str
    ) -> None:
        """Make one.

        Args:
            app: the server.
            hosts: names under which it is asked; a port is left out, for it is asked at any.
            any_host: paths that are answered under any name.
            docs: the path of the page that documents the API.

        Raises:
            TextsrError: if one is no name.
        """
        self._app = app
        self._hosts = {_name(host) for host in hosts}
        self._any_host = any_host
        self._docs = docs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the app answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = _OF_DOCS if scope["path"] == self._docs else _STRICT

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(
                    {"Content-Security-Policy": policy, **_HEADERS}
                )
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"])
        answer = self._app if refusal is None else refusal.answer()
        await answer(scope, receive, send_guarded)

    def _refusal(self, headers: Headers, path: str) -> RefusedError | None:
        named = headers.get("host", "")
        host, _ = _host_and_port(named)
        if path not in self._any_host and host not in self._hosts:
            remedy = f"start it with --host-name {host}" if host else "ask under one that is"
            return RefusedError(400, f"Host {named}: not a name of this server; {remedy}")
        # Behind a proxy that has the certificate, pages are of https, and we are asked by http.
        if is_of_another_page(headers, self._hosts, ("http", "https")):
            return RefusedError(
                403, "Pages of other servers may not ask here; open this server's own"
            )
        return None


def _name(given: str) -> str:
    """Return a name or an address as `_host_and_port` does, also of an IPv6 address as it is."""
    is_address = given.count(":") > 1 and not given.startswith("[")
    host, _ = _host_and_port(f"[{given}]" if is_address else given)
    if not host:
        raise TextsrError(
            f"--host-name {given}: neither a name nor an address; give it alone, such as "
            "ocr.example.org"
        )
    return host


def _host_and_port(host: str) -> tuple[str, str]:
    """Return the name and the port (`:80`, or nothing) of a Host header; nothing of a wrong one."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return "", ""
    if parts.netloc != host or "@" in host:
        return "", ""
    return (parts.hostname or "").lower(), "" if port is None else f":{port}"


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host
