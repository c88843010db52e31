"""The credentials that the servers of `make up` ask for, and where their users find them.

`make up` draws them once. They lie in a folder that its owner alone may enter: `credentials` holds
them as USER:PASSWORD, `profiles.toml` the same as a profile of Prefect's commands.
"""

import json
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from textsr.errors import TextsrError

_USER = "textsr"
_BYTES = 32  # of randomness


def credentials_path(home: Path) -> Path:
    """Return the file that holds USER:PASSWORD."""
    return home / "credentials"


def profiles_path(home: Path) -> Path:
    """Return the file that holds Prefect's profile; PREFECT_PROFILES_PATH selects it."""
    return home / "profiles.toml"


def make_credentials(home: Path, api: str) -> str:
    """Return the credentials, drawn where there are none yet; write Prefect's profile.

    Args:
        home: the folder of the services, made where it is missing, and closed to other users.
        api: address of Prefect's API, for the profile.

    Returns:
        USER:PASSWORD.

    Raises:
        TextsrError: if the folder is another user's, or the file holds no credentials.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.stat().st_uid != os.geteuid():
        raise TextsrError(f"{home}: belongs to another user; choose a folder by TEXTSR_HOME")
    home.chmod(0o700)
    if not credentials_path(home).exists():
        drawn = _private_file(home, f"{_USER}:{secrets.token_urlsafe(_BYTES)}\n")
        with suppress(FileExistsError):  # of two that start at once, one draws
            os.link(drawn, credentials_path(home))
        drawn.unlink()
    found = read_credentials(home)
    settings = {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": found}
    lines = [f'active = "{_USER}"', f"[profiles.{_USER}]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    _private_file(home, "\n".join([*lines, ""])).replace(profiles_path(home))
    return found


def read_credentials(home: Path) -> str:
    """Return USER:PASSWORD.

    Raises:
        TextsrError: if there is no such file, or it holds none.
    """
    path = credentials_path(home)
    try:
        path.chmod(0o600)  # a copy by hand may be readable for all
        user, _, password = path.read_text(encoding="utf-8").strip().partition(":")
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; `make up` makes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise TextsrError(f"{path}: cannot be read ({error}); remove it") from error
    if not user or not password or not f"{user}{password}".isprintable():
        raise TextsrError(f"{path}: holds no USER:PASSWORD; remove it, `make down` and `make up`")
    return f"{user}:{password}"


def _private_file(folder: Path, text: str) -> Path:
    """Write a new file that its owner alone may read."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=folder, delete=False) as file:
        file.write(text)
    return Path(file.name)
