"""What a study found: a table, and three pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from textsr.evaluation.panels import save_figure
from textsr.evaluation.statistics import Bootstrap, Estimate
from textsr.files import write_text
from textsr.study.cells import Result
from textsr.study.settings import SCRATCH, Study

Results = Mapping[tuple[str, int], Sequence[Result]]
"""The results of all seeds, by arm and pairs."""

BOOTSTRAP = Bootstrap(resamples=2000, confidence=0.95, seed=0)
_POINTS = 100  # percentage points


def by_arm(results: Iterable[Result]) -> dict[tuple[str, int], list[Result]]:
    """Group results by arm and pairs, each in the order of its seeds."""
    grouped: dict[tuple[str, int], list[Result]] = {}
    for result in sorted(results, key=lambda result: result.seed):
        grouped.setdefault((result.arm, result.pairs), []).append(result)
    return grouped


def gain_db(results: Results, arm: str, pairs: int) -> Estimate | None:
    """Estimate the PSNR on `test` over that from scratch: lines resampled, seeds averaged.

    Only seeds that both have count; None where there is none.
    """
    ours, theirs = _paired(results, arm, pairs)
    if not ours:
        return None
    first, second = (np.mean([r.psnr_db for r in side], axis=0).tolist() for side in (ours, theirs))
    return BOOTSTRAP.difference(first, second)


def gain_points(results: Results, arm: str, pairs: int, engine: str) -> Estimate | None:
    """Estimate likewise how many more lines of `test` an OCR engine reads, percentage points."""
    ours, theirs = _paired(results, arm, pairs)
    if not ours or engine not in ours[0].exact:
        return None
    first, second = (
        np.mean([_bits(r.exact[engine]) for r in side], axis=0) * _POINTS for side in (ours, theirs)
    )
    return BOOTSTRAP.difference(first.tolist(), second.tolist())


def render(study: Study, results: Results, bicubic: Result | None) -> str:
    """Return the study as a page of Markdown: a table for each number of pairs."""
    engines = sorted({name for group in results.values() for r in group for name in r.exact})
    lines = []
    for pairs in study.pairs:
        present = [arm for arm in study.arms if (arm, pairs) in results]
        if not present:
            continue
        lines += [f"## {pairs:,} pairs", ""]
        head = ["start", "seeds", "best PSNR on val", "step of it", "PSNR on test over scratch"]
        head += [f"{engine} over scratch" for engine in engines]
        lines += [_row(head), _row(["---"] * len(head))]
        for arm in present:
            group = results[arm, pairs]
            best = [r.best for r in group]
            values = ", ".join(f"{psnr:.2f}" for _, psnr in best)
            row = [arm, str(len(group)), values, f"{np.mean([step for step, _ in best]):.0f}"]
            row.append("" if arm == SCRATCH else _said(gain_db(results, arm, pairs), "dB", 2))
            for engine in engines:
                gain = gain_points(results, arm, pairs, engine)
                row.append(_read(group, engine) if arm == SCRATCH else _said(gain, "points", 1))
            lines.append(_row(row))
        lines.append("")
    if bicubic is not None and bicubic.exact:
        read = ", ".join(f"{engine} {_read([bicubic], engine)}" for engine in engines)
        lines += [f"Bicubic: {np.mean(bicubic.psnr_db):.2f} dB; {read}.", ""]
    lines += ["## Pretexts", ""]
    lines += [_row(["pretext", "steps", "minutes", "probe R2", "last metrics"]), _row(["---"] * 5)]
    for name, pretext in study.pretexts.items():
        arms = {arm for arm, settings in study.arms.items() if settings.pretext == name}
        found = [r.pretext for (arm, _), group in results.items() if arm in arms for r in group]
        if not found:
            continue
        mean = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
        others = {k: v for k, v in mean.items() if k not in ("step", "seconds", "probe_r2")}
        said = ", ".join(f"{key} {value:.4g}" for key, value in sorted(others.items()))
        minutes = f"{mean['seconds'] / 60:.0f}"
        lines.append(_row([name, str(pretext.steps), minutes, f"{mean['probe_r2']:.2f}", said]))
    return "\n".join(lines) + "\n"


def write_report(
    study: Study, results: Sequence[Result], bicubic: Result | None, folder: Path
) -> None:
    """Write `report.md`, `pairs.png`, `steps.png` and `effects.png`."""
    grouped = by_arm(results)
    write_text(folder / "report.md", render(study, grouped, bicubic))
    if grouped:
        save_figure(folder / "pairs.png", draw_pairs(study, grouped))
        save_figure(folder / "steps.png", draw_steps(study, grouped))
    effects = draw_effects(study, grouped)
    if effects is not None:
        save_figure(folder / "effects.png", effects)


def draw_pairs(study: Study, results: Results) -> Figure:
    """Draw quality against pairs: a line an arm, a dot a seed."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    for arm in study.arms:
        counts = [pairs for pairs in study.pairs if (arm, pairs) in results]
        if not counts:
            continue
        values = [[r.best[1] for r in results[arm, pairs]] for pairs in counts]
        (line,) = axis.plot(counts, [np.mean(v) for v in values], label=arm)
        for pairs, of_seeds in zip(counts, values, strict=True):
            axis.plot([pairs] * len(of_seeds), of_seeds, ".", color=line.get_color())
    axis.set_xscale("log")
    axis.set_xticks(study.pairs, [f"{pairs:,}" for pairs in study.pairs])
    axis.minorticks_off()
    axis.set_xlabel("pairs of LR and HR")
    axis.set_ylabel("best PSNR on val, dB")
    axis.legend()
    return figure


