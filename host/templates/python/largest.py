"""Largest first: the largest nodes of a closure get a layer each, everything else shares the last one.

A large node that did not change is then not pulled again because something small beside it did. Nothing here knows of
WebAssembly, so that tests run with any Python.
"""

import json
from typing import Any, Sequence

CONFIG_SCHEMA = """{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "min-size": {
      "description": "Nodes of fewer bytes never get a layer of their own",
      "type": "integer",
      "minimum": 0,
      "default": 1048576
    }
  }
}"""

# The contract allows no more in a label.
MAX_LABEL_BYTES = 200


class InvalidConfig(Exception):
    """The settings are wrong; the text names the one that is."""


def read_min_size(config: str) -> int:
    """Returns the one setting, in bytes."""
    settings = json.loads(config)
    if not isinstance(settings, dict):
        raise InvalidConfig("the settings must be a JSON object")
    min_size = settings.pop("min-size", 1024 * 1024)
    for unknown in settings:
        raise InvalidConfig(f"unknown setting `{unknown}`; there is only `min-size`")
    # To Python, True is an integer.
    if type(min_size) is not int or min_size < 0:
        raise InvalidConfig("`min-size` must be an integer of at least 0")
    return min_size


def largest_first(nodes: Sequence[Any], max_layers: int, min_size: int) -> tuple[list[int], list[int]]:
    """Returns the positions of nodes that get a layer each, largest first, and of those that share the last one."""
    candidates = [id for id, node in enumerate(nodes) if node.size >= min_size]
    # Nodes ascend by name and the sort is stable, so names decide ties.
    candidates.sort(key=lambda id: nodes[id].size, reverse=True)
    # Unless every node has a layer of its own, the last layer is for those that have none.
    everything_fits = len(candidates) == len(nodes) <= max_layers
    alone = candidates if everything_fits else candidates[: max_layers - 1]
    taken = set(alone)
    return alone, [id for id in range(len(nodes)) if id not in taken]


def label_of(lineage: str) -> str:
    """Cuts a lineage to the length of a label, between two characters."""
    return lineage.encode()[:MAX_LABEL_BYTES].decode(errors="ignore")
