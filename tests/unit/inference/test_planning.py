from collections.abc import Callable
from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.inference.planning import plan_jobs

MakeImage = Callable[..., Path]


def results(inputs: list[Path], output: Path) -> dict[str, str]:
    """Each input's name and its result's path below `output`."""
    return {
        job.source.name: job.result.relative_to(output).as_posix()
        for job in plan_jobs(inputs, output, compare=False)
    }


def test_one_file_to_a_file(tmp_path: Path, make_image: MakeImage) -> None:
    source, result = make_image("a.png"), tmp_path / "b.jpg"
    (job,) = plan_jobs([source], result, compare=True)
    assert (job.source, job.result) == (source, result)
    assert job.comparison == tmp_path / "b-compare.png"


def test_one_file_to_a_folder(tmp_path: Path, make_image: MakeImage) -> None:
    assert results([make_image("a.png")], tmp_path / "out") == {"a.png": "a.png"}
    (tmp_path / "out.png").mkdir()
    assert results([make_image("a.png")], tmp_path / "out.png") == {"a.png": "a.png"}


def test_folders_are_searched_and_kept(tmp_path: Path, make_image: MakeImage) -> None:
    for name in ("in/b.png", "in/A.JPG", "in/deep/er/c.webp", "in/.hidden/d.png", "in/._e.png"):
        make_image(name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / "folder.png").mkdir()
    planned = results([tmp_path / "in"], tmp_path / "out")
    assert list(planned.values()) == ["A.JPG", "b.png", "deep/er/c.webp"]


def test_formats_that_cannot_be_written_become_png(tmp_path: Path, make_image: MakeImage) -> None:
    planned = results([make_image("a.gif"), make_image("b.ppm")], tmp_path / "out")
    assert planned == {"a.gif": "a.png", "b.ppm": "b.png"}


def test_earlier_results_below_the_input_are_left_out(
    tmp_path: Path, make_image: MakeImage
) -> None:
    make_image("in/a.png")
    make_image("in/out/a.png")
    (job,) = plan_jobs([tmp_path / "in"], tmp_path / "in" / "out", compare=False)
    assert job.source == tmp_path / "in" / "a.png"


def test_an_image_named_twice_is_upscaled_once(tmp_path: Path, make_image: MakeImage) -> None:
    source = make_image("in/a.png")
    again = tmp_path / "in" / ".." / "in" / "a.png"
    assert len(plan_jobs([source, tmp_path / "in", again], tmp_path / "out", compare=False)) == 1


@pytest.mark.parametrize("second", ["two/a.png", "one/a.gif"])
def test_two_images_for_one_result_are_refused(
    tmp_path: Path, make_image: MakeImage, second: str
) -> None:
    inputs = [make_image("one/a.png"), make_image(second)]
    with pytest.raises(TextsrError, match="both would be written to") as caught:
        plan_jobs(inputs, tmp_path / "out", compare=False)
    assert all(str(path) in str(caught.value) for path in inputs)


def test_comparisons_collide_too(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("a.png"), make_image("a.jpg")]
    assert len(plan_jobs(inputs, tmp_path / "out", compare=False)) == 2
    with pytest.raises(TextsrError, match=r"both would be written to .*a-compare\.png"):
        plan_jobs(inputs, tmp_path / "out", compare=True)


def test_inputs_are_never_overwritten(tmp_path: Path, make_image: MakeImage) -> None:
    source, other = make_image("a.png"), make_image("sub/b.png")
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a\.png"):
        plan_jobs([source], source, compare=False)
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a\.png"):
        plan_jobs([source, other], tmp_path / "sub" / "..", compare=False)
    with pytest.raises(TextsrError, match="would overwrite the input"):
        plan_jobs([tmp_path], tmp_path, compare=False)
    link = tmp_path / "link.png"
    link.symlink_to(source)
    with pytest.raises(TextsrError, match="would overwrite the input"):
        plan_jobs([source], link, compare=False)


def test_what_lies_beside_an_input_is_not_overwritten(
    tmp_path: Path, make_image: MakeImage
) -> None:
    scan, other = make_image("page.gif"), make_image("page.png")
    with pytest.raises(TextsrError, match=r"page\.gif: its result would overwrite .*page\.png"):
        plan_jobs([scan], tmp_path, compare=False)
    assert [job.result for job in plan_jobs([scan], other, compare=False)] == [other]


def test_a_comparison_does_not_overwrite_an_input(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("in/a.gif"), make_image("out/a-compare.png")]
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a-compare\.png"):
        plan_jobs(inputs, tmp_path / "out", compare=True)


def test_impossible_inputs_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    output = tmp_path / "out"
    with pytest.raises(TextsrError, match="no images given"):
        plan_jobs([], output, compare=False)
    with pytest.raises(TextsrError, match=r"none\.png: no such file or folder"):
        plan_jobs([make_image("a.png"), tmp_path / "none.png"], output, compare=False)
    with pytest.raises(TextsrError, match=r"none\.png: no such file or folder"):
        plan_jobs([tmp_path / "none.png"], make_image("old.png"), compare=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TextsrError, match="empty: no images in this folder"):
        plan_jobs([make_image("a.png"), tmp_path / "empty"], output, compare=False)


def test_impossible_outputs_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    with pytest.raises(TextsrError, match=r"cannot write \.gif"):
        plan_jobs([make_image("a.png")], tmp_path / "out.gif", compare=False)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TextsrError, match="taken: is a file; name a folder"):
        plan_jobs([make_image("a.png")], tmp_path / "taken", compare=False)
