// Reads just as much JSON as these settings need: one object with one integer. With more settings than that, take a
// JSON library in C source, such as cJSON or yyjson, and compile it along.
#include "settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_MIN_SIZE = 1024 * 1024 };

// What is left to read.
typedef struct {
    const char *at;
    const char *end;
} reader_t;

static void skip_space(reader_t *reader) {
    while (reader->at < reader->end && isspace((unsigned char)*reader->at)) {
        reader->at++;
    }
}

// Takes one character of punctuation, if it comes next.
static bool take(reader_t *reader, char wanted) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != wanted) {
        return false;
    }
    reader->at++;
    return true;
}

// Takes a string without looking at escapes, which no name of a setting needs.
static bool take_string(reader_t *reader, const char **start, size_t *length) {
    if (!take(reader, '"')) {
        return false;
    }
    *start = reader->at;
    while (reader->at < reader->end && *reader->at != '"') {
        reader->at++;
    }
    *length = (size_t)(reader->at - *start);
    return take(reader, '"');
}

static bool take_integer(reader_t *reader, uint64_t *value) {
    skip_space(reader);
    const char *start = reader->at;
    *value = 0;
    for (; reader->at < reader->end && isdigit((unsigned char)*reader->at); reader->at++) {
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *reader->at - '0', value)) {
            return false;
        }
    }
    // A fraction or an exponent after the digits is no integer.
    return reader->at > start && (reader->at == reader->end || strchr(",} \t\r\n", *reader->at) != NULL);
}

bool read_settings(const char *text, size_t length, settings_t *settings, char *problem, size_t problem_size) {
    reader_t reader = {.at = text, .end = text + length};
    settings->min_size = DEFAULT_MIN_SIZE;
    bool is_object = take(&reader, '{');
    if (is_object && take(&reader, '}')) {
        return true;
    }
    const char *name;
    size_t name_length;
    while (is_object && take_string(&reader, &name, &name_length) && take(&reader, ':')) {
        if (name_length != strlen("min-size") || memcmp(name, "min-size", name_length) != 0) {
            snprintf(problem, problem_size, "unknown setting `%.*s`; there is only `min-size`", (int)name_length, name);
            return false;
        }
        if (!take_integer(&reader, &settings->min_size)) {
            snprintf(problem, problem_size, "`min-size` must be an integer of at least 0");
            return false;
        }
        if (take(&reader, '}')) {
            return true;
        }
        is_object = take(&reader, ',');
    }
    snprintf(problem, problem_size, "the settings must be a JSON object");
    return false;
}
