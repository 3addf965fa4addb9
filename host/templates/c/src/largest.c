#include "largest.h"

#include <stdlib.h>
#include <string.h>

// The contract allows no more.
enum { MAX_LABEL_BYTES = 200 };

// What qsort compares.
typedef struct {
    uint64_t size;
    node_id_t id;
} candidate_t;

static int by_size_then_name(const void *left, const void *right) {
    const candidate_t *a = left, *b = right;
    if (a->size != b->size) {
        return a->size > b->size ? -1 : 1;
    }
    // Nodes ascend by name, so positions decide ties as names would.
    return a->id < b->id ? -1 : a->id > b->id;
}

size_t largest_first(const node_list_t *nodes, uint32_t max_layers, uint64_t min_size, node_id_t *order) {
    candidate_t *candidates = malloc((nodes->len + 1) * sizeof *candidates);
    bool *is_alone = calloc(nodes->len + 1, sizeof *is_alone);
    if (candidates == NULL || is_alone == NULL) {
        abort();
    }
    size_t alone = 0;
    for (size_t id = 0; id < nodes->len; id++) {
        if (nodes->ptr[id].size >= min_size) {
            candidates[alone++] = (candidate_t){.size = nodes->ptr[id].size, .id = (node_id_t)id};
        }
    }
    qsort(candidates, alone, sizeof *candidates, by_size_then_name);

    // Unless every node has a layer of its own, the last layer is for those that have none.
    bool everything_fits = alone == nodes->len && alone <= max_layers;
    if (!everything_fits && alone > max_layers - 1) {
        alone = max_layers - 1;
    }
    for (size_t at = 0; at < alone; at++) {
        order[at] = candidates[at].id;
        is_alone[candidates[at].id] = true;
    }
    for (size_t id = 0, at = alone; id < nodes->len; id++) {
        if (!is_alone[id]) {
            order[at++] = (node_id_t)id;
        }
    }
    free(candidates);
    free(is_alone);
    return alone;
}

size_t label_length(string_t text) {
    if (text.len <= MAX_LABEL_BYTES) {
        return text.len;
    }
    size_t length = MAX_LABEL_BYTES;
    // In UTF-8 every byte of a character but its first looks like 10xxxxxx.
    while (length > 0 && (text.ptr[length] & 0xC0) == 0x80) {
        length--;
    }
    return length;
}
