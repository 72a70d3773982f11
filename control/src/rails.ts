// SPDX-License-Identifier: BSD-3-Clause
/** VFs that one process drives at most: the BTL has room for so many. */
export const RAILS_MAX = 8;
