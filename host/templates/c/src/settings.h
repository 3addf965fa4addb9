// The settings: a JSON object, as the user wrote it.
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What `describe` tells of the settings.
#define SETTINGS_SCHEMA \
    "{" \
    "\"type\": \"object\", " \
    "\"additionalProperties\": false, " \
    "\"properties\": {\"min-size\": {" \
    "\"description\": \"Nodes of fewer bytes never get a layer of their own\", " \
    "\"type\": \"integer\", \"minimum\": 0, \"default\": 1048576" \
    "}}}"

typedef struct {
    uint64_t min_size;
} settings_t;

// Returns false where the settings are wrong, with a `problem` that names the setting.
bool read_settings(const char *text, size_t length, settings_t *settings, char *problem, size_t problem_size);

#endif
