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
    versions = [f"{package} {version(package)}" for package in packages]
    return ", ".join([*versions, f"{data.name} {sha256(data)[:8]}"])


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
