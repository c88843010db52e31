import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from stand_in_networks import Bicubic, CoarseNet
from torch import Tensor

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage, to_float
from textsr.images.reading import read_image
from textsr.inference import batch, turns
from textsr.inference.batch import upscale_paths
from textsr.inference.torch_backend import TorchBackend

MakeImage = Callable[..., Path]
RNG = np.random.default_rng(11)

# Of random pixels, that their text is too high, or sharp already.
pytestmark = [
    pytest.mark.filterwarnings("ignore:text outside"),
    pytest.mark.filterwarnings("ignore:large text"),
]


def test_files_and_folders(tmp_path: Path, make_image: MakeImage) -> None:
    source, folder = make_image("single.png"), tmp_path / "in"
    make_image("in/a.jpg", 1, 1)
    make_image("in/sub/b.gif", 3, 4)
    output = tmp_path / "out"
    done = upscale_paths(TorchBackend(CoarseNet(2)), [source, folder], output, compare=True)
    assert done == [
        (source, output / "single.png"),
        (folder / "a.jpg", output / "a.jpg"),
        (folder / "sub" / "b.gif", output / "sub" / "b.png"),
    ]
    written = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    assert written == {
        "single.png", "single-compare.png", "a.jpg", "a-compare.png", "sub/b.png",
        "sub/b-compare.png",
    }  # fmt: skip
    for path, result in done:
        before, after = read_image(path), read_image(result)
        assert (after.height, after.width) == (2 * before.height, 2 * before.width)


def test_16_bits_all_the_way(tmp_path: Path) -> None:
    pixels = np.repeat(RNG.integers(20000, 45000, (12, 10, 1)), 3, axis=2).astype(np.uint16)
    pixels[..., 0] -= 5000
    assert cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    upscale_paths(TorchBackend(Bicubic(2)), [tmp_path / "deep.png"], tmp_path / "up.tif")
    result = read_image(tmp_path / "up.tif")
    expected = cv2.resize(to_float(pixels), (20, 24), interpolation=cv2.INTER_CUBIC) * 65535
    assert result.bit_depth == 16
    assert np.abs(result.pixels - expected).max() < 60  # a quarter of an 8-bit level


