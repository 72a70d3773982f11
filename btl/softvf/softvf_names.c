/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * Names of the models, for who makes and reads files and plays no VF (the daemon's addon).
 */
#include <string.h>

#include "softvf_layout.h"

static const char *const names[SOFTVF_NUM_MODELS] = {
    [SOFTVF_MODEL_82576] = "82576",
    [SOFTVF_MODEL_82599] = "82599",
    [SOFTVF_MODEL_X540] = "x540",
};

const char *softvf_model_name(uint32_t number)
{
    return number < SOFTVF_NUM_MODELS ? names[number] : NULL;
}

uint32_t softvf_model_number(const char *name)
{
    for (uint32_t i = 0; i < SOFTVF_NUM_MODELS; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return SOFTVF_NUM_MODELS;
}
