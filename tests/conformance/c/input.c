#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *text(const json_t *item, const char *name) {
    return json_string_value(json_object_get(item, name));
}

imagxp_slice slice(const json_t *item, const char *name) {
    const json_t *value = json_object_get(item, name);
    imagxp_slice slice = {(const uint8_t *)json_string_value(value), json_string_length(value)};
    return slice;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

bool time_ms(const json_t *item, const char *name, int64_t *ms) {
    const char *value = text(item, name);
    int year, month, day, hour, minute, second, used = 0;
    if (value == NULL ||
        sscanf(value, "%4d-%2d-%2dT%2d:%2d:%2d%n", &year, &month, &day, &hour, &minute, &second, &used) != 6) {
        return false;
    }
    int64_t fraction = 0;
    const char *rest = value + used;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10) {
            fraction += (*rest - '0') * unit;
        }
    }
    *ms = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000 + fraction;
    return strcmp(rest, "Z") == 0;
}

char *dump(const json_t *item, const char *name) {
    const json_t *value = json_object_get(item, name);
    return value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int nibble(uint8_t c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

uint8_t *unhex(imagxp_slice hex, size_t *len) {
    uint8_t *bytes = malloc(hex.len / 2 + 1);
    *len = hex.len / 2;
    for (size_t i = 0; i < *len; i++) {
        int high = nibble(hex.ptr[2 * i]);
        int low = nibble(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0 || hex.len % 2 != 0) {
            free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return bytes;
}

/* Of the harness's own making, so it is simply standard base64. */
uint8_t *unbase64(imagxp_slice base64, size_t *len) {
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *bytes = malloc(base64.len + 1);
    uint32_t bits = 0;
    int held = 0;
    *len = 0;
    for (size_t i = 0; i < base64.len && base64.ptr[i] != '='; i++) {
        const char *at = base64.ptr[i] == 0 ? NULL : strchr(ALPHABET, base64.ptr[i]);
        if (at == NULL) {
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)(at - ALPHABET);
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[(*len)++] = (uint8_t)(bits >> held);
        }
    }
    return bytes;
}

json_t *string_or_null(imagxp_slice slice) {
    return slice.len == 0 ? json_null() : json_stringn((const char *)slice.ptr, slice.len);
}

json_t *code_of(imagxp_error *error) {
    json_t *code = string_or_null(imagxp_error_code(error));
    imagxp_error_free(error);
    return code;
}

json_t *error_code(imagxp_error *error) {
    return json_pack("{s:o}", "error_code", code_of(error));
}