def draw_steps(study: Study, results: Results) -> Figure:
    """Draw quality against steps of super-resolution, a panel for each number of pairs."""
    shown = [pairs for pairs in study.pairs if any(key[1] == pairs for key in results)]
    figure = Figure(figsize=(5 * len(shown), 4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
    for axis, pairs in zip(axes, shown, strict=True):
        for arm in study.arms:
            group = results.get((arm, pairs), ())
            if not group:
                continue
            # Trainings end at different steps: as far as all seeds went.
            least = min(len(r.curve) for r in group)
            steps = [step for step, _ in group[0].curve[:least]]
            mean = np.mean([[psnr for _, psnr in r.curve[:least]] for r in group], axis=0)
            axis.plot(steps, mean, label=arm)
        axis.set_title(f"{pairs:,} pairs")
        axis.set_xlabel("steps of super-resolution")
    axes[0].set_ylabel("PSNR on val, dB")
    axes[-1].legend(fontsize="small")
    return figure


def draw_effects(study: Study, results: Results) -> Figure | None:
    """Draw each arm's gain over scratch with its interval; None where there is none."""
    rows = [
        (f"{arm}, {pairs:,}", gain)
        for pairs in study.pairs
        for arm in study.arms
        if arm != SCRATCH and (gain := gain_db(results, arm, pairs)) is not None
    ]
    if not rows:
        return None
    figure = Figure(figsize=(7, 0.3 * len(rows) + 1.2), layout="constrained")
    axis = figure.subplots()
    for number, (_, gain) in enumerate(rows):
        axis.plot([gain.low, gain.high], [number] * 2, color="#0969da")
        axis.plot(gain.value, number, "o", color="#0969da")
    axis.axvline(0, color="#57606a", linewidth=1)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    axis.invert_yaxis()
    axis.set_xlabel("PSNR on test over scratch, dB, with 95% intervals over lines")
    return figure


def _paired(results: Results, arm: str, pairs: int) -> tuple[list[Result], list[Result]]:
    ours = {r.seed: r for r in results.get((arm, pairs), ()) if r.psnr_db}
    theirs = {r.seed: r for r in results.get((SCRATCH, pairs), ()) if r.psnr_db}
    both = sorted(ours.keys() & theirs.keys())
    return [ours[seed] for seed in both], [theirs[seed] for seed in both]


def _bits(exact: str) -> list[float]:
    return [float(bit) for bit in exact]


def _read(group: Sequence[Result], engine: str) -> str:
    return f"{np.mean([_bits(r.exact[engine]) for r in group if engine in r.exact]):.3f}"


def _said(estimate: Estimate | None, unit: str, digits: int) -> str:
    if estimate is None:
        return ""
    numbers = (estimate.value, estimate.low, estimate.high)
    value, low, high = (f"{number:+.{digits}f}" for number in numbers)
    return f"{value} {unit} [{low}, {high}]"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
