// Runs natively, without a sandbox: `make test`.
#include "largest.h"
#include "settings.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NODES = 8 };

static string_t string(const char *text) {
    return (string_t){.ptr = (uint8_t *)text, .len = strlen(text)};
}

// Expects the order and the number of nodes alone, written as `positions alone | positions together`.
static void expect(const uint64_t *sizes, size_t count, uint32_t max_layers, uint64_t min_size, const char *expected) {
    node_t nodes[MAX_NODES] = {0};
    assert(count <= MAX_NODES);
    for (size_t id = 0; id < count; id++) {
        nodes[id].size = sizes[id];
    }
    node_id_t order[MAX_NODES];
    size_t alone = largest_first(&(node_list_t){.ptr = nodes, .len = count}, max_layers, min_size, order);

    char found[100] = "";
    for (size_t at = 0; at < count; at++) {
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%u ", at == alone ? "| " : "", order[at]);
    }
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "with %u layers: expected `%s`, found `%s`\n", max_layers, expected, found);
    }
    assert(strcmp(found, expected) == 0);
}

static void the_largest_nodes_get_a_layer_each(void) {
    const uint64_t sizes[] = {10, 30, 20, 30, 5};
    expect(sizes, 5, 5, 0, "1 3 2 0 4 ");
    expect(sizes, 5, 4, 0, "1 3 2 | 0 4 ");
    expect(sizes, 5, 1, 0, "| 0 1 2 3 4 ");
}

static void small_nodes_share_the_last_layer(void) {
    const uint64_t sizes[] = {10, 30, 20, 30, 5};
    expect(sizes, 5, 9, 20, "1 3 2 | 0 4 ");
    expect(sizes, 5, 9, UINT64_MAX, "| 0 1 2 3 4 ");
    expect(sizes, 0, 1, 0, "");
}

static void labels_are_cut_between_characters(void) {
    char long_text[301] = "a";
    for (size_t at = 1; at < 300; at += 2) {
        memcpy(long_text + at, "\u00e9", 2);
    }
    assert(label_length(string("glibc")) == 5);
    assert(label_length(string(long_text)) == 199);
    assert(label_length(string(long_text + 1)) == 200);
}

static void expect_settings(const char *text, uint64_t min_size, const char *expected_problem) {
    settings_t settings;
    char problem[200] = "";
    bool fine = read_settings(text, strlen(text), &settings, problem, sizeof problem);
    assert(strcmp(problem, expected_problem) == 0);
    assert(fine ? settings.min_size == min_size : *problem != '\0');
}

static void settings_are_read_and_wrong_ones_are_named(void) {
    expect_settings("{}", 1048576, "");
    expect_settings("{\"min-size\":0}", 0, "");
    expect_settings(" { \"min-size\" : 18446744073709551615 } ", UINT64_MAX, "");
    const char *wrong[] = {"-1", "1.5", "1e3", "\"12\"", "null", "[]", "", "18446744073709551616"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        char text[100];
        snprintf(text, sizeof text, "{\"min-size\":%s}", wrong[at]);
        expect_settings(text, 0, "`min-size` must be an integer of at least 0");
    }
    expect_settings("{\"min-sise\":1}", 0, "unknown setting `min-sise`; there is only `min-size`");
    expect_settings("[]", 0, "the settings must be a JSON object");
}

int main(void) {
    the_largest_nodes_get_a_layer_each();
    small_nodes_share_the_last_layer();
    labels_are_cut_between_characters();
    settings_are_read_and_wrong_ones_are_named();
    puts("all tests passed");
    return 0;
}