def test_a_bad_file_does_not_stop_the_others(tmp_path: Path, make_image: MakeImage) -> None:
    for name in ("in/a.png", "in/b.png", "in/c.png", "in/d.png"):
        make_image(name, 40, 40)
    for name in ("a", "c"):
        path = tmp_path / "in" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TextsrError, match="2 of 4 images could not be upscaled") as caught:
        upscale_paths(TorchBackend(CoarseNet(2)), [tmp_path / "in"], tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "a.png: cannot be decoded" in lines[1]
    assert "c.png: cannot be decoded" in lines[2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png", "d.png"]


def test_an_image_that_breaks_the_network_does_not_stop_the_others(
    tmp_path: Path, make_image: MakeImage
) -> None:
    class Greedy(Bicubic):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            if (lr.amin((1, 2, 3)) == 1).any():
                torch.empty(2**50)  # PyTorch's allocator on the CPU raises a RuntimeError
            return super().forward(lr)

    inputs = [make_image(f"{number}.png", 8, 30 + number) for number in range(6)]
    cv2.imwrite(str(inputs[3]), np.full((8, 33), 255, np.uint8))
    with pytest.raises(TextsrError, match=r"1 of 6.*\n.*3\.png: RuntimeError"):
        upscale_paths(TorchBackend(Greedy(2)), inputs, tmp_path / "out")
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["0.png", "1.png", "2.png", "4.png", "5.png"]


def test_of_a_single_bad_file_only_the_reason_is_told(
    tmp_path: Path, make_image: MakeImage
) -> None:
    with pytest.raises(TextsrError, match=r"^\S*a\.png: has more than 5e-05 megapixels"):
        upscale_paths(
            TorchBackend(CoarseNet(2)), [make_image("a.png")], tmp_path / "b.png", max_pixels=50
        )


def test_impossible_plans_are_refused_before_any_work(
    tmp_path: Path, make_image: MakeImage
) -> None:
    inputs = [make_image("a.png"), make_image("one/b.png"), make_image("two/b.png")]
    with pytest.raises(TextsrError, match="both would be written"):
        upscale_paths(TorchBackend(CoarseNet(2)), inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_large_a_result_is_reported(tmp_path: Path, make_image: MakeImage) -> None:
    class Hungry(CoarseNet):
        def forward(self, _images: Tensor) -> Tensor:
            raise MemoryError

    with pytest.raises(TextsrError, match=r"a\.png: not enough memory"):
        upscale_paths(TorchBackend(Hungry(2)), [make_image("a.png")], tmp_path / "b.png")


def test_progress_is_shown_on_standard_error_only_when_asked(
    tmp_path: Path,
    make_image: MakeImage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    inputs = [make_image("a.png"), make_image("b.png", 40, 40)]
    upscale_paths(TorchBackend(CoarseNet(2)), inputs, tmp_path / "quiet")
    assert capsys.readouterr() == ("", "")
    upscale_paths(
        TorchBackend(CoarseNet(2)), inputs, tmp_path / "shown", tile=8, halo=8, progress=True
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "images" in shown.err


def test_colour_of_cmyk_and_palette_images_survives(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "in" / "ink.tif")
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "in" / "palette.gif")
    upscale_paths(TorchBackend(Bicubic(2)), [tmp_path / "in"], tmp_path / "out")
    for name in ("ink.tif", "palette.png"):
        assert np.abs(read_image(tmp_path / "out" / name).pixels - [0.0, 0, 255]).max() <= 2


class Meeting(Bicubic):
    """Waits in the network until so many images are in it, or for a second."""

    def __init__(self, parties: int) -> None:
        super().__init__(scale=2)
        self.barrier = threading.Barrier(parties)
        self.threads: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.threads.append(torch.get_num_threads())
        self.barrier.wait(timeout=1)
        return super().forward(images)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("textsr.inference.torch_backend.granted_cores", lambda: 2)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_images_are_upscaled_side_by_side_a_thread_each(
    tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "SMALL", 0)
    monkeypatch.setattr(batch, "SMALL_BYTES", 0)
    names = [f"{number}.png" for number in range(8)]
    inputs = [make_image(name, 4, 5 + number) for number, name in enumerate(names)]
    model = Meeting(2)
    done = upscale_paths(TorchBackend(model), inputs, tmp_path / "out")
    assert done == [(tmp_path / name, tmp_path / "out" / name) for name in names]
    assert [read_image(result).width for _, result in done] == [2 * (5 + n) for n in range(8)]
    assert model.threads == [1] * 8
    assert torch.get_num_threads() == 2


class Counting(CoarseNet):
    """Notes how many images it is given at a time."""

    def __init__(self) -> None:
        super().__init__(scale=2)
        self.counts: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.counts.append(len(images))
        return super().forward(images)


@pytest.mark.usefixtures("two_threads")
def test_small_images_go_through_the_network_together_and_come_out_as_alone(
    tmp_path: Path, make_image: MakeImage
) -> None:
    inputs = [make_image(f"{number}.png", 7, 5 + number % 4) for number in range(10)]
    model = Counting()
    together = upscale_paths(TorchBackend(model), inputs, tmp_path / "out")
    # Two workers with five each, whose widths become 8.
    assert sorted(model.counts) == [5, 5]
    for source, result in together:
        alone = tmp_path / "alone" / result.name
        upscale_paths(TorchBackend(model), [source], alone)
        assert np.array_equal(read_image(result).pixels, read_image(alone).pixels)


def test_impossible_tiles_are_refused_for_small_images_too(
    tmp_path: Path, make_image: MakeImage
) -> None:
    with pytest.raises(TextsrError, match="tile 33: must be a multiple of 4"):
        upscale_paths(
            TorchBackend(CoarseNet(2)), [make_image("a.png")], tmp_path / "b.png", tile=33
        )
    assert not (tmp_path / "b.png").exists()


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_does_not_wait_for_all_that_go_together(
    tmp_path: Path, make_image: MakeImage
) -> None:
    begun, interrupted = threading.Event(), threading.Event()
    others: list[int] = []

    class Interrupted(Bicubic):
        def forward(self, images: Tensor) -> Tensor:
            if images.shape[3] == 12:  # of the first worker, whose images are the narrower half
                begun.wait(timeout=60)
                interrupted.set()
                raise KeyboardInterrupt
            if images.shape[3] > 40:
                others.append(images.shape[3])
                begun.set()
                interrupted.wait(timeout=60)
                time.sleep(0.3)
            return super().forward(images)

    inputs = [make_image(f"{number:02d}.png", 4, 4 * number + 1) for number in range(20)]
    with pytest.raises(KeyboardInterrupt):
        upscale_paths(TorchBackend(Interrupted(2)), inputs, tmp_path / "out")
    assert 1 <= len(others) < 10  # of ten, one a width
    assert not list(tmp_path.glob("out/*"))


def test_letters_in_alpha_alone_are_warned_of(tmp_path: Path) -> None:
    alpha = np.zeros((90, 720), np.uint8)
    cv2.putText(alpha, "Amounts due", (2, 64), 0, 90 / 32, 255, 4)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 5)
    picture = np.dstack([np.zeros((90, 720, 3), np.uint8), alpha])
    assert cv2.imwrite(str(tmp_path / "logo.png"), picture)
    with pytest.warns(UserWarning, match=r"text outside 7 to 24 px in 1 of 1 images"):
        upscale_paths(TorchBackend(Bicubic(2)), [tmp_path / "logo.png"], tmp_path / "out.png")


def test_a_file_that_vanishes_is_told_of(
    tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [make_image("a.png"), make_image("b.png")]
    true_plan = batch.plan_jobs

    def plan(*arguments: Any, **more: Any) -> Any:
        jobs = true_plan(*arguments, **more)
        inputs[0].unlink()
        return jobs

    monkeypatch.setattr(batch, "plan_jobs", plan)
    with pytest.raises(TextsrError, match=r"1 of 2 images.*\n.*a\.png"):
        upscale_paths(TorchBackend(CoarseNet(2)), inputs, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


@pytest.mark.usefixtures("two_threads")
def test_large_images_come_alone_with_all_threads(
    tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LARGE", 50)
    inputs = [make_image("a.png", 6, 9), make_image("b.png", 9, 6), make_image("c.png", 8, 8)]
    model = Meeting(2)
    with pytest.raises(TextsrError, match="BrokenBarrierError"):
        upscale_paths(TorchBackend(model), inputs, tmp_path / "out")
    assert set(model.threads) == {2}
    assert torch.get_num_threads() == 2
    assert not list((tmp_path).rglob("*partial*"))


@pytest.mark.usefixtures("two_threads")
def test_an_interrupt_ends_the_work_and_leaves_no_part_of_a_file(
    tmp_path: Path, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [make_image(f"{number}.png") for number in range(20)]
    written: list[Path] = []
    true_write = batch.write_image

    def write(path: Path, image: LoadedImage, **how: Any) -> None:
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        true_write(path, image, **how)

    monkeypatch.setattr(batch, "write_image", write)
    with pytest.raises(KeyboardInterrupt):
        upscale_paths(TorchBackend(Bicubic(2)), inputs, tmp_path / "out")
    left = list((tmp_path / "out").iterdir())
    assert all(read_image(path).height == 12 for path in left)
    assert 2 <= len(left) < 20
    assert torch.get_num_threads() == 2


def test_text_of_another_height_is_warned_of(tmp_path: Path) -> None:
    for height_px in (16, 90):
        line = np.full((height_px, 8 * height_px), 230, np.uint8)
        scale = height_px / 32
        cv2.putText(
            line, "Amounts due", (2, int(0.72 * height_px)), 0, scale, 20, 1 + height_px // 30
        )
        line = cv2.GaussianBlur(line, (0, 0), 1 + height_px / 20)
        assert cv2.imwrite(str(tmp_path / f"{height_px}.png"), line)
    inputs = [tmp_path / "16.png", tmp_path / "90.png"]
    with pytest.warns(
        UserWarning, match=r"text outside 7 to 24 px in 1 of 2 images: \S*90\.png"
    ) as said:
        upscale_paths(TorchBackend(Bicubic(2)), inputs, tmp_path / "out")
    assert len(said) == 1


def test_of_a_jpeg_that_is_cut_short_the_part_that_is_there_is_examined(tmp_path: Path) -> None:
    page = np.full((400, 300), 230, np.uint8)
    for row in range(16):
        cv2.putText(page, "Amounts due 12.50", (8, 24 + 24 * row), 0, 0.5, 20, 1, cv2.LINE_AA)
    for missing in (0.2, 0.5, 0.8):
        whole = cv2.imencode(".jpg", page)[1].tobytes()
        (tmp_path / "cut.jpg").write_bytes(whole[: round(len(whole) * (1 - missing))])
        with pytest.warns(UserWarning, match="is cut short; what it lacks is grey") as said:
            upscale_paths(TorchBackend(Bicubic(2)), [tmp_path / "cut.jpg"], tmp_path / "out")
        assert len(said) == 1  # and nothing of the text's height


def test_large_text_that_is_sharp_already_is_left_to_bicubic(tmp_path: Path) -> None:
    line = np.full((90, 720), 230, np.uint8)
    cv2.putText(line, "Amounts due", (2, 64), 0, 90 / 32, 20, 4, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(line, (0, 0), 5)
    inputs = [tmp_path / "sharp.png", tmp_path / "blurred.png"]
    for path, image in zip(inputs, (line, blurred), strict=True):
        assert cv2.imwrite(str(path), image)
    model = CoarseNet(2)

    def upscaled(**how: Any) -> list[Any]:
        done = upscale_paths(TorchBackend(model), inputs, tmp_path / "out", **how)
        return [read_image(result).pixels.astype(int) for _, result in done]

    with pytest.warns(UserWarning, match=r"sharp already in 1 of 2 images: \S*sharp\.png") as said:
        sharp, mended = upscaled()
    assert any("text outside 7 to 24 px in 1 of 2" in str(one.message) for one in said)
    with pytest.warns(UserWarning, match="text outside 7 to 24 px in 2 of 2 images"):
        by_network = upscaled(keep_sharp=False)
    bicubic = cv2.resize(line, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(int)
    assert np.abs(sharp - bicubic).max() <= 1
    assert np.abs(by_network[0] - bicubic).max() > 2
    assert np.array_equal(mended, by_network[1])
