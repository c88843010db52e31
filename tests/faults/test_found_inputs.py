"""What the campaign found in files: pictures read wrong, and refusals that named nothing."""

import io
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.faults.campaign.attacks.models import sound
from tests.faults.campaign.inputs.pictures import pictures
from tests.support.written_formats import picture, write_textzoom
from textsr import load_model
from textsr.datasets.schema import IMAGE, shard_name
from textsr.datasets.shards import encode_png, spread_rows
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError
from textsr.images.headers import _Measured
from textsr.images.reading import decode_image
from textsr.imports.sets import Item, NewSet, SetInfo, write_sets
from textsr.imports.sroie import read_receipts
from textsr.imports.textzoom import count_samples, read_database

PIXELS = np.random.default_rng(3).integers(0, 65_536, (14, 23, 3)).astype("<u2")


def tiff(tags: dict[int, tuple[int, ...]], strips: list[bytes]) -> bytes:
    """A TIFF of long integers."""
    tags = tags | {273: (0,) * len(strips), 279: tuple(map(len, strips))}
    free = 8 + 2 + 12 * len(tags) + 4
    end = free + sum(4 * len(values) for values in tags.values() if len(values) > 1)
    places = tuple(end + sum(map(len, strips[:number])) for number in range(len(strips)))
    entries, data = b"", b""
    for tag, values in sorted((tags | {273: places}).items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHI", tag, 4, len(values))
        entries += packed if len(values) == 1 else struct.pack("<I", free + len(data))
        data += packed if len(values) > 1 else b""
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    return head + entries + bytes(4) + data + b"".join(strips)


DEEP = {256: (23,), 257: (14,), 258: (16,) * 3, 259: (8,), 262: (2,), 277: (3,), 278: (14,)}


def test_planes_of_16_bits_are_read_with_8_and_said() -> None:
    planes = [zlib.compress(PIXELS[..., number].tobytes()) for number in range(3)]
    with pytest.warns(UserWarning, match="image: its colours lie each by itself"):
        loaded = decode_image(tiff(DEEP | {284: (2,)}, planes), "image")
    assert np.array_equal(loaded.pixels[..., ::-1], PIXELS >> 8)


def test_what_a_tiff_lacks_is_not_taken_from_memory() -> None:
    whole = zlib.compress(PIXELS.tobytes())
    assert decode_image(tiff(DEEP, [whole]), "image").bit_depth == 16
    without_samples = {tag: value for tag, value in DEEP.items() if tag != 277}
    for content in (
        tiff(without_samples, [whole]),
        tiff(without_samples | {259: (1,)}, [b""]),
    ):
        with pytest.raises(TextsrError, match="image: cannot be decoded"):
            decode_image(content, "image")


def test_no_room_is_made_for_more_than_a_file_has(tmp_path: Path) -> None:
    asked: list[int] = []

    class Noted(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size or 0)
            return super().read(size)

    class Stream(_Measured, Noted):
        pass

    (tmp_path / "a").write_bytes(bytes(1000))
    with Stream(io.FileIO(tmp_path / "a")) as stream:
        stream.seek(100)
        assert len(stream.read(4_000_000_000)) == 900
    assert asked == [900]


@pytest.mark.parametrize("kind", [3, 6])
@pytest.mark.parametrize("most", [256, 1023, 4095, 65_535])
def test_a_pnm_is_as_bright_as_its_maximum_says(kind: int, most: int) -> None:
    values = np.rint(PIXELS / 65_535 * most).astype(">u2")
    pixels = b" ".join(b"%d" % value for value in values.ravel())
    content = b"P%d\n23 14\n%d\n" % (kind, most) + (values.tobytes() if kind == 6 else pixels)
    loaded = decode_image(content + b"\n", "image")
    expected = np.rint(values / most * 65_535)
    assert np.abs(loaded.pixels[..., ::-1] - expected).max() <= 1


def test_what_libheif_says_is_on_one_line() -> None:
    pytest.importorskip("pillow_heif")
    content = pictures()["heic"][0]
    with pytest.raises(TextsrError, match="image: cannot be decoded") as caught:
        decode_image(content[: len(content) - 40], "image")
    assert "\n" not in str(caught.value)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    pairs = [(picture(32, 128), picture(16, 64), f"word {number}") for number in range(12)]
    write_textzoom(tmp_path / "easy", pairs)
    return tmp_path / "easy"


def test_a_database_that_is_cut_short_is_refused(database: Path) -> None:
    path = database / "data.mdb"
    assert len(list(read_database(database, lr_only=True))) == 12
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(TextsrError, match=r"easy: data\.mdb is cut short"):
        count_samples(database)


def test_a_database_that_is_damaged_within_is_refused(database: Path) -> None:
    path = database / "data.mdb"
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(TextsrError, match="easy: not a readable LMDB database"):
        list(read_database(database, lr_only=True))


def test_an_endless_number_of_pairs_is_refused(database: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    with lmdb.open(str(database)) as environment, environment.begin(write=True) as writer:
        writer.put(b"num-samples", b"9" * 5000)
    with pytest.raises(TextsrError, match="key num-samples: expected a number") as caught:
        count_samples(database)
    assert len(str(caught.value)) < 500


def test_a_line_that_cannot_be_read_is_quoted_in_short(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(20, 20))
    (tmp_path / "a.txt").write_text("1,2," + "x" * 50_000)
    with pytest.raises(TextsrError, match=r"a\.txt: line 1: expected eight numbers") as caught:
        list(read_receipts(tmp_path))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a\tb", "word", "its name holds a tab or the end of a line"),
        ("a\nb", "word", "its name holds a tab or the end of a line"),
        ("a", "x" * 200_000, "a text of 200000 characters"),
    ],
)
def test_labels_that_could_not_be_read_again_are_refused(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    about = SetInfo(kind="lr", format="x", images=1)
    item = Item(name, "source", {"image": picture(20, 20)}, text)
    with pytest.raises(TextsrError, match=f"source: {said}"):
        write_sets([NewSet(tmp_path / "new", about, [item])])
    assert not (tmp_path / "new").exists()


def test_an_onnx_file_whose_metadata_are_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(sound()["model.onnx"].replace(b"alignment", b"align\xffent"))
    with pytest.raises(TextsrError, match=r"model\.onnx: "):
        load_model(path)


def test_what_an_onnx_file_is_called_in_is_quoted_in_short(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(sound()["model.onnx"])
    model.graph.node[0].op_type = "n" * 50_000
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TextsrError, match="not an ONNX model") as caught:
        load_model(tmp_path / "model.onnx")
    assert len(str(caught.value)) < 1000


def test_a_row_whose_name_is_no_text_is_refused_by_its_shard(tmp_path: Path) -> None:
    ids = pa.array([b"\xff\xfe"] * 3).cast(pa.binary()).view(pa.string())
    image = {"bytes": encode_png(np.zeros((8, 8), np.uint8)), "path": "x"}
    table = pa.table({"sample_id": ids, "lr": pa.array([image] * 3, IMAGE)})
    stream = BytesIO()
    pq.write_table(table, stream)
    (tmp_path / shard_name(0, 1)).write_bytes(stream.getvalue())
    for read in (
        lambda: list(spread_rows(tmp_path, ["lr"], 2)),
        lambda: ShuffledLines(tmp_path, ("lr",), window_rows=9, seed=1).decode("lr", 0),
    ):
        with pytest.raises(TextsrError, match=r"00000-of-00001\.parquet: not a readable"):
            read()
