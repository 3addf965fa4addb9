// Which nodes are large enough, and few enough, to get a layer each. Knows nothing of WebAssembly, so that test/ can
// run it natively; planner.h is generated from wit/planner.wit and holds the contract's types.
#ifndef LARGEST_H
#define LARGEST_H

#include "planner.h"

// The generated names carry the package and the interface; these are the ones that this strategy works with.
typedef planner_string_t string_t;
typedef layerwright_planner_types_node_t node_t;
typedef layerwright_planner_types_node_id_t node_id_t;
typedef layerwright_planner_types_list_node_t node_list_t;

// Writes all positions of `nodes` to `order`, which has room for them, and returns how many of the first get a layer
// of their own: the largest first, ties by name. The others follow, ascending, and share a layer.
size_t largest_first(const node_list_t *nodes, uint32_t max_layers, uint64_t min_size, node_id_t *order);

// How many bytes of a text make a label: at most 200, and no character is cut in two.
size_t label_length(string_t text);

#endif
