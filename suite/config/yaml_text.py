"""YAML as people write it: each key once, no more of it than a grid can mean."""

from pathlib import Path
from typing import Any

import yaml

from suite.errors import SettingsError

# A grid has some hundred values; anchors that name one another multiply them without end.
MOST_VALUES = 100_000
MOST_BYTES = 1_000_000


class _TwiceError(Exception):
    """A key that stands twice in one mapping."""


class _Loader(yaml.SafeLoader):
    """The safe loader, for which a key that stands twice in a mapping is an error with both lines."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[Any, int] = {}
        for key_node, _ in node.value:
            # What a merge key (<<) brings in is meant to be overridden.
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(key_node, yaml.ScalarNode):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in first:
                raise _TwiceError(f"the key '{key_node.value}' stands in line {first[key_node.value]} and in line {line}; keep one")
            first[key_node.value] = line
        return super().construct_mapping(node, deep)


def load_yaml(text: str, where: str) -> Any:
    """Return what a YAML text says.

    Args:
        text: the text.
        where: what it is, for messages: a file's name or an assignment.

    Raises:
        SettingsError: it is not YAML, a key stands twice, or it holds more than a grid can mean.

    Example:
        >>> load_yaml("snr_db: [1, 10]", "grid.yaml")
        {'snr_db': [1, 10]}
    """
    if len(text) > MOST_BYTES:
        raise SettingsError(f"{where} is {len(text):,} characters long; a grid has some thousand")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if (values := _values(node, {})) > MOST_VALUES:
            raise SettingsError(f"{where} means {values:,} values by the anchors in it; write out what is meant")
        return loader.construct_document(node)
    except RecursionError:
        raise SettingsError(f"{where} is nested too deeply; a grid has few levels") from None
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"{where} is not readable YAML: {' '.join(str(error).split())}") from error
    except _TwiceError as error:
        raise SettingsError(f"{where}: {error}") from None


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says; errors as in :func:`load_yaml`."""
    try:
        if path.is_file() and path.stat().st_size <= MOST_BYTES:
            return load_yaml(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not readable YAML: it is not UTF-8 ({error.reason} at byte {error.start})") from error
    raise SettingsError(f"{path} is no file of a grid: it is no plain file, or longer than {MOST_BYTES:,} bytes")


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many values a node means once every anchor is written out."""
    if id(node) not in known:
        # An anchor within itself has no end.
        known[id(node)] = MOST_VALUES + 1
        inner = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else []
        inner += node.value if isinstance(node, yaml.SequenceNode) else []
        known[id(node)] = 1 + sum(_values(each, known) for each in inner)
    return known[id(node)]
