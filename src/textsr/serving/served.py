"""Which model is served: loaded for a reader when first asked, followed where it may change."""

import threading
from dataclasses import dataclass
from pathlib import Path

from textsr import pretrained
from textsr.api import Model, load_model
from textsr.config import project
from textsr.errors import TextsrError
from textsr.models.spec import ANY, SPEC, ModelSpec, read_spec

_MODELS = "models:/"


class Served:
    """A version of a model, for every reader that it was judged for.

    Attributes:
        said: what it is, for people.
        version: of the registered model; None if it is none.
        usual: the model for whom it is where nobody is named.
    """

    def __init__(
        self, folder: Path, said: str, version: str | None, *, backend: str, device: str
    ) -> None:
        """Load it for its usual reader.

        Args:
            folder: the model folder, or an ONNX file.
            said: what it is, for people.
            version: of the registered model; None if it is none.
            backend: see `textsr.api.load_model`.
            device: see `textsr.api.load_model`.

        Raises:
            TextsrError: as `load_model` does.
        """
        self.said = said
        self._folder, self._backend, self._device = folder, backend, device
        self._spec: ModelSpec | None = None
        self._door = threading.Lock()
        self._by_blend: dict[float, Model] = {}
        self.usual = self._load(None)
        self.version = version or self.usual.info.version
        if (folder / SPEC).exists():  # an ONNX file has its blend in it
            self._spec = read_spec(folder)
            self._by_blend[self._spec.blend_for(self._spec.usual_reader)] = self.usual

    @property
    def readers(self) -> list[str]:
        """Whom it was judged for, the usual reader first."""
        if self._spec is None:
            return []
        usual = self._spec.usual_reader
        return [usual, *(name for name in {**self._spec.blends, ANY: 0} if name != usual)]

    def is_loaded(self, reader: str | None) -> bool:
        """Whether `model` answers at once, be it by an error."""
        known = {} if self._spec is None else {ANY: self._spec.blend} | self._spec.blends
        return reader not in known or known[reader] in self._by_blend

    def model(self, reader: str | None) -> Model:
        """Return the model for a reader, loaded once for all that it is blended alike for.

        Raises:
            TextsrError: if it was not judged for them; it names whom it was.
        """
        if reader is None:
            return self.usual
        if self._spec is None:
            return self._load(reader)  # which says why not
        blend = self._spec.blend_for(reader)
        with self._door:
            if blend not in self._by_blend:
                self._by_blend[blend] = self._load(reader)
            return self._by_blend[blend]

    def load_as(self, other: "Served") -> None:
        """Load all that another version has loaded, so that no request waits for it."""
        for reader in self.readers:
            if reader in other.readers and other.is_loaded(reader):
                self.model(reader)

    def _load(self, reader: str | None) -> Model:
        return load_model(self._folder, backend=self._backend, device=self._device, reader=reader)


@dataclass(frozen=True)
class Source:
    """Where the model comes from.

    Attributes:
        name: a model folder, an `.onnx` file or an address of MLflow; None: the champion of the
            project that `start` lies in, or else the pretrained weights.
        start: a folder, in a project or not.
        backend: see `textsr.api.load_model`.
        device: see `textsr.api.load_model`.
    """

    name: str | None
    start: Path
    backend: str = "auto"
    device: str = "auto"

    def alias(self) -> str | None:
        """Return the address `models:/NAME@ALIAS` whose version may change; None if there is none.

        Raises:
            TextsrError: if the project's params.yaml is not valid.
        """
        if self.name is not None:
            return self.name if self.name.startswith(_MODELS) and "@" in self.name else None
        try:
            root = project.find_root(self.start)
            from textsr.config.params import load_params
            from textsr.registry.aliases import CHAMPION
        except (TextsrError, ModuleNotFoundError):  # no project, or none of the pipeline's packages
            return None
        model_name = load_params(root / project.PARAMS).registration.model_name
        return f"{_MODELS}{model_name}@{CHAMPION}"

    def version(self) -> str | None:
        """Return the version that the alias names now; None if it names none.

        Raises:
            TextsrError: if the tracking server cannot be asked.
        """
        alias = self.alias()
        if alias is None:
            return None
        from textsr.registry.resolve import registered_version

        return registered_version(alias, self.start)

    def open(self) -> Served:
        """Load the model.

        Raises:
            TextsrError: if there is no such model, or it cannot be loaded.
        """
        alias, version = self.alias(), self.version()
        folder, said = self._find(alias, version)
        return Served(folder, said, version, backend=self.backend, device=self.device)

    def _find(self, alias: str | None, version: str | None) -> tuple[Path, str]:
        if alias is not None and version is not None:
            # By its number: the alias may have moved since.
            from textsr.registry.resolve import fetch_model

            name = alias.removeprefix(_MODELS).partition("@")[0]
            folder = fetch_model(f"{_MODELS}{name}/{version}", self.start)
            return folder, f"{name} version {version}, {alias}"
        if self.name is None:
            return pretrained.FOLDER, "the pretrained weights"
        if not self.name.startswith((_MODELS, "runs:/")):
            return Path(self.name), self.name
        from textsr.registry.resolve import fetch_model

        return fetch_model(self.name, self.start), self.name
