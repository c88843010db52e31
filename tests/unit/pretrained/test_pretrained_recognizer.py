"""The recognizer in the package: complete, small, able to read, and open to more characters."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from textsr.datasets.pairs import Batch, whole_batches
from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.models.recognizer import Recognizer, load_recognizer, save_recognizer
from textsr.pretrained import RECOGNIZER, load_pretrained_recognizer
from textsr.registry.publish_pretrained import MAX_BYTES, publish_recognizer


def read(recognizer: Recognizer, batch: Batch) -> list[str]:
    widths = [4 * width for width in batch.widths]
    return recognizer.eval().read(batch.hr, widths)


@pytest.fixture
def lines(dataset: Path) -> Batch:
    return whole_batches(dataset / "test", batch_size=64, scale=4, limit=64)[0]


def test_the_folder_is_complete_and_small() -> None:
    names = {path.name for path in RECOGNIZER.iterdir()}
    assert names == {"README.md", "alphabet.json", "params.yaml", "recognizer.safetensors"}
    weights = RECOGNIZER / "recognizer.safetensors"
    assert weights.stat().st_size <= MAX_BYTES
    assert all(torch.isfinite(value).all() for value in load_file(weights).values())


def test_it_reads_lines_that_are_sharp(lines: Batch) -> None:
    recognizer = load_recognizer(RECOGNIZER)
    right = [a == b for a, b in zip(read(recognizer, lines), lines.texts, strict=True)]
    assert sum(right) / len(right) > 0.4


def test_more_characters_leave_what_it_reads(lines: Batch) -> None:
    known = load_recognizer(RECOGNIZER)
    more = load_pretrained_recognizer(known.head.alphabet + "Ωж")
    assert more.training
    assert set(more.head.alphabet) == {*known.head.alphabet, *"Ωж"}
    before, after = read(known, lines), read(more, lines)
    # A new class has fresh weights, and may win a frame here and there.
    agree = [
        a == "".join(c for c in b if c not in "Ωж") for a, b in zip(before, after, strict=True)
    ]
    assert sum(agree) / len(agree) > 0.9


def test_fewer_characters_are_the_same_recognizer_to_be_trained(lines: Batch) -> None:
    recognizer = load_pretrained_recognizer("abc")
    assert all(parameter.requires_grad for parameter in recognizer.parameters())
    assert read(recognizer, lines) == read(load_recognizer(RECOGNIZER), lines)


def test_publishing_keeps_what_it_reads(tmp_path: Path, lines: Batch) -> None:
    made = tmp_path / "made"
    recognizer = load_recognizer(RECOGNIZER)
    save_recognizer(made / "recognizer", recognizer)
    (tmp_path / "params.yaml").write_text("seed: 7\n")
    metrics = {"step": 6000, "val_hr": 0.6, "val_bicubic": 0.23}
    write_json(made / "metrics.json", metrics | {"train_lines": 12000, "train_families": 8})
    folder = publish_recognizer(
        made,
        tmp_path / "params.yaml",
        tmp_path / "published",
        from_pretrained=True,
        lineage={"git_commit": "abc123", "data_hash": "def.dir", "mlflow.source.name": "textsr"},
    )
    assert {path.name for path in folder.iterdir()} == {path.name for path in RECOGNIZER.iterdir()}
    assert read(load_recognizer(folder), lines) == read(recognizer, lines)
    card = (folder / "README.md").read_text()
    assert "6000 steps, on from the pretrained recognizer of then" in card
    assert "12,000, in 8 families" in card
    assert "| git commit | abc123 |\n| `data.dvc` | def.dir |\n" in card
    assert "60.0% of the HR lines and 23.0% of bicubic's" in card


def test_an_untrained_recognizer_is_not_published(tmp_path: Path) -> None:
    save_recognizer(tmp_path / "recognizer", Recognizer("ab"))
    write_json(tmp_path / "metrics.json", {"step": 0})
    with pytest.raises(TextsrError, match=r"not trained here; set recognizer\.steps"):
        publish_recognizer(
            tmp_path,
            tmp_path / "params.yaml",
            tmp_path / "published",
            from_pretrained=True,
            lineage={},
        )
    assert not (tmp_path / "published").exists()
