"""The gate promotes if and only if every condition holds, and says which did not."""

from hypothesis import given
from hypothesis import strategies as st

from textsr.config.params import Gate
from textsr.evaluation.statistics import Estimate
from textsr.registry.gate import RealSet, decide, render_decision

GATE = Gate(
    min_psnr_gain_db=0.5,
    min_ssim_gain=0.0,
    max_ms_per_line=20,
    min_engines_better=1,
    min_lines=20,
    slice_significance=0.05,
)
WORSE, EVEN, BETTER = Estimate(-0.1, -0.2, -0.01), Estimate(0, -0.1, 0.1), Estimate(0.1, 0.01, 0.2)
estimates = st.sampled_from([WORSE, EVEN, BETTER])


@given(
    rapid=estimates,
    tess=estimates,
    champion=st.none() | estimates,
    psnr=st.floats(-1, 2),
    ssim=st.floats(-0.1, 0.1),
    ms=st.floats(1, 40),
)
def test_truth_table(
    rapid: Estimate, tess: Estimate, champion: Estimate | None, psnr: float, ssim: float, ms: float
) -> None:
    over_bicubic = {
        "rapidocr": rapid,
        "tesseract": tess,
        "psnr_db": Estimate(psnr, psnr, psnr),
        "ssim": Estimate(ssim, ssim, ssim),
    }
    over_champion = None if champion is None else {"rapidocr": champion}
    decision = decide(GATE, over_bicubic, over_champion, ms)
    expected = (
        WORSE not in (rapid, tess, champion)
        and BETTER in (rapid, tess)
        and psnr >= 0.5
        and ssim >= 0
        and ms <= 20
    )
    assert decision.promoted == expected
    assert decision.promoted == all(check.passed for check in decision.checks)
    assert any("champion" in check.name for check in decision.checks) == (champion is not None)


def test_refusal_shows_its_numbers() -> None:
    over = {"rapidocr": WORSE, "psnr_db": BETTER, "ssim": BETTER}
    decision = decide(GATE, over, None, 30.0)
    failed = {check.name: check.evidence for check in decision.checks if not check.passed}
    assert failed["rapidocr: accuracy not worse than bicubic"] == "-10.0 points [-20.0, -1.0]"
    assert failed["at most 20 ms per line"] == "30.0 ms"
    assert failed["psnr_db at least 0.5 dB over bicubic"].startswith("+0.100 dB")
    record = {"model_name": "textsr", "version": "3", "method": "byol", **decision.model_dump()}
    text = render_decision(record)
    assert "version 3 (byol): refused" in text
    assert text.count("**fail**") == len(failed)


def test_two_engines_can_be_asked_for() -> None:
    gate = GATE.model_copy(update={"min_engines_better": 2})
    over = {"rapidocr": BETTER, "tesseract": EVEN, "psnr_db": Estimate(1, 1, 1), "ssim": BETTER}
    assert not decide(gate, over, None, 1).promoted
    assert decide(gate, over | {"tesseract": BETTER}, None, 1).promoted


@given(estimates, estimates)
def test_champion_is_compared_on_every_engine_that_both_were_read_by(
    rapid: Estimate, tess: Estimate
) -> None:
    over_bicubic = {"rapidocr": BETTER, "tesseract": BETTER, "psnr_db": BETTER, "ssim": BETTER}
    gate = GATE.model_copy(update={"min_psnr_gain_db": 0})
    decision = decide(gate, over_bicubic, {"rapidocr": rapid, "tesseract": tess}, 1)
    assert decision.promoted == (WORSE not in (rapid, tess))
    # An OCR engine that was not installed when the champion was scored decides nothing.
    assert decide(gate, over_bicubic, {"tesseract": tess}, 1).promoted == (tess != WORSE)


def test_thresholds_themselves_pass_but_an_interval_from_zero_is_not_better() -> None:
    good = {"rapidocr": BETTER, "psnr_db": Estimate(0.5, 0, 1), "ssim": Estimate(0, 0, 0)}
    assert decide(GATE, good, None, 20).promoted
    touching = {"rapidocr": Estimate(0.1, 0.0, 0.2)}
    [better] = [c for c in decide(GATE, good | touching, None, 20).checks if not c.passed]
    assert better.name == "better than bicubic on at least 1 OCR engine"
    assert "on none" in better.evidence
    touching = {"rapidocr": BETTER, "tesseract": Estimate(-0.1, -0.2, 0.0)}
    assert decide(GATE, good | touching, None, 20).promoted


