"""Presets: overlays that keep the comments, and refuse what params.yaml does not know."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from textsr.config.params import load_params
from textsr.config.presets import apply_overrides, apply_preset, read_sections
from textsr.config.yaml_files import write_yaml
from textsr.errors import TextsrError

ROOT = Path(__file__).parents[3]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    return path


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def test_there_are_presets() -> None:
    assert {"tiny", "long"} <= set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_changes_what_it_names_and_nothing_else(params: Path, name: str) -> None:
    expected = yaml.safe_load(params.read_text())
    preset = (ROOT / f"presets/{name}.yaml").read_text()
    assert apply_overrides(expected, yaml.safe_load(preset)) == []  # it names models that exist
    before, known = load_params(params), comments(params.read_text())
    apply_preset(name, ROOT / "presets", params)
    assert load_params(params) != before
    assert yaml.safe_load(params.read_text()) == expected
    brought = set(comments(preset))  # with extra datasets, as they are written in the preset
    assert [each for each in comments(params.read_text()) if each not in brought] == known


def keys(changes: Mapping[str, Any]) -> Iterator[str]:
    for key, value in changes.items():
        yield key
        if isinstance(value, Mapping):
            yield from keys(value)


@pytest.mark.parametrize("name", PRESETS)
def test_only_lines_of_what_a_preset_names_change(params: Path, name: str) -> None:
    named = set(keys(yaml.safe_load((ROOT / f"presets/{name}.yaml").read_text())))
    before = params.read_text().splitlines()
    apply_preset(name, ROOT / "presets", params)
    changed = difflib.ndiff(before, params.read_text().splitlines())
    gone = [line[2:].partition(":")[0].strip() for line in changed if line.startswith("- ")]
    assert gone
    assert set(gone) <= named


def test_a_preset_of_what_is_so_already_changes_no_byte(params: Path) -> None:
    (params.parent / "same.yaml").write_text("seed: 1\nextra_datasets: {}\n")
    before = params.read_bytes()
    apply_preset("same", params.parent, params)
    assert params.read_bytes() == before


def test_a_blank_line_still_stands_between_sections(params: Path) -> None:
    apply_preset("growing", ROOT / "presets", params)
    lines = params.read_text().splitlines()
    place = lines.index("validation:")
    assert lines[place - 1] == ""
    assert lines[place - 2].strip().startswith("dithering: { probability: 0.01 }")
    place = next(n for n, line in enumerate(lines) if line.startswith("extra_datasets:"))
    assert lines[place + 1] == "  tall: { lr_height: 20, samples: { train: 30000 } }"


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ("{} # x", "{ tall: { lr_height: 20 } }", "{ tall: { lr_height: 20 } } # x"),
        ("{} # x", "\n  tall: { lr_height: 20 } # t", "    # x\n  tall: { lr_height: 20 } # t"),
        ("\n  tall:\n    lr_height: 20 # t", "{}", "{}"),
        ("\n  tall:\n    height: [\n      1]", "\n  wide:\n    a: 1", "\n  wide:\n    a: 1"),
        ("# x\n  tall:\n    heights:\n      - 1\n      - 2 # t", "{ a: 1 }", "{ a: 1 } # x"),
    ],
)
def test_comments_of_what_follows_stay(
    tmp_path: Path, before: str, change: str, after: str
) -> None:
    follows = "\n\n# of what\n# follows\nvalidation: # v\n  seed: 2\n"
    path = tmp_path / "params.yaml"
    path.write_text(f"# of these\nextra_datasets: {before}{follows}")
    (tmp_path / "preset.yaml").write_text(f"extra_datasets: {change}\n\n# brought\nseed: 3\n")
    params = read_sections(path, keep_comments=True)
    apply_overrides(params, read_sections(tmp_path / "preset.yaml", keep_comments=True))
    write_yaml(params, path)
    assert (
        path.read_text().split() == f"# of these\nextra_datasets: {after}{follows}seed: 3".split()
    )
    assert f"{follows}seed: 3\n" in path.read_text()


def test_a_key_more_stands_before_the_comment_of_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("models:\n  a: { steps: 1 } # a\n\n# of seed\nseed: 1\n")
    params = read_sections(path, keep_comments=True)
    (tmp_path / "preset.yaml").write_text("models:\n  b:\n    start: fresh\n")
    apply_overrides(params, read_sections(tmp_path / "preset.yaml", keep_comments=True))
    write_yaml(params, path)
    assert path.read_text() == (
        "models:\n  a: { steps: 1 } # a\n  b:\n    start: fresh\n\n# of seed\nseed: 1\n"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_preset_applied_twice_is_applied_once(params: Path, name: str) -> None:
    apply_preset(name, ROOT / "presets", params)
    once = params.read_bytes()
    apply_preset(name, ROOT / "presets", params)
    assert params.read_bytes() == once


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("training: { stps: 3 }\n", r"training\.stps: unknown key"),
        ("training: { pretrained: { steps: 1 } }\n", r"is called models\.pretrained now"),
        ("models: { pretrained: { stps: 3 } }\n", r"models\.pretrained\.stps: unknown key"),
        ("models: { mine: { start: nowhere } }\n", r"models\.mine\.start: Input should be"),
        ("models: { mine: 3 }\n", r"models\.mine: Input should be"),
        ("modles: { pretrained: { steps: 3 } }\n", r"modles: unknown key"),
        ("training: { steps: 0 }\n", r"training\.steps"),
        ("training: 3\n", "training: Input should be"),
        ("seed: { train: 1 }\n", "seed: Input should be"),
        ("training: [1\n", "not valid YAML"),
        ("seed: 1\nseed: 2\n", 'duplicate key "seed"'),
        ("- seed\n", "expected a mapping"),
        ("", "expected a mapping"),
    ],
)
def test_bad_preset_is_named_and_leaves_params_alone(
    params: Path, preset: str, message: str
) -> None:
    (params.parent / "bad.yaml").write_text(preset)
    before = params.read_bytes()
    with pytest.raises(TextsrError, match=rf"(?s)bad\.yaml.*{message}"):
        apply_preset("bad", params.parent, params)
    assert params.read_bytes() == before
    assert {path.name for path in params.parent.iterdir()} == {"bad.yaml", "params.yaml"}


@pytest.mark.parametrize("content", [None, b"", b"- a\n", b"a: [1\n", b"a: \xff\n"])
def test_bad_params_are_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(TextsrError, match=r"^.*params\.yaml: "):
        apply_preset("tiny", ROOT / "presets", tmp_path / "params.yaml")


def test_unknown_preset_lists_the_known_ones(params: Path) -> None:
    with pytest.raises(TextsrError, match=r"huge\.yaml.*long, release, tiny"):
        apply_preset("huge", ROOT / "presets", params)


def test_extra_datasets_and_their_mixture_are_replaced_whole(params: Path) -> None:
    gone = []
    for name, height in (("first", 20), ("second", 24)):
        (params.parent / f"{name}.yaml").write_text(
            f"extra_datasets: {{ {name}: {{ lr_height: {height} }} }}\n"
            f"training: {{ mixture: {{ dataset: 2, {name}: 1 }} }}\n"
        )
        gone.append(apply_preset(name, params.parent, params))
    assert gone == [[], ["its extra datasets replace first"]]
    changed = load_params(params)
    assert changed.extra_datasets == {"second": {"lr_height": 24}}
    assert changed.training.mixture == {"dataset": 2, "second": 1}


@pytest.mark.parametrize("name", PRESETS)
def test_what_a_preset_says_of_a_model_that_was_renamed_is_left_out(
    params: Path, name: str
) -> None:
    text = params.read_text().replace("\n  srcnn_transposed:", "\n  plain:")
    params.write_text(text.replace("\n  pretrained:", "\n  ours:"))
    before = load_params(params).models
    absent = [each for each in ("pretrained", "srcnn_transposed") if each in changed_models(name)]
    (said,) = apply_preset(name, ROOT / "presets", params)
    assert said == f"no model is called {', '.join(absent)}: left out"
    assert load_params(params).models == before


def changed_models(preset: str) -> set[str]:
    return set(yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text())["models"])


def test_a_preset_may_bring_a_whole_model(params: Path) -> None:
    whole = "{ start: artifacts/validation/result.json, architecture: upsampler, width: 96 }"
    (params.parent / "more.yaml").write_text(f"models: {{ wide: {whole}, tiny: {{ steps: 3 }} }}\n")
    said = apply_preset("more", params.parent, params)
    assert said == ["no model is called tiny: left out"]
    models = load_params(params).models
    assert (list(models)[-1], models["wide"].width) == ("wide", 96)


@pytest.mark.parametrize("name", ["mixture", "extra_datasets", "training"])
def test_a_model_may_be_called_as_what_is_replaced_whole(params: Path, name: str) -> None:
    text = params.read_text().replace("\n  scratch: {", f"\n  {name}: {{")
    params.write_text(text)
    (params.parent / "short.yaml").write_text(f"models: {{ {name}: {{ steps: 7 }} }}\n")
    apply_preset("short", params.parent, params)
    model = load_params(params).models[name]
    assert (model.steps, model.architecture) == (7, "upsampler")


def test_a_preset_may_set_what_a_model_leaves_to_training(params: Path) -> None:
    (params.parent / "wide.yaml").write_text("models: { scratch: { width: 96 } }\n")
    apply_preset("wide", params.parent, params)
    models = load_params(params).models
    assert (models["scratch"].width, models["simclr"].width) == (96, None)
    assert list(models) == list(load_params(ROOT / "params.yaml").models)
