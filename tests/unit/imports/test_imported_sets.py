"""Own sets: written whole or not at all, and found again."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_formats import picture

from textsr.errors import TextsrError
from textsr.imports.labels import read_labels, write_labels
from textsr.imports.sets import (
    Item,
    NewSet,
    SetInfo,
    check_name,
    check_new,
    find_sets,
    suffix_of,
    write_sets,
)

LR = SetInfo(kind="lr", format="folder", images=1)


def items(count: int, text: str | None = "text") -> list[Item]:
    return [
        Item(f"{n:02d}", f"source {n}", {"image": picture(8, 9, n)}, text) for n in range(count)
    ]


def write(folder: Path, found: list[Item], info: SetInfo = LR) -> SetInfo:
    [written] = write_sets([NewSet(folder, info, found)])
    return written


def test_set_is_found_as_it_was_written(tmp_path: Path) -> None:
    info = LR.model_copy(update={"licence": "CC0-1.0", "split": "test"})
    ticks: list[int] = []
    new = NewSet(tmp_path / "real/a", info, items(3), lambda: ticks.append(1))
    [written] = write_sets([new])
    assert len(ticks) == written.images == 3
    [found] = find_sets(tmp_path, "real")
    assert (found.name, found.info) == ("a", written)
    assert found.info.licence == "CC0-1.0"
    assert [label[:2] for label in read_labels(found.folder)] == [
        (f"{n:02d}.png", "text") for n in range(3)
    ]
    assert (found.folder / "01.png").read_bytes() == picture(8, 9, 1)
    assert not list(find_sets(tmp_path, "pairs"))


def test_pairs_lie_side_by_side(tmp_path: Path) -> None:
    pair = Item("x", "here", {"lr": picture(4, 4), "hr": picture(8, 8, suffix=".jpg")})
    write(tmp_path / "pairs/p", [pair], SetInfo(kind="pairs", format="pairs", images=1, scale=2))
    files = sorted(
        path.relative_to(tmp_path / "pairs/p").as_posix() for path in tmp_path.rglob("x.*")
    )
    assert files == ["hr/x.jpg", "lr/x.png"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_suffix_is_that_of_the_bytes(suffix: str) -> None:
    assert suffix_of(picture(8, 8, suffix=suffix)) == suffix[:5].replace(".tiff", ".tif")


def test_failed_import_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "real/a"
    write(folder, items(2))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    broken = [*items(3), Item("bad", "line 4", {"image": b"no image"}, "text")]
    for wrong, said in (
        (broken, "line 4: cannot be decoded"),
        ([*items(2), items(1)[0]], "source 0: a second image called 00"),
        (items(2, text="  "), "source 0: an empty text"),
        ([], "no images to import"),
    ):
        with pytest.raises(TextsrError, match=said):
            write(folder, wrong)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text.split()))
def test_any_text_is_kept_on_one_line(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("set") / "s"
    write(folder, [Item("a", "here", {"image": picture(4, 4)}, text)])
    assert [label[:2] for label in read_labels(folder)] == [("a.png", " ".join(text.split()))]


def test_existing_set_is_not_written_over_unasked(tmp_path: Path) -> None:
    check_new(tmp_path / "new", replace=False)
    check_new(tmp_path, replace=True)
    with pytest.raises(TextsrError, match=rf"{tmp_path}: exists.*--replace"):
        check_new(tmp_path, replace=False)


def test_of_several_sets_all_are_written_or_none(tmp_path: Path) -> None:
    new = [NewSet(tmp_path / name, LR, items(2)) for name in ("a", "b")]
    broken = NewSet(tmp_path / "c", LR, [Item("x", "here", {"image": b"no image"})])
    with pytest.raises(TextsrError, match="here: cannot be decoded"):
        write_sets([*new, broken])
    assert not list(tmp_path.iterdir())
    with pytest.raises(TextsrError, match="a: two sets of this name"):
        write_sets([new[0], new[0]])
    assert [info.images for info in write_sets(new)] == [2, 2]


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "-x", "test", "val", "train"])
def test_name_must_be_a_folders(name: str) -> None:
    check_name("Text.Zoom_2-x")
    with pytest.raises(TextsrError, match="--name"):
        check_name(name)


def test_real_set_by_hand_called_like_a_split_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "real/test", items(1))
    with pytest.raises(TextsrError, match=r"real/test: the name of a synthetic split; rename"):
        list(find_sets(tmp_path, "real"))


@pytest.mark.parametrize("use", ["pairs", "hr", "real"])
def test_images_by_hand_that_cannot_be_used_are_not_passed_over(tmp_path: Path, use: str) -> None:
    folder = tmp_path / use / "mine/lr"
    folder.mkdir(parents=True)
    assert not list(find_sets(tmp_path, use))
    (folder / "a.png").write_bytes(picture(8, 8))
    with pytest.raises(
        TextsrError,
        match=rf"{use}/mine: images without a set.json;.*import {use}"
        if use != "real"
        else r"real/mine: images without a set.json;.*labelled",
    ):
        list(find_sets(tmp_path, use))


def test_folder_of_unlabelled_images_is_a_set(tmp_path: Path) -> None:
    folder = tmp_path / "unlabelled/mine"
    (folder / ".half.partial").mkdir(parents=True)
    for name in ("a.PNG", "._b.png", ".half.partial/c.png"):
        (folder / name).write_bytes(picture(8, 8))
    [found] = find_sets(tmp_path, "unlabelled")
    assert (found.name, found.info.images) == ("mine", 1)


def test_folder_made_by_hand_is_a_set_if_it_has_labels(tmp_path: Path) -> None:
    for name in ("by_hand", "no_labels", ".hidden"):
        (tmp_path / "real" / name).mkdir(parents=True)
    write_labels(tmp_path / "real/by_hand", [("a.png", "one"), ("b.png", "two")])
    [found] = find_sets(tmp_path, "real")
    assert (found.name, found.info.kind, found.info.images) == ("by_hand", "lr", 2)


@pytest.mark.parametrize("content", ["{", '{"kind": "mr"}', "[]"])
def test_bad_set_file_is_named(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "real/a"
    write(folder, items(1))
    (folder / "set.json").write_text(content)
    with pytest.raises(TextsrError, match=r"set\.json: not valid.*import the set anew"):
        list(find_sets(tmp_path, "real"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file\ttext\na.png\tx\na.png\ty\n", "line 3: a.png was labelled before"),
        ("file\ttext\n../a.png\tx\n", r"line 2: \.\./a.png lies outside"),
        ("file\ttext\n/a.png\tx\n", "line 2: /a.png lies outside"),
        ("text\tfile\nx\ta.png\ny\n", "line 3: no file is named"),
        ("file\ttext\na.png\t" + "x" * 200_000 + "\n", "not tab-separated lines"),
    ],
)
def test_labels_name_each_file_of_the_folder_once(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "labels.tsv").write_text(content)
    with pytest.raises(TextsrError, match=said):
        read_labels(tmp_path)
