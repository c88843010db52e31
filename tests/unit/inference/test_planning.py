from collections.abc import Callable
from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.inference.planning import plan_jobs, say_left_out

MakeImage = Callable[..., Path]


def results(inputs: list[Path], output: Path) -> dict[str, str]:
    """Each input's name and its result's path below `output`."""
    return {
        job.source.name: job.result.relative_to(output).as_posix()
        for job in plan_jobs(inputs, output).jobs
    }


def test_one_file_to_a_file(tmp_path: Path, make_image: MakeImage) -> None:
    source, result = make_image("a.png"), tmp_path / "b.jpg"
    (job,) = plan_jobs([source], result, compare=True).jobs
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
    (job,) = plan_jobs([tmp_path / "in"], tmp_path / "in" / "out").jobs
    assert job.source == tmp_path / "in" / "a.png"


def test_an_image_named_twice_is_upscaled_once(tmp_path: Path, make_image: MakeImage) -> None:
    source = make_image("in/a.png")
    again = tmp_path / "in" / ".." / "in" / "a.png"
    assert len(plan_jobs([source, tmp_path / "in", again], tmp_path / "out").jobs) == 1


def test_of_two_images_for_one_result_one_keeps_its_suffix(
    tmp_path: Path, make_image: MakeImage
) -> None:
    for name in ("a.png", "a.gif", "a.jpg", "sub/a.gif"):
        make_image(f"in/{name}")
    names = {
        job.source.name if job.source.parent.name == "in" else "sub": job.result.name
        for job in plan_jobs([tmp_path / "in"], tmp_path / "out").jobs
    }
    assert names == {"a.png": "a.png", "a.gif": "a.gif.png", "a.jpg": "a.jpg", "sub": "a.png"}
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", file_format="tif").jobs
    results = {job.result.relative_to(tmp_path / "out").as_posix() for job in jobs}
    assert results == {"a.png.tif", "a.gif.tif", "a.jpg.tif", "sub/a.tif"}


def test_two_images_for_one_result_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("one/a.png"), make_image("two/a.png")]
    with pytest.raises(TextsrError, match="both would be written to") as caught:
        plan_jobs(inputs, tmp_path / "out")
    assert all(str(path) in str(caught.value) for path in inputs)


def test_comparisons_collide_too(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("a.png"), make_image("a.jpg")]
    assert len(plan_jobs(inputs, tmp_path / "out").jobs) == 2
    with pytest.raises(TextsrError, match=r"both would be written to .*a-compare\.png"):
        plan_jobs(inputs, tmp_path / "out", compare=True)


def test_inputs_are_never_overwritten(tmp_path: Path, make_image: MakeImage) -> None:
    source, other = make_image("a.png"), make_image("sub/b.png")
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a\.png"):
        plan_jobs([source], source)
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a\.png"):
        plan_jobs([source, other], tmp_path / "sub" / "..")
    with pytest.raises(TextsrError, match="would overwrite the input"):
        plan_jobs([tmp_path], tmp_path)
    link = tmp_path / "link.png"
    link.symlink_to(source)
    with pytest.raises(TextsrError, match="would overwrite the input"):
        plan_jobs([source], link)


def test_what_lies_beside_an_input_is_not_overwritten(
    tmp_path: Path, make_image: MakeImage
) -> None:
    scan, other = make_image("page.gif"), make_image("page.png")
    with pytest.raises(TextsrError, match=r"page\.gif: its result would overwrite .*page\.png"):
        plan_jobs([scan], tmp_path)
    assert [job.result for job in plan_jobs([scan], other).jobs] == [other]


def test_a_comparison_does_not_overwrite_an_input(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("in/a.gif"), make_image("out/a-compare.png")]
    with pytest.raises(TextsrError, match=r"would overwrite the input .*a-compare\.png"):
        plan_jobs(inputs, tmp_path / "out", compare=True)


