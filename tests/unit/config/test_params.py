"""params.yaml: what is valid, and what is refused by name."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsr.config.effects import CameraPass, Degradation, Render
from textsr.config.params import RENAMED, Params, load_params, parse_params
from textsr.config.sections import effect_fields, interval_columns
from textsr.errors import TextsrError

ROOT = Path(__file__).parents[3]
PROBABILITIES = (
    "synthesis.text.uppercase",
    "synthesis.render.inverted",
    "synthesis.render.dot_matrix.probability",
    "synthesis.degradation.first.jpeg.probability",
    "validation.min_legibility",
    "validation.min_kind_share",
    "pretraining.warmup_fraction",
    "pretraining.byol.base_momentum",
    "training.warmup_fraction",
    "training.imported_fraction",
)
INTERVALS = tuple(
    key
    for name, section in (
        ("render", Render),
        ("degradation", Degradation),
        ("degradation.first", CameraPass),
        ("degradation.second", CameraPass),
    )
    for key in (
        *(
            f"synthesis.{name}.{field}"
            for field, info in section.model_fields.items()
            if info.annotation == tuple[float, float]
        ),
        *(
            f"synthesis.{name}.{effect}.{interval}"
            for effect, kind in effect_fields(section)
            for interval in interval_columns(kind, effect).values()
        ),
    )
)


def with_value(raw: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(raw)
    *sections, last = key.split(".")
    target = changed
    for section in sections:
        target = target[section]
    target[last] = value
    return changed


def test_committed_params_are_valid() -> None:
    assert load_params(ROOT / "params.yaml").synthesis.scale == 4


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_renamed_key_is_refused_with_its_new_name(raw_params: dict, old: str, new: str) -> None:
    raw = copy.deepcopy(raw_params)
    *sections, key = old.split(".")
    place = raw
    for section in sections:
        place = place.setdefault(section, {})
    place[key] = 1
    with pytest.raises(
        TextsrError, match=rf"(?m)^x: {re.escape(old)}: is called {re.escape(new)} now"
    ):
        parse_params(raw, "x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("synthesis.scale", 3),
        ("synthesis.samples.train", 0),
        ("synthesis.lr_height", 15),
        ("synthesis.fonts.test_families", ["manrope"]),
        ("synthesis.fonts.val_families", []),
        ("synthesis.text.kinds", {"poem": 1}),
        ("synthesis.text.kinds", {"custom": 1}),
        ("synthesis.render.contrast_levels", [40, 300]),
        ("synthesis.render.inverted", 1.5),
        ("synthesis.degradation.first.jpeg", {"probability": 0.5}),
        ("synthesis.degradation.kernels", {"area": 1}),
        ("synthesis.degradation.first.kernels", {"sinc": 1}),
        ("synthesis.degradation.first.jpeg.quality", [0, 95]),
        ("synthesis.degradation.first_size", [0.01, 1.0]),
        ("pretraining.encoder", "vit"),
        ("pretraining.batch_size", 1),
        ("training.learning_rate", 0),
        ("training.ema_decay", 1.0),
        ("training.max_shift_px", 9),
        ("training.ctc_loss_weight", -0.1),
        ("training.gradient_clip", 0),
        ("compute.precision", "fp8"),
        ("compute.parts", ["2-of-2", "1-of-2"]),
        ("compute.parts", ["1-of-2"]),
        ("evaluation.blend_weights", []),
        ("evaluation.blend_weights", [1.2]),
        ("registration.model_name", "a/b"),
        ("registration.gate.min_engines_better", 0),
    ],
)
def test_impossible_value_is_refused_by_its_key(
    raw_params: dict[str, Any], key: str, value: Any
) -> None:
    section = ".".join(key.split(".")[:2])
    with pytest.raises(TextsrError, match=rf"params\.yaml: {section}") as caught:
        parse_params(with_value(raw_params, key, value))
    assert key.rsplit(".", 1)[-1] in str(caught.value)
    assert str(caught.value).count("params.yaml: ") == 1, "only what is wrong is named"


@given(key=st.sampled_from(PROBABILITIES), value=st.floats(allow_nan=True))
def test_probability_lies_between_0_and_1(
    raw_params: dict[str, Any], key: str, value: float
) -> None:
    changed = with_value(raw_params, key, value)
    if 0 <= value <= 1:
        parse_params(changed)
        return
    with pytest.raises(TextsrError, match=rf"{key}: "):
        parse_params(changed)


@given(
    key=st.sampled_from(INTERVALS),
    ends=st.tuples(st.floats(0, 300), st.floats(0, 300)).filter(lambda ends: ends[0] > ends[1]),
)
def test_inverted_interval_is_refused(
    raw_params: dict[str, Any], key: str, ends: tuple[float, float]
) -> None:
    with pytest.raises(TextsrError, match=rf"{key}: the lower end .* is above the upper end"):
        parse_params(with_value(raw_params, key, list(ends)))


@pytest.mark.parametrize("key", INTERVALS)
def test_every_interval_has_bounds_that_are_stated(raw_params: dict[str, Any], key: str) -> None:
    with pytest.raises(TextsrError, match=rf"{key}: must lie within"):
        parse_params(with_value(raw_params, key, [-999.0, 999.0]))


def test_a_pass_needs_a_kernel(raw_params: dict[str, Any]) -> None:
    key = "synthesis.degradation.first.kernels"
    with pytest.raises(TextsrError, match=r"degradation\.first: kernels: at least one"):
        parse_params(with_value(raw_params, key, {"area": 0}))


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize(
    "key",
    [
        "synthesis.text.kinds.words",
        "synthesis.render.rotation.degrees",
        "training.learning_rate",
        "training.weight_decay",
        "registration.gate.min_psnr_gain_db",
        "registration.gate.max_ms_per_line",
    ],
)
def test_numbers_must_be_finite(raw_params: dict[str, Any], key: str, value: float) -> None:
    given_value = [-1.0, value] if key.endswith("degrees") else value
    with pytest.raises(TextsrError, match=key):
        parse_params(with_value(raw_params, key, given_value))


def test_unknown_key_is_refused_by_name(raw_params: dict[str, Any]) -> None:
    with pytest.raises(TextsrError, match=r"training\.momentum: unknown key"):
        parse_params(with_value(raw_params, "training.momentum", 0.9))


def test_missing_key_is_named(raw_params: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw_params)
    del changed["synthesis"]["degradation"]["first"]["noise"]
    with pytest.raises(TextsrError, match=r"synthesis\.degradation\.first\.noise: missing"):
        parse_params(changed)


@pytest.mark.parametrize("section", list(Params.model_fields))
def test_missing_section_is_named(raw_params: dict[str, Any], section: str) -> None:
    changed = {key: value for key, value in raw_params.items() if key != section}
    with pytest.raises(TextsrError, match=rf"params\.yaml: {section}: missing"):
        parse_params(changed)


def test_family_held_out_twice_is_named(raw_params: dict[str, Any]) -> None:
    key = "synthesis.fonts.test_families"
    with pytest.raises(TextsrError, match="manrope named in val_families and in test_families"):
        parse_params(with_value(raw_params, key, ["lato", "manrope"]))


def test_validated_params_cannot_be_changed(raw_params: dict[str, Any]) -> None:
    params = parse_params(raw_params)
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 2  # type: ignore[misc]


def test_every_problem_is_listed_at_once(raw_params: dict[str, Any]) -> None:
    changed = with_value(with_value(raw_params, "seed", -1), "training.steps", 0)
    with pytest.raises(TextsrError) as caught:
        parse_params(changed)
    assert "seed" in str(caught.value)
    assert "training.steps" in str(caught.value)


@pytest.mark.parametrize("content", [b"- a\n- b\n", b"", b"a: [1\n", b"seed: \xff\n"])
def test_file_that_is_no_mapping_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(TextsrError, match=r"params\.yaml"):
        load_params(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="no such file"):
        load_params(tmp_path / "params.yaml")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text() + "seed: 2\n")
    with pytest.raises(
        TextsrError, match=r'(?s)params\.yaml: not valid YAML: .*duplicate key "seed"'
    ):
        load_params(path)


def with_extra_datasets(
    raw: dict[str, Any], extra_datasets: dict[str, Any], mixture: dict[str, int] | None
) -> dict[str, Any]:
    return with_value(
        with_value(raw, "extra_datasets", extra_datasets), "training.mixture", mixture or {}
    )


def test_a_extra_dataset_is_the_dataset_but_for_what_it_changes(raw_params: dict[str, Any]) -> None:
    changes = {
        "samples": {"train": 7},
        "text": {"kinds": {"words": 99}, "uppercase": 1},
        "render": {"tracking": {"probability": 1.0}},
        "degradation": {name: {"kernels": {"area": 1}} for name in ("first", "scan", "second")},
    }
    mixture = {"dataset": 1, "signs": 1, "more": 1}
    params = parse_params(with_extra_datasets(raw_params, {"signs": changes, "more": {}}, mixture))
    base, signs, more = (
        params.synthesis,
        params.extra_dataset("signs").synthesis,
        params.extra_dataset("more"),
    )
    assert len({base.seed, signs.seed, more.synthesis.seed}) == 3
    expected = copy.deepcopy(raw_params["synthesis"]) | {"seed": signs.seed}
    expected["samples"]["train"] = 7
    expected["text"] |= {"kinds": {"words": 99}, "uppercase": 1}  # no other kind is drawn
    expected["render"]["tracking"]["probability"] = 1.0
    for name in ("first", "scan", "second"):
        expected["degradation"][name]["kernels"] = {"area": 1}  # likewise
    assert signs == type(base).model_validate(expected)
    assert more.synthesis.model_copy(update={"seed": base.seed}) == base
    assert more.model_copy(update={"synthesis": base}) == params


def test_text_grows_with_the_height_of_a_extra_datasets_lines(raw_params: dict[str, Any]) -> None:
    imported = {"lr_height": 24, "render": {"margin_px": [1, 2]}, "seed": 5}
    extra_datasets = {"tall": {"lr_height": 24}, "imported": imported}
    mixture = {"dataset": 1, "tall": 1, "imported": 1}
    params = parse_params(with_extra_datasets(raw_params, extra_datasets, mixture))
    base, tall, own_tall = (
        params.synthesis,
        params.extra_dataset("tall").synthesis,
        params.extra_dataset("imported").synthesis,
    )
    for name in ("font_height_px", "margin_px"):
        was, grown = getattr(base.render, name), getattr(tall.render, name)
        assert grown == pytest.approx([end * 24 / base.lr_height for end in was])
    assert tall.max_lr_width == base.max_lr_width * 24 / base.lr_height
    assert tall.degradation == base.degradation
    assert own_tall.render.font_height_px == tall.render.font_height_px
    assert (own_tall.render.margin_px, own_tall.seed) == ((1, 2), 5)


@pytest.mark.parametrize(
    ("extra_datasets", "mixture", "message"),
    [
        ({"tall": {"lr_hight": 24}}, {}, r"extra_datasets\.tall\.lr_hight: unknown key"),
        ({"tall": {"lr_height": 15}}, {}, r"extra_datasets\.tall\.lr_height: .*\(found 15\)"),
        ({"tall": {"lr_height": None}}, {}, r"extra_datasets\.tall\.lr_height"),
        ({"a": {"text": {"kinds": 3}}}, {}, r"extra_datasets\.a\.text\.kinds"),
        ({"a": {"render": {"inverted": 2}}}, {}, r"extra_datasets\.a\.render\.inverted"),
        (
            {"a": {"scale": 2}},
            {},
            r"extra_datasets\.a\.scale: all datasets share synthesis\.scale; remove it$",
        ),
        (
            {"a": {"fonts": {}}},
            {},
            r"extra_datasets\.a\.fonts: all datasets share synthesis\.fonts",
        ),
        ({"dataset": {}}, {}, r"extra_datasets\.dataset: .*; rename it$"),
        ({"../x": {}}, {}, r"extra_datasets\.\.\./x"),
        ({"a": 3}, {}, r"extra_datasets\.a: "),
        (
            {"a": {}},
            {"dataset": 1, "a": 1, "b": 1},
            r"training\.mixture\.b: no such dataset; choose of a, dataset$",
        ),
        ({"a": {}}, {"a": 3}, r"training\.mixture: no turns for dataset; .*\{ a: 3, dataset: 1 \}"),
        ({"a": {}}, {"dataset": 1}, r"training\.mixture: no turns for a; "),
        ({"a": {}}, None, r"training\.mixture: no turns for a, dataset; "),
        ({}, {"dataset": 1, "a": 1}, r"training\.mixture\.a: no such dataset"),
        ({"a": {}}, {"dataset": 1, "a": 0}, r"training\.mixture\.a: "),
    ],
)
def test_impossible_extra_dataset_is_named(
    raw_params: dict[str, Any],
    extra_datasets: dict[str, Any],
    mixture: dict[str, int] | None,
    message: str,
) -> None:
    if mixture == {}:
        mixture = {"dataset": 1} | dict.fromkeys(extra_datasets, 1)
    with pytest.raises(TextsrError, match=rf"^params\.yaml: {message}"):
        parse_params(with_extra_datasets(raw_params, extra_datasets, mixture))


def test_the_order_of_a_mixture_does_not_matter(raw_params: dict[str, Any]) -> None:
    ways = ({"dataset": 2, "b": 1, "a": 3}, {"a": 3, "b": 1, "dataset": 2})
    one, other = (
        parse_params(
            with_extra_datasets(raw_params, {"a": {}, "b": {}}, way)
        ).training.model_dump_json()
        for way in ways
    )
    assert one == other
