"""Real sets: labels as they stand, images by name, lines that can be scored."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.evaluation.score import bicubic_upscale, score_set
from textsr.evaluation.sets import load_real_set
from textsr.imports.labels import read_labels

# Anything but what ends a field or a line.
texts = st.text(
    st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), min_size=1, max_size=12
)


def write_labels(folder: Path, content: str | bytes) -> Path:
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "labels.tsv").write_bytes(raw)
    return folder


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(texts, min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
)
def test_any_text_is_kept_to_the_letter(
    tmp_path: Path, rows: list[str], end: str, bom: bool
) -> None:
    """Quotes, commas, spaces at the ends, NUL: none of them means anything."""
    lines = ["file\ttext", *(f"{i}.png\t{text}" for i, text in enumerate(rows))]
    write_labels(tmp_path, ("\ufeff" if bom else "") + end.join(lines) + end)
    assert [label[:2] for label in read_labels(tmp_path)] == [
        (f"{i}.png", text) for i, text in enumerate(rows)
    ]


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    write_labels(tmp_path, "text\tsource\tfile\none\tscan\ta.png\n")
    assert [label[:2] for label in read_labels(tmp_path)] == [("a.png", "one")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "needs a header"),
        (b"a.png\tone\nb.png\ttwo\n", "needs a header"),
        (b"file,text\na.png,one\n", "needs a header"),
        (b"file\ttext\n", "no labels in it"),
        (b"file\ttext\na.png\tone\nb.png\ttwo\twords\n", "line 3 has more fields"),
        ("file\ttext\na.png\tcafé\n".encode("latin-1"), "save it as UTF-8"),
        ("file\ttext\na.png\tcafé\n".encode("utf-16"), "save it as UTF-8"),
    ],
)
def test_malformed_labels_are_named_with_what_is_wrong(
    tmp_path: Path, content: bytes, said: str
) -> None:
    write_labels(tmp_path, content)
    with pytest.raises(TextsrError, match=said) as caught:
        read_labels(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/labels.tsv: ")


def test_folder_without_labels_is_named(tmp_path: Path) -> None:
    file = tmp_path / "scan.png"
    file.write_bytes(b"")
    for folder in (tmp_path, tmp_path / "nothing", file):
        with pytest.raises(TextsrError, match=rf"{folder}/labels\.tsv: no such file"):
            read_labels(folder)


def test_missing_image_is_named(tiny_params: Params, tmp_path: Path) -> None:
    write_labels(tmp_path, "file\ttext\ngone.png\tone\n")
    for kind in ("lr", "hr"):
        with pytest.raises(TextsrError, match=rf"{tmp_path}/gone\.png: no such file"):
            load_real_set("r", tmp_path, kind, tiny_params)


@pytest.mark.parametrize("size", [(64, 1), (200, 3), (1, 1), (3, 400), (30, 61)])
def test_crop_of_any_size_can_be_scored(
    tiny_params: Params, tmp_path: Path, size: tuple[int, int]
) -> None:
    crop = np.random.default_rng(0).integers(0, 256, size).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), crop)
    write_labels(tmp_path, "file\ttext\na.png\tone\n")
    lines = load_real_set("r", tmp_path, "hr", tiny_params)
    [line] = lines
    assert line.hr is not None
    assert line.hr.shape == (64, 4 * line.lr.shape[1])
    assert line.lr.shape[0] == 16
    table = score_set("bicubic", "r", lines, [bicubic_upscale(4)(line.lr)], [])
    assert np.isfinite(table[["psnr_db", "ssim"]].to_numpy()).all()


def test_each_line_is_degraded_by_its_own_draw(tiny_params: Params, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 200)).astype(np.uint8)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), image)
    write_labels(tmp_path, "file\ttext\na.png\tone\nb.png\tone\n")
    first, second = load_real_set("r", tmp_path, "hr", tiny_params)
    assert [first.line_id, second.line_id] == ["r/a.png", "r/b.png"]
    assert np.array_equal(first.hr, second.hr)
    assert not np.array_equal(first.lr, second.lr)
    synthesis = tiny_params.synthesis.model_copy(update={"seed": 2})
    other = tiny_params.model_copy(update={"synthesis": synthesis})
    assert not np.array_equal(load_real_set("r", tmp_path, "hr", other)[0].lr, first.lr)
