"""What an OCR engine's readings depend on, in words."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def describe_version(packages: Sequence[str], data: Path) -> str:
    """Name the versions of packages, and a file of weights or language data with its hash.

    Returns:
        For example `rapidocr 3.10.0, onnxruntime 1.32.0, PP-OCRv6_rec_small.onnx 1b3fb2e0`.
    """
    with data.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ", ".join(
        [*(f"{package} {version(package)}" for package in packages), f"{data.name} {digest[:8]}"]
    )
