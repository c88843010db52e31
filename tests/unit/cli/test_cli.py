"""The command line."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import typer
import yaml
from typer.testing import CliRunner

import textsr
from textsr.cli import main as cli
from textsr.cli.progress import progress
from textsr.cli.shared import read_judging_params
from textsr.config import project
from textsr.config.params import Synthesis, load_params
from textsr.config.project import find_root
from textsr.errors import TextsrError
from textsr.inference import choice
from textsr.models.bicubic import bicubic as upscaled_by_bicubic
from textsr.models.package import save_model
from textsr.pretrained import FOLDER, load_pretrained

ROOT = Path(__file__).parents[3]
VERBS = sorted(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
HEAVY = ("torch", "cv2", "mlflow", "lightning", "great_expectations", "matplotlib", "pandas")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from textsr.cli.main import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command line in this process, which must refuse it; return what it says."""
    for name, value in cli._QUIET.items():  # which `main` would set for all tests after this one
        monkeypatch.setenv(name, value)

    def run_refused(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["textsr", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 1
        said = capsys.readouterr().err
        assert said.startswith("textsr: ")
        assert "Traceback" not in said
        return said

    return run_refused


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's files, as the current folder."""
    for name in ("params.yaml", "dvc.yaml", "presets/tiny.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_reads_as_the_pipeline_does() -> None:
    said = run("--help").stdout
    verbs = ["fetch-data", "synthesize", "validate", "pretrain", "train", "baselines", "evaluate",
             "compare", "register", "rollback", "upscale", "export", "score"]  # fmt: skip
    listed = re.findall(r"^│ ([a-z-]+)\s", said, re.MULTILINE)
    assert [verb for verb in listed if verb in verbs] == verbs


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, textsr.cli.main; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.slow
def test_judging_and_registering_load_no_training_loop() -> None:
    """Lightning takes as long to import as PyTorch, in each of seven stages that do not train."""
    program = (
        "import sys, textsr.evaluation.run, textsr.registry.run, textsr.tracking\n"
        "print([m for m in ('torch', 'lightning') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == "['torch']", said.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    result = CliRunner().invoke(cli.app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_every_stage_runs_a_verb_and_writes_where_the_code_looks() -> None:
    folders = [
        *(project.PARTS, project.DATASET, project.VALIDATION, project.IMPORTED, project.ENCODERS),
        *(project.RECOGNIZER, project.MODELS, project.EVALUATION, project.REPORTS),
        *(project.EXTRA_DATASETS, project.EXTRA_VALIDATION, project.ENGINES),
    ]
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items():
        stage = stage.get("do", stage)
        program, verb, *_ = stage["cmd"].split()
        assert program == "textsr", name
        assert verb in VERBS, name
        for out in [*stage["outs"], *stage.get("metrics", [])]:
            path = Path(next(iter(out)) if isinstance(out, dict) else out)
            assert any(path.is_relative_to(folder) for folder in folders), path


@pytest.mark.slow
def test_preset_and_params_and_data_then_a_dataset(clone: Path, data: Path, dataset: Path) -> None:
    runner = CliRunner()
    fonts = len(list(data.glob("fonts/*/*.[ot]tf")))
    for arguments, said in (
        (["use-preset", "tiny"], "preset tiny applied"),
        (["check-params"], "params.yaml: valid"),
        (["fetch-data"], f"data: {fonts} font files"),
        (["synthesize"], ""),
    ):
        result = runner.invoke(cli.app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        assert said in result.output
    assert load_params(clone / "params.yaml").synthesis.samples.train == 96
    made = {p.relative_to(clone / "artifacts/dataset"): p.read_bytes()
            for p in clone.glob("artifacts/dataset/*/*")}  # fmt: skip
    assert made == {p.relative_to(dataset): p.read_bytes() for p in dataset.glob("*/*")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check-params"], "params.yaml: synthesis.scale: "),
        (["use-preset", "huge"], "huge.yaml: no such preset; choose one of tiny"),
        (["synthesize"], "params.yaml: synthesis.scale: "),
    ],
)
def test_mistakes_are_one_message(
    clone: Path, refusal: Callable[..., str], arguments: list[str], said: str
) -> None:
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("scale: 4", "scale: 3", 1))
    assert said in refusal(*arguments)
    assert not (clone / "artifacts").exists()


def test_unknown_verb_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli.app, ["sythesize"])
    assert result.exit_code == 2
    assert "sythesize" in result.output


def test_mistake_is_one_message_and_exit_status_1(tmp_path: Path) -> None:
    result = run("synthesize", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("textsr: params.yaml: no such file")
    assert "Traceback" not in result.stderr


def test_broken_params_are_refused_before_any_work(
    clone: Path, refusal: Callable[..., str]
) -> None:
    before = sorted(clone.rglob("*"))
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("steps: 900", "stpes: 900"))
    assert "training.stpes: unknown key" in refusal("train", "scratch")
    assert sorted(clone.rglob("*")) == before


def test_project_root_is_found_from_below_and_missed_with_a_remedy(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(TextsrError, match=r"dvc\.yaml"):
        find_root(below)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").touch()
    assert find_root(below) == tmp_path


def test_a_folder_that_is_no_model_is_named(tmp_path: Path, refusal: Callable[..., str]) -> None:
    said = refusal("upscale", "x.png", "-o", "y.png", "--model", str(tmp_path / "nothing"))
    assert "nothing" in said


def test_without_a_champion_the_packages_own_weights_upscale(clone: Path) -> None:
    cv2.imwrite("small.png", np.full((16, 40), 200, np.uint8))
    result = CliRunner().invoke(
        cli.app, ["upscale", "small.png", "-o", "big.png"], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "pretrained weights (no version of textsr is champion)" in result.stderr
    assert cv2.imread("big.png", cv2.IMREAD_UNCHANGED).shape == (64, 160)


def test_the_blend_is_the_models_own_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    cv2.imwrite("small.png", rng.integers(60, 200, (16, 40)).astype(np.uint8))

    def upscale(*options: str) -> tuple[np.ndarray, str]:
        command = ["upscale", "small.png", "-o", "big.png", "--backend", "onnx", *options]
        result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return cv2.imread("big.png", cv2.IMREAD_UNCHANGED).astype(float), result.stderr

    imported, said = upscale()
    spec = load_pretrained().spec
    weight = spec.blend_for(spec.usual_reader)
    assert said.rstrip().endswith(f" at {weight:g}")
    bicubic, said = upscale("--blend", "0")
    assert "weights, blended at 0" in said
    network, _ = upscale("--blend", "1")
    small = torch.from_numpy(cv2.imread("small.png", cv2.IMREAD_UNCHANGED))
    expected = upscaled_by_bicubic(small[None, None].float(), 4)[0, 0].clamp(0, 255)
    assert np.abs(bicubic - expected.numpy()).max() <= 0.51
    assert np.abs(network - bicubic).max() > 2
    unclipped = (network % 255 > 0) & (bicubic % 255 > 0)
    between = bicubic + weight * (network - bicubic)
    assert np.abs(imported - between)[unclipped].max() <= 1.5
    command = ["upscale", "small.png", "-o", "big.png", "--blend"]
    for refused in ("1.5", "nan"):
        assert CliRunner().invoke(cli.app, [*command, refused]).exit_code == 2


def test_only_the_packages_weights_leave_sharp_text_to_bicubic_and_only_if_not_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another model knows of heights is not recorded."""
    monkeypatch.chdir(tmp_path)
    line = np.full((60, 320), 230, np.uint8)
    cv2.putText(line, "Amount due", (4, 44), 0, 1.5, 20, 3, cv2.LINE_AA)
    cv2.imwrite("large.png", line)
    reference = load_pretrained()
    save_model(
        tmp_path / "mine", reference.spec.model_copy(update={"name": "mine"}), reference.network
    )
    for options, expected in (
        ([], "large text that is sharp already in 1 of 1"),
        (["--blend", "0.4"], "text outside"),
        (["--model", "mine"], "text outside"),
    ):
        command = ["upscale", "large.png", "-o", "big.png", *options]
        with pytest.warns(UserWarning, match=expected):
            result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr


def test_an_onnx_file_is_known_by_its_suffix_however_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("small.png", np.full((16, 40), 200, np.uint8))
    Path("MINE.ONNX").write_bytes((FOLDER / "model.onnx").read_bytes())
    command = ["upscale", "small.png", "-o", "big.png", "--model", "MINE.ONNX"]
    CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert cv2.imread("big.png", cv2.IMREAD_UNCHANGED).shape == (64, 160)


def test_the_network_is_computed_in_8_bits_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small = np.random.default_rng(4).integers(0, 256, (16, 40), np.uint8)
    assert cv2.imwrite("small.png", small)
    for backend in ("onnx", "onnx-int8"):
        command = ["upscale", "small.png", "-o", f"{backend}.png", "--backend", backend]
        CliRunner().invoke(cli.app, [*command, "--blend", "1"], catch_exceptions=False)
    floats, eight = (cv2.imread(f"{name}.png", -1).astype(int) for name in ("onnx", "onnx-int8"))
    assert 0 < np.abs(floats - eight).max() < 30


def test_the_default_is_8_bits_on_cpus_that_suit_them_up_to_the_blend_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    small = np.random.default_rng(4).integers(0, 256, (16, 40), np.uint8)
    assert cv2.imwrite("small.png", small)
    assert cv2.imwrite("deep.png", small.astype(np.uint16) * 256)

    def upscale(*options: str, image: str = "small.png") -> np.ndarray:
        command = ["upscale", image, "-o", "big.png", *options]
        CliRunner().invoke(cli.app, command, catch_exceptions=False)
        return cv2.imread("big.png", cv2.IMREAD_UNCHANGED)

    any_reader = ("--for", "any")
    usual = upscale(*any_reader)
    assert np.array_equal(usual, upscale(*any_reader, "--backend", "onnx-int8"))
    assert not np.array_equal(usual, upscale(*any_reader, "--backend", "onnx"))
    deep = upscale(*any_reader, "--backend", "onnx", image="deep.png")
    assert np.array_equal(upscale(*any_reader, image="deep.png"), deep)
    eight = upscale(*any_reader, "--backend", "onnx-int8", image="deep.png")
    assert not np.array_equal(eight, deep)
    network = ("--blend", "1")
    assert np.array_equal(upscale(*network), upscale(*network, "--backend", "onnx"))


def test_progress_without_a_terminal_is_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as start:
        advance = start("lines", 40)
        for _ in range(40):
            advance(1)
    lines = capsys.readouterr().err.split("\n")
    assert "lines: 40/40" in lines
    assert len([line for line in lines if line.startswith("lines:")]) == 10


def test_judging_takes_the_params_of_the_project_or_of_the_pretrained_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = read_judging_params()
    assert outside.compute.threads == 0
    assert (
        outside.synthesis.degradation
        == Synthesis.model_validate(
            yaml.safe_load((FOLDER / "params.yaml").read_text())["synthesis"]
        ).degradation
    )
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("seed: 1 #", "seed: 77 #", 1))
    assert read_judging_params().seed == 77


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"textsr {textsr.__version__}\n"


def test_warnings_name_no_line_of_python(tmp_path: Path) -> None:
    line = np.full((60, 320), 230, np.uint8)
    cv2.putText(line, "Amount due", (4, 44), 0, 1.5, 20, 3, cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "large.png"), line)
    done = run("upscale", "large.png", "-o", "big.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (said,) = (text for text in done.stderr.splitlines() if "large" in text)
    assert said.startswith("warning: large text that is sharp already in 1 of 1 images: large.png")
    assert ".py" not in done.stderr


def test_what_is_said_of_a_name_tells_a_terminal_nothing(refusal: Callable[..., str]) -> None:
    """It may hold what turns a terminal's text red, or into another."""
    said = refusal("import", "lr", "\x1b[31mred", "--name", "red")
    assert said.startswith(r"textsr: \x1b[31mred: no such folder")
