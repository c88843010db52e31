"""What a request is refused with: RFC 9457's problem details, one sentence each."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class RefusedError(Exception):
    """Why a request is refused.

    Attributes:
        status: of the answer.
        detail: what is wrong, and the remedy.
        headers: of the answer, beside its own.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def content(self) -> dict[str, str | int]:
        """Return what the answer holds."""
        title = HTTPStatus(self.status).phrase
        return {"title": title, "status": self.status, "detail": self.detail}

    def answer(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(self.content(), self.status, self.headers, MEDIA_TYPE)
