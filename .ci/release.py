"""Build a release twice, and fail where the bytes differ: `python .ci/release.py OUT`.

A release is of the commit: the wheel, the weights as one ONNX file, the documentation, and what the
lock names as a CycloneDX SBOM. Whoever builds the commit with the locked packages gets these bytes.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from licences import locked, said
from packageurl import PackageURL


def build(commit: str, folder: Path) -> None:
    """Build a commit's release in a folder."""
    epoch = _run(["git", "log", "-1", "--format=%ct", commit]).strip()
    packed = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(source, filter="data")
        environment = {
            **os.environ,
            "SOURCE_DATE_EPOCH": epoch,
            "PYTHONPATH": str(source / "src"),
            "PYTHONHASHSEED": str(hash(folder) % 1000),  # no result may depend on it
            "NO_MKDOCS_2_WARNING": "1",
        }

        def python(*arguments: object) -> None:
            command = [sys.executable, "-m", *map(str, arguments)]
            _run(command, cwd=source, env=environment)

        python("mkdocs", "build", "--strict", "--quiet", "--site-dir", folder / "docs")
        export = ["export", folder / "textsr.onnx", "--model", source / "src/textsr/pretrained/v4"]
        program = "from textsr.cli.main import main; main()"
        _run([sys.executable, "-c", program, *map(str, export)], cwd=source, env=environment)
        wheel = ["wheel", ".", "--no-deps", "--no-build-isolation", "--quiet"]
        python("pip", *wheel, "--wheel-dir", folder)
        (folder / "sbom.cdx.json").write_text(sbom(source, folder, int(epoch)))


def _run(command: Sequence[str], **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"release failed: {' '.join(command)}:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def sbom(source: Path, folder: Path, epoch: int) -> str:
    """Return the CycloneDX document of a wheel in a folder, and of all that its lock names."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wheel,) = folder.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest))
    bom.metadata.timestamp = datetime.fromtimestamp(epoch, UTC)
    licence = LicenseFactory().make_from_string
    bom.metadata.component = root = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        licenses=[licence(project["license"])],
        bom_ref=project["name"],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    components = []
    for requirement in locked(source / "requirements.lock"):
        name, version = requirement.name, str(requirement.specifier).removeprefix("==")
        try:
            package = metadata.metadata(name)
            told, _ = said(package, package.get_all("Classifier", []))
        except metadata.PackageNotFoundError:  # it is for another platform
            told = ""
        components.append(
            Component(
                name=name,
                version=version,
                purl=PackageURL("pypi", None, name, version),
                bom_ref=f"{name}=={version}",
                licenses=[licence(told)] if told else [],
            )
        )
    for component in components:
        bom.components.add(component)
    bom.register_dependency(root, components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main(out: Path) -> None:
    """Build twice, and keep one where both are the same."""
    os.umask(0o022)  # the wheel has the modes of its files
    commit = _run(["git", "rev-parse", "HEAD"]).strip()
    if out.exists():
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        builds = [Path(scratch).resolve() / name for name in ("one", "the-other")]
        for folder in builds:
            folder.mkdir()
            build(commit, folder)
        one, other = (hashes(folder) for folder in builds)
        if different := sorted(
            name for name in {**one, **other} if one.get(name) != other.get(name)
        ):
            sys.exit("\n".join(["release failed: built twice, these differ:", *different]))
        builds[0].rename(out)
    listing = "".join(f"{digest}  {name}\n" for name, digest in one.items())
    (out / "SHA256SUMS").write_text(listing)
    print(f"{out}: {len(one)} files of commit {commit[:12]}, twice the same bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