def test_what_was_not_measured_is_refused() -> None:
    """A NaN passes no condition."""
    unknown = Estimate(float("nan"), float("nan"), float("nan"))
    good = {"rapidocr": BETTER, "psnr_db": Estimate(1, 1, 1), "ssim": BETTER}
    assert decide(GATE, good, None, 1).promoted
    for key in good:
        assert not decide(GATE, good | {key: unknown}, None, 1).promoted
    assert not decide(GATE, good, {"rapidocr": unknown}, 1).promoted
    assert not decide(GATE, good, None, float("nan")).promoted


GOOD = {"rapidocr": BETTER, "tesseract": BETTER, "psnr_db": Estimate(1, 1, 1), "ssim": BETTER}


def slice_of(name: str, lines: int, **chances: float) -> dict:
    engines = {
        engine: {"gain": -0.1, "gain_ci": [-0.2, -0.01], "p_worse": chance}
        for engine, chance in chances.items()
    }
    return {"by": "kind of text", "slice": name, "lines": lines, "engines": engines}


@given(st.lists(st.tuples(st.integers(2, 60), st.floats(0, 1), st.floats(0, 1)), max_size=12))
def test_a_slice_refuses_if_and_only_if_it_would_after_bonferronis_correction(
    rows: list[tuple[int, float, float]],
) -> None:
    slices = [
        slice_of(str(number), lines, rapidocr=first, tesseract=second)
        for number, (lines, first, second) in enumerate(rows)
    ]
    judged = [chance for lines, *chances in rows if lines >= 20 for chance in chances]
    refused = any(chance * len(judged) < 0.05 for chance in judged)
    decision = decide(GATE, GOOD, None, 1, slices)
    assert decision.promoted != refused
    [check] = [check for check in decision.checks if "slice" in check.name]
    assert check.passed != refused


def test_the_worst_slice_is_named_with_its_numbers() -> None:
    slices = [slice_of("email", 19, rapidocr=0.0), slice_of("url", 40, rapidocr=0.004),
              slice_of("code", 40, rapidocr=0.3, tesseract=0.2)]  # fmt: skip
    failed = [check for check in decide(GATE, GOOD, None, 1, slices).checks if not check.passed]
    assert [check.name for check in failed] == [
        "on no slice of test significantly worse than bicubic"
    ]
    assert failed[0].evidence == (
        "worst of 3: kind of text: url, rapidocr -10.0 points [-20.0, -1.0], 40 lines, "
        "p = 0.012 over all"
    )
    # One of two hundred is by chance so far from bicubic.
    many = [slice_of(str(number), 40, rapidocr=0.5) for number in range(20)]
    assert decide(GATE, GOOD, None, 1, slices + many).promoted
    assert decide(GATE, GOOD, None, 1, slices[:1]).promoted


@given(rapid=estimates, tess=estimates, lines=st.integers(1, 40))
def test_a_real_set_of_enough_lines_refuses_where_an_engine_reads_it_worse(
    rapid: Estimate, tess: Estimate, lines: int
) -> None:
    real = {"receipts": RealSet(lines, {"rapidocr": rapid, "tesseract": tess, "psnr_db": WORSE})}
    decision = decide(GATE, GOOD, None, 1, real_sets=real)
    assert decision.promoted == (lines < 20 or WORSE not in (rapid, tess))
    said = {check.name: check.evidence for check in decision.checks if "receipts" in check.name}
    if lines < 20:
        assert said == {
            "receipts: not worse than bicubic": f"not judged: {lines} lines, fewer than 20"
        }
    else:
        assert said["tesseract: accuracy not worse than bicubic on receipts"] == tess.in_points()


def test_what_was_not_measured_on_a_real_set_is_refused() -> None:
    unknown = Estimate(float("nan"), float("nan"), float("nan"))
    real = {"receipts": RealSet(20, {"rapidocr": unknown})}
    assert not decide(GATE, GOOD, None, 1, real_sets=real).promoted
