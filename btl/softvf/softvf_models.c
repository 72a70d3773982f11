/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The list of models. A file keeps a model's number: numbers stay what they are.
 */
#include "softvf_model.h"

#include <stddef.h>
#include <string.h>

extern const struct softvf_model softvf_model_82576;
extern const struct softvf_model softvf_model_82599;
extern const struct softvf_model softvf_model_x540;

static const struct softvf_model *const models[] = {
    &softvf_model_82576,
    &softvf_model_82599,
    &softvf_model_x540,
};

#define NUM_MODELS (sizeof(models) / sizeof(models[0]))

const struct softvf_model *softvf_model_at(uint32_t number)
{
    return number < NUM_MODELS ? models[number] : NULL;
}

const struct softvf_model *softvf_model_named(const char *name, uint32_t *number)
{
    for (uint32_t i = 0; i < NUM_MODELS; i++) {
        if (strcmp(models[i]->name, name) == 0) {
            *number = i;
            return models[i];
        }
    }
    return NULL;
}

const char *softvf_model_names(void)
{
    return "82576, 82599 or x540";
}
