"""Networks computed by ONNX Runtime, on the CPU."""

import threading
from pathlib import Path

import numpy as np
import onnxruntime

from textsr.errors import TextsrError, shorten
from textsr.files import read_small_file
from textsr.images.image import FloatImage
from textsr.inference.backend import memory_error
from textsr.inference.cores import granted_cores
from textsr.models.finite import require_finite_output

FLOAT32 = "model.onnx"
"""The file of a model folder that holds its network as ONNX, computed in float32."""

INT8 = "model_int8.onnx"
"""The same, computed in 8 bits."""

WEIGHTS_HASH = "weights_sha256"
"""The metadata that tell of which `weights.safetensors` a model folder's file was made."""

_MOST_BYTES = 1_000_000_000
_ERRORS = 3  # ONNX Runtime's level of what it prints: no warnings


class OnnxBackend:
    """An ONNX file as `textsr.inference.export.export_onnx` writes it."""

    def __init__(self, path: Path, threads: int | None = None, *, name: str = "onnx") -> None:
        """Load it.

        Args:
            path: the file; its metadata tell `scale`, `halo` and `alignment`.
            threads: to compute with; None: one for each core that there is for this process.
            name: see `Backend.name`.

        Raises:
            TextsrError: if it cannot be read or is not such a file.
        """
        self.name = name
        self.threads = threads or granted_cores()
        self.workers = self.threads
        self._path = path
        self._sessions: dict[int, onnxruntime.InferenceSession] = {}
        self._door = threading.Lock()
        session = self._session(self.threads)
        try:
            told = session.get_modelmeta().custom_metadata_map
            self.scale, self.halo, self.alignment = (
                _positive(told[name]) for name in ("scale", "halo", "alignment")
            )
        except (KeyError, ValueError) as error:  # also of what is not UTF-8
            raise TextsrError(
                f"{path}: does not tell scale, halo and alignment; use a file that "
                "`textsr export` wrote"
            ) from error
        self.weights_sha256: str | None = told.get(WEIGHTS_HASH)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if [port.name for port in (*inputs, *outputs)] != ["lr", "hr"]:
            raise TextsrError(
                f"{path}: not one input `lr` and one output `hr`; use a file that "
                "`textsr export` wrote"
            )

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        """Upscale a batch; see `Backend.run`."""
        share = min(threads or self.threads, self.threads)
        # As many batches at once as there are shares compute by one session: the thread that calls
        # it, of each, and the session's own, which are one less than it is told.
        session = self._session(self.threads - self.threads // share + 1)
        try:
            (output,) = session.run(["hr"], {"lr": images})
        except Exception as error:  # ONNX Runtime's own, of which none is of a kind by itself
            if "alloc" in str(error).lower():
                raise TextsrError(memory_error("cpu", images)) from error
            raise
        result = np.asarray(output, np.float32)
        require_finite_output(result)
        return result

    def _session(self, threads: int) -> onnxruntime.InferenceSession:
        """Return what computes with so many threads, which a session is told when it is made."""
        with self._door:
            if threads not in self._sessions:
                self._sessions[threads] = _open(self._path, threads)
            return self._sessions[threads]


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    try:
        # Of the bytes alone: a file could name others, which would be read, too.
        return onnxruntime.InferenceSession(
            read_small_file(path, _MOST_BYTES), options, providers=["CPUExecutionProvider"]
        )
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise TextsrError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # ONNX Runtime's own
        raise TextsrError(
            f"{path}: not an ONNX model ({shorten(str(error))}); copy it again from where it was "
            "made, or make it anew with `textsr export`"
        ) from error


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number < 10_000:
        raise ValueError(text)
    return number
