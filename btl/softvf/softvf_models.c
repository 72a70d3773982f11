/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The list of models.
 */
#include "softvf_model.h"

#include <stddef.h>

#include "softvf_layout.h"

extern const struct softvf_model softvf_model_82576;
extern const struct softvf_model softvf_model_82599;
extern const struct softvf_model softvf_model_x540;

static const struct softvf_model *const models[SOFTVF_NUM_MODELS] = {
    [SOFTVF_MODEL_82576] = &softvf_model_82576,
    [SOFTVF_MODEL_82599] = &softvf_model_82599,
    [SOFTVF_MODEL_X540] = &softvf_model_x540,
};

const struct softvf_model *softvf_model_at(uint32_t number)
{
    return number < SOFTVF_NUM_MODELS ? models[number] : NULL;
}
