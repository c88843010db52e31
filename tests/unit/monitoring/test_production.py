"""Production images from folders and from a bucket on loopback."""

import os
import tempfile
from pathlib import Path

import boto3
import cv2
import fsspec
import numpy as np
import pytest

from textsr.errors import TextsrError
from textsr.monitoring.production import read_production


def write(path: Path, grey: int = 100, size: tuple[int, int] = (16, 40), age: int = 0) -> None:
    """Write an image that was last changed so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(size, grey, np.uint8))
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))


def test_images_below_the_folder_are_read_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.png", 10)
    write(tmp_path / "2026/11/a.JPG", 200)
    write(tmp_path / ".hidden/c.png")
    write(tmp_path / ".d.png")
    (tmp_path / "labels.tsv").write_text("file\ttext\n")
    found = read_production(str(tmp_path), 10)
    assert found.found == 2
    assert list(found.images) == ["2026/11/a.JPG", "b.png"]
    assert found.images["b.png"].shape == (16, 40)
    assert found.images["b.png"].max() == 10
    assert abs(int(found.images["2026/11/a.JPG"][0, 0]) - 200) <= 2
    assert found.unreadable == {}


def test_only_the_newest_are_taken(tmp_path: Path) -> None:
    for number, age in enumerate([50, 10, 40, 20, 30]):
        write(tmp_path / f"{number}.png", age=age)
    found = read_production(str(tmp_path), 3)
    assert found.found == 5
    assert list(found.images) == ["1.png", "3.png", "4.png"]


def test_what_cannot_be_read_is_recorded_by_name(tmp_path: Path) -> None:
    write(tmp_path / "good.png")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/bad.png").write_bytes(b"no image")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    write(tmp_path / "page.png", size=(1000, 700))
    found = read_production(str(tmp_path), 10)
    assert list(found.images) == ["good.png"]
    assert set(found.unreadable) == {"sub/bad.png", "cut.png", "page.png"}
    assert found.unreadable["sub/bad.png"].startswith("sub/bad.png: cannot be decoded")
    assert "1000 x 700 px; cut it into lines" in found.unreadable["page.png"]
    assert not any(tempfile.gettempdir() in said for said in found.unreadable.values())


def test_a_dangling_link_is_recorded(tmp_path: Path) -> None:
    write(tmp_path / "good.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = read_production(str(tmp_path), 10)
    assert list(found.images) == ["good.png"]
    assert "removed" in found.unreadable["gone.png"]


def test_an_image_removed_meanwhile_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.png")
    write(tmp_path / "b.png")
    local = fsspec.filesystem("file")
    get_file = local.get_file

    def vanishing(path: str, *arguments: object) -> None:
        if path.endswith("a.png"):
            Path(path).unlink()
        get_file(path, *arguments)

    monkeypatch.setattr(local, "get_file", vanishing)
    found = read_production(str(tmp_path), 10)
    assert list(found.images) == ["b.png"]
    assert found.unreadable == {"a.png": "a.png: removed while the folder was read"}


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("nothing", r"nothing: no such folder; name one"),
        ("file.png", r"file\.png: no such folder; name one"),
        ("empty", r"empty: no images in it"),
        ("nfs4://host/images", r"nfs4://host/images: cannot be read .*Protocol not known"),
        ("gs://bucket/images", r"gs://bucket/images: .*install"),
    ],
)
def test_impossible_folders_are_named_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "file.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("none yet")
    with pytest.raises(TextsrError, match=said):
        read_production(folder, 10)


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> boto3.client:
    """A bucket `scans` on an S3 server on loopback, which the environment points to."""
    pytest.importorskip("s3fs")
    for name, value in (
        ("AWS_ENDPOINT_URL", s3_server),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="scans")
    return client


def test_a_bucket_is_read_as_a_folder_is(bucket: boto3.client, tmp_path: Path) -> None:
    write(tmp_path / "a.png", 70)
    for key in ("new/a.png", "new/sub/b.png", "new/.c.png", "old/d.png"):
        bucket.upload_file(str(tmp_path / "a.png"), "scans", key)
    bucket.put_object(Bucket="scans", Key="new/bad.png", Body=b"no image")
    found = read_production("s3://scans/new", 10)
    assert found.found == 3
    assert {name: int(image.max()) for name, image in found.images.items()} == {
        "a.png": 70,
        "sub/b.png": 70,
    }
    assert list(found.unreadable) == ["bad.png"]
    assert read_production("s3://scans/new/", 10).images.keys() == found.images.keys()
    with pytest.raises(TextsrError, match="s3://scans/none: no such folder"):
        read_production("s3://scans/none", 10)
    with pytest.raises(TextsrError, match="s3://absent/new: "):
        read_production("s3://absent/new", 10)
