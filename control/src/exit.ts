// SPDX-License-Identifier: BSD-3-Clause
/** Exit statuses, after <sysexits.h>. */
export const EXIT = {
  OK: 0,
  USAGE: 64,
  DATA: 65,
  UNAVAILABLE: 69,
  INTERNAL: 70,
  OS: 71,
  CANT_CREATE: 73,
  IO: 74,
  NOT_CARRIED: 76,
  NO_PERMISSION: 77,
  CONFIG: 78,
} as const;
