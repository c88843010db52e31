"""The drift report: a folder with the numbers, a page to read and pictures."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from pydantic import BaseModel

from textsr.config.params import Monitoring
from textsr.errors import TextsrError
from textsr.files import replace_folder, write_json, write_text
from textsr.images.grey import Image
from textsr.monitoring.champion import Champion
from textsr.monitoring.drift import Finding, Verdict, unusual
from textsr.monitoring.measure import UNITS
from textsr.monitoring.pictures import DISTRIBUTIONS, UNUSUAL, draw_distributions, draw_unusual
from textsr.monitoring.production import Production
from textsr.monitoring.profile import Profile
from textsr.pages import render_page
from textsr.redaction import redact

_REPORT = "drift.json"
_SHOWN = 16  # unusual images
_LISTED = 10  # unreadable images
_SHORT = 28  # characters of a file's name


class DriftReport(BaseModel):
    """`drift.json`.

    Attributes:
        folder: of the production images.
        verdict: over all properties.
        found: image files in the folder.
        measured: the newest of them, that were measured.
        unreadable: what is wrong with new ones that could not be.
        model: what upscaled the images; "" of too few images, which nothing looks at.
        reference: where the training lines' profile is from; "" likewise.
        engine: the OCR engine that read the images, and its version; "" likewise.
        reference_engine: the one that read the training lines; "" where it is not recorded.
        data_hash: of the data that the champion was trained with, if it is known.
        differences: between the champion's lineage and the local project, a sentence each.
        thresholds: the section `monitoring` of params.yaml.
        findings: what was compared, property by property.
    """

    folder: str
    verdict: Verdict
    found: int
    measured: int
    unreadable: dict[str, str]
    model: str = ""
    reference: str = ""
    engine: str = ""
    reference_engine: str = ""
    data_hash: str | None = None
    differences: list[str] = []
    thresholds: Monitoring
    findings: list[Finding] = []

    def summary(self) -> str:
        """Return the verdict as a sentence."""
        if self.verdict == "too few images":
            return (
                f"{self.folder}: {self.measured} readable images, too few to judge; at least "
                f"{self.thresholds.min_images} are needed (monitoring.min_images)"
            )
        drifted = ", ".join(finding.name for finding in self.findings if finding.drifted)
        said = f"{self.folder}: {self.verdict} in {self.measured} images"
        return f"{said}: {drifted}" if drifted else said


class Samples(NamedTuple):
    """What a report's pictures are drawn from."""

    reference: pd.DataFrame
    """The training lines, measured."""
    measured: pd.DataFrame
    """The production images, measured, a row each in the order of `images`."""
    images: dict[str, Image]
    """The production images by name."""


def too_few(folder: str, production: Production, thresholds: Monitoring) -> DriftReport:
    """Put together what a report says of fewer images than are judged."""
    return DriftReport(
        folder=redact(folder),
        verdict="too few images",
        found=production.found,
        measured=len(production.images),
        unreadable=production.unreadable,
        thresholds=thresholds,
    )


def describe(
    folder: str,
    verdict: Verdict,
    production: Production,
    champion: Champion,
    profile: Profile,
    engine: str,
    findings: list[Finding],
    thresholds: Monitoring,
) -> DriftReport:
    """Put together what a report says."""
    return DriftReport(
        folder=redact(folder),
        verdict=verdict,
        found=production.found,
        measured=len(production.images),
        unreadable=production.unreadable,
        model=champion.name,
        reference=profile.origin,
        engine=engine,
        reference_engine=profile.engine,
        data_hash=champion.data_hash,
        differences=list(champion.differences),
        thresholds=thresholds,
        findings=findings,
    )


def check_output(output: Path, watched: str) -> None:
    """See that `output` may be replaced: it is new, empty or a report, and no production images.

    Raises:
        TextsrError: if it may not.
    """
    place, images = output.resolve(), Path(watched).resolve()
    if images.exists() and (place == images or place in images.parents):
        raise TextsrError(
            f"{output}: holds the images that are watched, and a report replaces its folder; name "
            "another"
        )
    is_report = not output.exists() or (output / _REPORT).exists()
    if not is_report and (not output.is_dir() or any(output.iterdir())):
        raise TextsrError(
            f"{output}: is there and no report, which would replace it; name a folder of its own"
        )


def write_report(output: Path, report: DriftReport, samples: Samples | None = None) -> None:
    """Write `drift.json`, `report.md` and pictures into `output`, whole or not at all.

    Args:
        output: the folder; what is in it is replaced.
        report: what to say.
        samples: what to draw; nothing is drawn without.
    """
    with replace_folder(output) as folder:
        write_json(folder / _REPORT, report.model_dump(mode="json"))
        pictures = [] if samples is None else _draw(folder, report, samples)
        judged = {finding.name for finding in report.findings}
        page = render_page(
            "textsr.monitoring",
            "report.md.j2",
            report=report,
            pictures=pictures,
            unjudged=[name for name in UNITS if name not in judged],
            listed=_LISTED,
        )
        write_text(folder / "report.md", page)


def _draw(folder: Path, report: DriftReport, samples: Samples) -> list[tuple[str, str]]:
    """Draw what there is to see; return titles and file names."""
    reference, measured, images = samples
    pictures = []
    if report.findings:
        draw_distributions(reference, measured, report.findings, folder / DISTRIBUTIONS)
        pictures.append(("How the properties are distributed", DISTRIBUTIONS))
    ranked = unusual(reference, measured, report.thresholds)[:_SHOWN]
    if ranked:
        names = list(images)
        captions = [
            f"{_shortened(names[number])}: {name} {measured[name].iloc[number]:.3g}"
            for number, name in ranked
        ]
        shown = [images[names[number]] for number, _ in ranked]
        draw_unusual(list(zip(shown, captions, strict=True)), folder / UNUSUAL)
        pictures.append(("The images furthest out, of each property in turn", UNUSUAL))
    return pictures


def _shortened(name: str) -> str:
    return name if len(name) <= _SHORT else f"...{name[-_SHORT:]}"
