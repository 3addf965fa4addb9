// What the contract asks of a strategy. What there is to decide is decided in largest.js.

import { log } from "layerwright:planner/diagnostics@0.1.0";

import { CONFIG_SCHEMA, InvalidConfig, labelOf, largestFirst, readMinSize } from "./largest.js";

/** An object with `tag` and `val` is an answer to the user. Any other exception is a bug, and ends the strategy. */
function minSizeOf(config) {
  try {
    return readMinSize(config);
  } catch (problem) {
    throw problem instanceof InvalidConfig ? { tag: "invalid-config", val: problem.message } : problem;
  }
}

export const strategy = {
  describe() {
    return {
      name: "{{name}}",
      version: "0.1.0",
      summary: "Gives the largest nodes a layer each; the others share the last one",
      configSchema: JSON.stringify(CONFIG_SCHEMA),
    };
  },

  plan({ closure: { nodes }, maxLayers, config }) {
    const minSize = minSizeOf(config);
    const { alone, together } = largestFirst(nodes, maxLayers, minSize);
    log("info", `${alone.length} of ${nodes.length} nodes get a layer of their own`);
    const layers = alone.map((id) => ({ label: labelOf(nodes[id].lineage), members: [id] }));
    if (together.length > 0) {
      layers.push({ label: "rest", members: together });
    }
    return { layers };
  },
};
