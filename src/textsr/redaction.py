"""Taking secrets out of text before it leaves: messages, logs, tags, params, Prefect's states."""

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

MASK = "***"
# `scheme://USERINFO@`, up to the last `@`: passwords hold what a URL should have escaped, AWS's `/`
# above all. It begins where no other attempt has looked, and gives nothing back (`*+`): the time is
# linear in the length of the text.
_URL = re.compile(
    r"(?P<scheme>(?<![a-zA-Z0-9+.-])[0-9+.-]*+[a-zA-Z][a-zA-Z0-9+.-]*+)"
    r"://(?P<info>(?:(?!://)[^\s'\"<>])+)@"
)
_BEFORE_SCHEME = "0123456789+.-"
_PORT = re.compile(r":\d+/")
# Names that may end so are not matched from their beginning, which would take quadratic time.
_NAMES = (
    r"password|passwd|secret|secret_access_key|token|api_key|auth_string"
    r"|\b(?:x-amz-(?:signature|credential)|awsaccesskeyid|signature)"
)
_NAMED = re.compile(
    rf"(?i)(?P<name>(?:{_NAMES})(?:\s*=\s*|['\"]\s*:\s*)['\"]?)[^\s&'\",;]+"
    r"|(?P<scheme>\bauthorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[^\s'\"]+"
)
# Variables of the environment whose whole value is a secret.
_VARIABLE = re.compile(r"(?i)(?:password|secret|token|auth_string|api_key|secret_access_key)$")
_SHORTEST = 8  # characters of a value that is masked wherever it stands; shorter ones are words


def redact(text: str) -> str:
    """Return `text` with its secrets masked.

    Masked are the user and password of URLs, values that are called password, token or the like,
    and the environment's secrets wherever they stand.
    """
    text = _URL.sub(_mask_userinfo, text)
    text = _NAMED.sub(lambda found: (found["name"] or found["scheme"]) + MASK, text)
    for secret in _secrets():
        text = text.replace(secret, MASK)
    return text


def _mask_userinfo(found: re.Match[str]) -> str:
    scheme, info = found["scheme"], found["info"]
    is_web = scheme.lstrip(_BEFORE_SCHEME).lower() in ("http", "https")
    user, slash, _ = info.partition("/")
    if is_web and (_PORT.search(user + slash) or (slash and ":" not in user)):
        return found[0]  # a host with an `@` further on
    if not is_web and ":" not in user:
        return found[0]  # the user of ssh://git@host is no secret; a token before a web host is
    return f"{scheme}://{MASK}@"


def _secrets() -> Iterator[str]:
    for name, value in os.environ.items():
        found = {value} if _VARIABLE.search(name) else _passwords(value)
        yield from sorted((each for each in found if len(each) >= _SHORTEST), key=len, reverse=True)


def _passwords(value: str) -> set[str]:
    """Return the password of an address, as it stands there and as it is meant."""
    if "://" not in value or "@" not in value:
        return set()
    try:
        password = urlsplit(value).password or ""
    except ValueError:  # no address
        return set()
    return {password, unquote(password)}
