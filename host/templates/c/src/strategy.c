// Largest first: the largest nodes of a closure get a layer each, everything else shares the last one.
//
// A large node that did not change is then not pulled again because something small beside it did. This file is what
// the contract asks for, in its types; what there is to decide is decided in largest.c.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "largest.h"
#include "planner.h"
#include "settings.h"

typedef layerwright_planner_types_layer_t layer_t;

void exports_layerwright_planner_strategy_describe(exports_layerwright_planner_strategy_description_t *description) {
    // What is returned is freed afterwards, so these are copies.
    planner_string_dup(&description->name, "{{name}}");
    planner_string_dup(&description->version, "0.1.0");
    planner_string_dup(&description->summary, "Gives the largest nodes a layer each; the others share the last one");
    planner_string_dup(&description->config_schema, SETTINGS_SCHEMA);
}

// Says something to whoever runs layerwright with --verbose.
static void say(const char *format, ...) {
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    planner_string_t message;
    planner_string_set(&message, text);
    layerwright_planner_diagnostics_log(LAYERWRIGHT_PLANNER_DIAGNOSTICS_LEVEL_INFO, &message);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count + 1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static layer_t layer(const char *label, size_t label_bytes, const node_id_t *members, size_t count) {
    layer_t layer = {.members = {.ptr = allocate(count, sizeof *members), .len = count}};
    planner_string_dup_n(&layer.label, label, label_bytes);
    for (size_t at = 0; at < count; at++) {
        layer.members.ptr[at] = members[at];
    }
    return layer;
}

// Returns whether there is a proposal; otherwise there is a failure. The request is not freed: each call is made on an
// instance of its own, whose memory ends with it.
bool exports_layerwright_planner_strategy_plan(exports_layerwright_planner_strategy_request_t *request,
                                               exports_layerwright_planner_strategy_proposal_t *proposal,
                                               exports_layerwright_planner_strategy_failure_t *failure) {
    settings_t settings;
    char problem[200];
    if (!read_settings((const char *)request->config.ptr, request->config.len, &settings, problem, sizeof problem)) {
        failure->tag = LAYERWRIGHT_PLANNER_TYPES_FAILURE_INVALID_CONFIG;
        planner_string_dup(&failure->val.invalid_config, problem);
        return false;
    }

    const node_list_t *nodes = &request->closure.nodes;
    node_id_t *order = allocate(nodes->len, sizeof *order);
    size_t alone = largest_first(nodes, request->max_layers, settings.min_size, order);
    size_t together = nodes->len - alone;
    say("%zu of %zu nodes get a layer of their own", alone, nodes->len);

    proposal->layers.len = alone + (together > 0);
    proposal->layers.ptr = allocate(proposal->layers.len, sizeof(layer_t));
    for (size_t at = 0; at < alone; at++) {
        string_t lineage = nodes->ptr[order[at]].lineage;
        proposal->layers.ptr[at] = layer((const char *)lineage.ptr, label_length(lineage), &order[at], 1);
    }
    if (together > 0) {
        proposal->layers.ptr[alone] = layer("rest", strlen("rest"), &order[alone], together);
    }
    free(order);
    return true;
}
