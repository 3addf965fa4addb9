"""What the contract asks of a strategy. What there is to decide is decided in largest.py.

The package wit_world is generated from wit/planner.wit when the component is built. For an editor that completes its
names: .venv/bin/componentize-py -d wit -w planner bindings bindings
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import diagnostics
from wit_world.imports.types import Description, Failure_InvalidConfig, Layer, Proposal, Request

import largest


class Strategy(exports.Strategy):
    def describe(self) -> Description:
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Gives the largest nodes a layer each; the others share the last one",
            config_schema=largest.CONFIG_SCHEMA,
        )

    def plan(self, request: Request) -> Proposal:
        nodes = request.closure.nodes
        try:
            min_size = largest.read_min_size(request.config)
        except largest.InvalidConfig as problem:
            # An Err is an answer to the user. Any other exception is a bug, and ends the strategy with its traceback.
            raise Err(Failure_InvalidConfig(str(problem)))
        alone, together = largest.largest_first(nodes, request.max_layers, min_size)
        diagnostics.log(diagnostics.Level.INFO, f"{len(alone)} of {len(nodes)} nodes get a layer of their own")
        layers = [Layer(largest.label_of(nodes[id].lineage), [id]) for id in alone]
        if together:
            layers.append(Layer("rest", together))
        return Proposal(layers)
