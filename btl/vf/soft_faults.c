/* SPDX-License-Identifier: BSD-3-Clause */
#include "soft_faults.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "error.h"

#define PPM 1000000u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "0.01" to 10000. Not strtod(): its decimal point depends on the locale. */
static const char *parse_rate(const char *text, size_t length, uint32_t *ppm)
{
    uint32_t value = 0;
    uint32_t unit = PPM;
    size_t i = 0;

    if (length == 0 || !is_digit(text[0])) {
        return "a rate is a number from 0 to 1, such as 0.01";
    }
    for (; i < length && is_digit(text[i]); i++) {
        value = value * 10 + (uint32_t) (text[i] - '0');
        if (value > 1) {
            return "a rate is at most 1";
        }
    }
    value *= PPM;
    if (i < length && text[i] == '.') {
        for (i++; i < length && is_digit(text[i]); i++) {
            unit /= 10;
            if (unit == 0 && text[i] != '0') {
                return "a rate has at most six decimals";
            }
            value += unit * (uint32_t) (text[i] - '0');
        }
    }
    if (i != length) {
        return "a rate is a number from 0 to 1, such as 0.01";
    }
    if (value > PPM) {
        return "a rate is at most 1";
    }
    *ppm = value;
    return NULL;
}

static const char *parse_number(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;

    if (length == 0) {
        return "it takes a whole number";
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(text[i])) {
            return "it takes a whole number";
        }
        if (__builtin_mul_overflow(value, (uint64_t) 10, &value) ||
            __builtin_add_overflow(value, (uint64_t) (text[i] - '0'), &value)) {
            return "the number is not below 2^64";
        }
    }
    *number = value;
    return NULL;
}

/* @return what is wrong with the item, or NULL. */
static const char *parse_item(const char *item, size_t length, struct vfring_soft_faults *faults,
                              unsigned *seen)
{
    const struct {
        const char *name;
        uint32_t *ppm;
        uint64_t *number;
        uint64_t most;
    } rates[] = {
        { "drop", &faults->drop_ppm, NULL, 0 },
        { "dup", &faults->dup_ppm, NULL, 0 },
        { "reorder", &faults->reorder_ppm, NULL, 0 },
        { "corrupt", &faults->corrupt_ppm, NULL, 0 },
        { "delay", &faults->delay_ppm, NULL, 0 },
        { "flap", &faults->flap_ppm, NULL, 0 },
        { "seed", NULL, &faults->seed, UINT64_MAX },
        { "burst", NULL, &faults->burst_frames, 1000 },
        { "delay_frames", NULL, &faults->delay_frames, 1000 },
        { "flap_ms", NULL, &faults->flap_ms, 60000 },
        { "maxlen", NULL, &faults->max_frame_bytes, 65535 },
        { "reset_after", NULL, &faults->reset_after, UINT64_MAX },
        { "reset_ms", NULL, &faults->reset_ms, 600000 },
        { "rate", NULL, &faults->rate_mbits, 1000000 },
        { "api", NULL, &faults->api_minor, 5 },
    };
    const char *equals = memchr(item, '=', length);

    if (equals == NULL) {
        return "an item is name=value";
    }

    size_t name_length = (size_t) (equals - item);
    const char *value = equals + 1;
    size_t value_length = length - name_length - 1;

    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        if (strlen(rates[i].name) != name_length || memcmp(rates[i].name, item, name_length) != 0) {
            continue;
        }
        if (*seen & (1u << i)) {
            return "it is given twice";
        }
        *seen |= 1u << i;
        if (rates[i].ppm == NULL) {
            const char *wrong = parse_number(value, value_length, rates[i].number);

            return wrong == NULL && *rates[i].number > rates[i].most ? "the number is too large" : wrong;
        }
        return parse_rate(value, value_length, rates[i].ppm);
    }
    return "the names are drop, dup, reorder, corrupt, delay, flap, seed, burst, delay_frames, "
           "flap_ms, maxlen, reset_after, reset_ms, rate and api";
}

int vfring_soft_faults_parse(const char *text, struct vfring_soft_faults *faults,
                             struct vfring_vf_error *error)
{
    unsigned seen = 0;

    *faults = (struct vfring_soft_faults){ .seed = 1, .rate_mbits = VFRING_SOFT_RATE_OF_FILE,
                                           .api_minor = VFRING_SOFT_API_OF_MODEL };
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    for (const char *item = text;; item++) {
        size_t length = strcspn(item, ",");
        const char *wrong = parse_item(item, length, faults, &seen);

        if (wrong != NULL) {
            int shown = length < 64 ? (int) length : 64;

            vfring_vf_error_set(error, -EINVAL, "soft faults \"%.120s\": \"%.*s\": %s", text, shown,
                                item, wrong);
            return vfring_vf_error_remedy(
                error, "write for example drop=0.01,dup=0.01,reorder=0.01,corrupt=0.001,seed=1");
        }
        item += length;
        if (*item == '\0') {
            return 0;
        }
    }
}
