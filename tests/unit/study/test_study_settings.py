"""Studies as files."""

from pathlib import Path

import pytest

from textsr.config.yaml_files import dump_yaml, read_yaml
from textsr.errors import TextsrError
from textsr.study.cells import cells_of
from textsr.study.settings import Study, read_study

COMMITTED = Path(__file__).parents[3] / "studies/self-supervision.yaml"


def test_committed_study_is_valid() -> None:
    study = read_study(COMMITTED)
    names = [cell.name for cell in cells_of(study)]
    assert len(set(names)) == len(names)
    assert {f"scratch-{pairs}-{seed}" for pairs in study.pairs for seed in study.seeds} <= {*names}
    used = {arm.pretext for arm in study.arms.values()} - {None}
    assert used == study.pretexts.keys()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arms": {"byol": {"pretext": "byol"}}}, "needs `scratch: {}`"),
        ({"arms": {"scratch": {}, "a": {"pretext": "none"}}}, "arms.a.pretext: no such pretext"),
        ({"arms": {"scratch": {}, "a": {"pairs": [7]}}}, "arms.a.pairs: choose of pairs"),
        ({"pretexts": {"empty": {"steps": 5}}}, "pretexts.empty"),
        ({"steps": 0}, "steps: "),
        ({"speed": 1}, "speed: "),
    ],
)
def test_refusal_names_file_and_key(tmp_path: Path, change: dict, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(dump_yaml(read_yaml(COMMITTED) | change))
    with pytest.raises(TextsrError, match=said) as error:
        read_study(path)
    assert str(path) in str(error.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_study(COMMITTED).steps = 5
    assert isinstance(read_study(COMMITTED), Study)