def test_impossible_inputs_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    output = tmp_path / "out"
    with pytest.raises(TextsrError, match="no images given"):
        plan_jobs([], output)
    with pytest.raises(TextsrError, match=r"none\.png: no such file or folder"):
        plan_jobs([make_image("a.png"), tmp_path / "none.png"], output)
    with pytest.raises(TextsrError, match=r"none\.png: no such file or folder"):
        plan_jobs([tmp_path / "none.png"], make_image("old.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TextsrError, match="empty: no images in this folder"):
        plan_jobs([make_image("a.png"), tmp_path / "empty"], output)


def test_impossible_outputs_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    with pytest.raises(TextsrError, match=r"cannot write \.gif"):
        plan_jobs([make_image("a.png")], tmp_path / "out.gif")
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TextsrError, match="taken: is a file; name a folder"):
        plan_jobs([make_image("a.png")], tmp_path / "taken")


@pytest.mark.parametrize("name", ["out.djvu", "out.heic", "results.v2"])
def test_a_suffix_that_is_not_written_is_refused_and_no_folder_made(
    tmp_path: Path, make_image: MakeImage, name: str
) -> None:
    output = tmp_path / name
    remedy = rf"cannot write {output.suffix}; use one of .*, or end the name with a slash"
    with pytest.raises(TextsrError, match=remedy):
        plan_jobs([make_image("a.png")], output)
    plan = plan_jobs([make_image("a.png")], f"{output}/")
    assert [job.result for job in plan.jobs] == [output / "a.png"]
    assert not output.exists()


def test_one_file_takes_one_image(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("in/a.png"), make_image("in/b.png")]
    output = tmp_path / "out.png"
    for given, said in ((inputs, "there are 2 inputs"), ([tmp_path / "in"], "in is a folder")):
        with pytest.raises(TextsrError, match=rf"out\.png: names one file, and .*{said}.* slash"):
            plan_jobs(given, output)
        assert len(plan_jobs(given, f"{output}/").jobs) == 2


def test_images_of_a_folder_are_known_by_their_content_or_suffix(
    tmp_path: Path, make_image: MakeImage
) -> None:
    folder = tmp_path / "in"
    for name, kind in (("scan", "png"), ("fax.2024", "tif"), ("photo", "jpg"), ("a.jfif", "jpg")):
        image = make_image(f"in/made.{kind}")
        image.rename(folder / name)
    (folder / "report").write_bytes(b"%PDF-1.7\n" + bytes(60))
    (folder / "damaged.png").write_text("<html>404</html>")
    (folder / "phone.heic").write_bytes(bytes(60))
    (folder / "about.txt").write_text("BM, P1 and II are how images begin")
    (folder / "BMW").write_bytes(b"BM" + bytes(60))
    (folder / ".hidden").write_text("is not told of")
    plan = plan_jobs([folder], tmp_path / "out")
    names = {job.source.name: job.result.name for job in plan.jobs}
    assert names == {
        "a.jfif": "a.jfif",
        "damaged.png": "damaged.png",  # whoever reads it says what it is
        "fax.2024": "fax.2024.tif",
        "phone.heic": "phone.png",
        "photo": "photo.jpg",
        "report": "report.pdf",
        "scan": "scan.png",
    }
    assert plan.left_out == [folder / "BMW", folder / "about.txt"]
    assert "left out 2 files" in say_left_out(plan.left_out)


def test_a_link_to_nothing_is_in_the_way_only_if_it_is_named_like_an_image(
    tmp_path: Path, make_image: MakeImage
) -> None:
    source = make_image("in/a.png")
    (tmp_path / "in/notes.txt").symlink_to(tmp_path / "gone")
    assert [job.source for job in plan_jobs([tmp_path / "in"], tmp_path / "out").jobs] == [source]
    (tmp_path / "in/b.png").symlink_to(tmp_path / "gone")
    with pytest.raises(TextsrError, match=r"b\.png: a link to nothing"):
        plan_jobs([tmp_path / "in"], tmp_path / "out")


def test_a_format_names_the_results_of_a_folder(tmp_path: Path, make_image: MakeImage) -> None:
    for name in ("in/a.png", "in/b.JPG", "in/sub/c.gif"):
        make_image(name)
    make_image("in/e.png").rename(tmp_path / "in/e.1")
    output = tmp_path / "out"
    plan = plan_jobs([tmp_path / "in"], output, file_format="webp")
    results = [job.result.relative_to(output).as_posix() for job in plan.jobs]
    assert results == ["a.webp", "b.webp", "e.1.webp", "sub/c.webp"]


def test_a_format_agrees_with_the_name_of_the_result(tmp_path: Path, make_image: MakeImage) -> None:
    source = make_image("a.png")
    assert plan_jobs([source], tmp_path / "b.jpeg", file_format="JPG").jobs
    with pytest.raises(TextsrError, match=r"b\.jpeg: its suffix is of another format than png"):
        plan_jobs([source], tmp_path / "b.jpeg", file_format="png")
    with pytest.raises(TextsrError, match="format gif: cannot be written; use one of bmp"):
        plan_jobs([source], tmp_path / "out", file_format="gif")


def test_a_quality_is_for_lossy_results(tmp_path: Path, make_image: MakeImage) -> None:
    inputs = [make_image("a.png"), make_image("b.jpg")]
    assert len(plan_jobs(inputs, tmp_path / "out", quality=80).jobs) == 2
    with pytest.raises(TextsrError, match="quality 80: none of the results is of a lossy format"):
        plan_jobs(inputs[:1], tmp_path / "out", quality=80)
