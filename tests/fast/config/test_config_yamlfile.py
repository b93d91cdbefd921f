"""YAML files: what plain words mean, positions, and what is refused where."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from osa_luigi.config.problems import Position
from osa_luigi.config.yamlfile import MAX_BYTES, load_yaml
from osa_luigi.errors import ConfigurationError


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "a.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def complaints(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_yaml(path)
    return [line.replace(f"{path.parent}/", "") for line in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("-3", -3),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-11-15", "2024-11-15"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        (".inf", math.inf),
        ('"52"', "52"),
        ("'true'", "true"),
        ("[1, a, null]", [1, "a", None]),
        ("{b: 1}", {"b": 1}),
        ("|\n  x\n  y\n", "x\ny\n"),
        ("<<", "<<"),
    ],
)
def test_a_value_means_what_yaml_1_2_says(tmp_path: Path, text: str, value: object) -> None:
    assert load_yaml(written(tmp_path, f"a: {text}\n")).value == {"a": value}


def test_nan_is_read(tmp_path: Path) -> None:
    assert math.isnan(load_yaml(written(tmp_path, "a: .nan\n")).value["a"])


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, b"\xef\xbb\xbfa: 1\n")).value == {"a": 1}


def test_positions_of_keys_and_values(tmp_path: Path) -> None:
    path = written(tmp_path, "a:\n  b: 1\n  c: [x, y]\n")
    document = load_yaml(path)
    assert document.where_name(("a", "b")) == Position(path, 2, 3)
    assert document.where(("a", "b")) == Position(path, 2, 6)
    assert document.where(("a", "c", 1)) == Position(path, 3, 10)
    assert document.where(("a", "absent")) == Position(path, 1, 1)
    assert document.where(("absent",)) == Position(path, 1, 1)


def test_a_part_keeps_positions_and_full_names(tmp_path: Path) -> None:
    path = written(tmp_path, "list:\n- a: 1\n- b: 2\n")
    part = load_yaml(path).part(("list", 1))
    assert part.value == {"b": 2}
    assert part.where(("b",)) == Position(path, 3, 6)
    assert part.dotted(("b",)) == "list[1].b"
    assert part.has(("b",))
    assert not part.has(("a",))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "a.yaml:1:1: the file is empty"),
        ("# only a comment\n", "a.yaml:1:1: the file is empty"),
        ("---\n", "a.yaml:1:1: the file is empty"),
        (
            "- a\n- b\n",
            "a.yaml:1:1: 'key: value' lines are expected at the top of the file, not a list (put `procedures:` above it)",
        ),
        ("word\n", "a.yaml:1:1: 'key: value' lines are expected at the top of the file, not a single value"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: a: the key is there twice (first in line 1)"),
        ("x:\n  a: 1\n  a: 1\n", "a.yaml:3:3: x.a: the key is there twice (first in line 2)"),
        ("a:\n\tb: 1\n", "a.yaml:2:1: a tab, which YAML does not allow here (indent with spaces)"),
        ("a: *b\n", "a.yaml:1:4: a: anchors and aliases (&, *) are not supported (write it out)"),
        ("a: &b 1\n", "a.yaml:1:4: a: anchors and aliases (&, *) are not supported (write it out)"),
        ("a: !!int 1\n", "a.yaml:1:4: a: tags (!) are not supported: tag:yaml.org,2002:int"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1: a second document ('---'): a file holds one"),
        ("? [a]\n: 1\n", "a.yaml:1:3: a key must be a plain word"),
        ("%YAML 1.1\n---\na: no\n", "a.yaml:2:1: a %YAML directive: files are read as YAML 1.2"),
        (b"a: 1\nb: \xff\n", "a.yaml:2:4: is not UTF-8 text (save the file as UTF-8)"),
        ("a: \x07\n", "a.yaml:1:4: a control character, which YAML does not allow"),
    ],
)
def test_what_is_refused_is_named_with_its_place(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in complaints(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "place"),
    [("a: [1, 2\nb: 3\n", "a.yaml:2:2: "), ("a: b: c\n", "a.yaml:1:5: "), ('a: "x\n', "a.yaml:2:1: ")],
)
def test_a_syntax_error_has_its_place(tmp_path: Path, content: str, place: str) -> None:
    (line,) = complaints(written(tmp_path, content))
    assert line.startswith(f"{place}not valid YAML: ")


def test_several_mistakes_of_one_file_are_reported_together(tmp_path: Path) -> None:
    assert len(complaints(written(tmp_path, "a: 1\na: &x 2\nb: !t 3\n"))) == 3


def test_an_escape_that_the_parser_chokes_on(tmp_path: Path) -> None:
    assert "YAML" in complaints(written(tmp_path, 'a: "\\UFFFFFFFF"\n'))[0]


def test_too_deep(tmp_path: Path) -> None:
    assert "nested more than 40 levels deep" in complaints(written(tmp_path, "a: " + "[" * 5000))[0]


def test_a_number_too_long_for_python(tmp_path: Path) -> None:
    assert "a.yaml:1:4: a: not a usable number" in complaints(written(tmp_path, "a: " + "9" * 5000))[0]


def test_too_large(tmp_path: Path) -> None:
    assert "is no configuration file" in complaints(written(tmp_path, b"#" * (MAX_BYTES + 1)))[0]


def test_missing_file(tmp_path: Path) -> None:
    assert complaints(tmp_path / "a.yaml") == ["a.yaml: no such file"]


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    assert complaints(tmp_path / "a.yaml") == ["a.yaml: is a directory, a file is expected"]


def test_a_file_in_a_file(tmp_path: Path) -> None:
    written(tmp_path, "a: 1")
    assert complaints(tmp_path / "a.yaml" / "b.yaml") == ["b.yaml: cannot be read: Not a directory"]
