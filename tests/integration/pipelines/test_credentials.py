import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.credentials import make_credentials, read_credentials
from textsr.errors import TextsrError

API = "http://127.0.0.1:4200/api"


def test_they_are_drawn_once_for_their_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "home"
    drawn = make_credentials(home, API)
    assert drawn.startswith("textsr:")
    assert len(drawn) > 40
    assert make_credentials(home, API) == read_credentials(home) == drawn
    assert make_credentials(tmp_path / "other", API) != drawn
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {path.name for path in home.iterdir()} == {"credentials", "profiles.toml"}
    for path in home.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert drawn in path.read_text()


def test_of_two_that_start_at_once_one_draws(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = set(pool.map(lambda _: make_credentials(tmp_path / "home", API), range(32)))
    assert len(drawn) == 1


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "credentials").write_text("me:mine\n")
    (tmp_path / "credentials").chmod(0o644)
    assert make_credentials(tmp_path, API) == "me:mine"
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "credentials").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "\n", "textsr", "textsr:", ":secret", "textsr:a\nb"])
def test_a_file_without_credentials_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials").write_text(text)
    with pytest.raises(TextsrError, match="holds no USER:PASSWORD; remove it"):
        make_credentials(tmp_path, API)


def test_none_at_all_are_one_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="`make up` makes it"):
        read_credentials(tmp_path)


def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(TextsrError, match="belongs to another user"):
        make_credentials(tmp_path, API)
