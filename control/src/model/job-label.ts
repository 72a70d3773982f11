// SPDX-License-Identifier: BSD-3-Clause
/** What processes may call their job. */
export const JOB_LABEL = /^[A-Za-z0-9._@:+-]{1,128}$/;
