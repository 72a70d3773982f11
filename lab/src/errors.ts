// SPDX-License-Identifier: BSD-3-Clause

/** Exit statuses of the lab itself, apart from those of the command it runs. */
export const EXIT_STATUS = { usage: 64, timeout: 124, lab: 125, interrupted: 130 } as const;

export type LabErrorCode =
  | 'VFRING_ERR_LAB_BOOT'
  | 'VFRING_ERR_LAB_BUILD'
  | 'VFRING_ERR_LAB_EMULATOR'
  | 'VFRING_ERR_LAB_GUEST_LOST'
  | 'VFRING_ERR_LAB_HOST'
  | 'VFRING_ERR_LAB_MIRROR'
  | 'VFRING_ERR_LAB_ROOTFS'
  | 'VFRING_ERR_LAB_STANDSTILL'
  | 'VFRING_ERR_LAB_STOPPED'
  | 'VFRING_ERR_LAB_SWITCHED_OFF'
  | 'VFRING_ERR_LAB_TIMEOUT'
  | 'VFRING_ERR_LAB_USAGE'
  | 'VFRING_ERR_LAB_WIRE';

/** What is wrong and why, and what to do about it. */
export class LabError extends Error {
  constructor(
    readonly code: LabErrorCode,
    message: string,
    readonly remedy: string,
    readonly status: number = EXIT_STATUS.lab,
    /** The guest's kernel log so far, where there was a guest. */
    readonly consoleLog = '',
  ) {
    super(message);
    this.name = 'LabError';
  }

  text(): string {
    return `${this.code}: ${this.message}\n  remedy: ${this.remedy}`;
  }
}

/** Whether a guest ended by what its work had no part in: it stood still, or QEMU failed. */
export function isEmulatorFault(error: unknown): error is LabError {
  return error instanceof LabError && (error.code === 'VFRING_ERR_LAB_EMULATOR' || error.code === 'VFRING_ERR_LAB_STANDSTILL');
}
