"""Random streams keep their numbers: results of before can be made again."""

import ast
from pathlib import Path

import numpy as np
import pytest

import textsr
from textsr.config.streams import Stream


@pytest.mark.parametrize("stream", Stream)
def test_a_stream_is_seeded_by_its_number(stream: Stream) -> None:
    expected = np.random.default_rng([3, stream.value, 7, 5]).random(9)
    assert np.array_equal(stream.generator(3, 7, 5).random(9), expected)


def test_streams_and_counters_are_told_apart() -> None:
    generators = [stream.generator(1, step) for stream in Stream for step in range(1, 9)]
    assert len({generator.integers(2**62) for generator in generators}) == len(generators)


def test_no_number_of_a_stream_stands_bare_in_the_code() -> None:
    bare = []
    for path in Path(textsr.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                [seeds] = node.args
                parts = seeds.elts if isinstance(seeds, ast.List) else []
                if any(isinstance(part, ast.Constant) for part in parts):
                    bare.append(f"{path}:{node.lineno}")
    assert not bare
