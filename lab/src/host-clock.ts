// SPDX-License-Identifier: BSD-3-Clause
/** This machine's time stamp counter, which under TCG is the guest's, too. */

/**
 * Its frequency, as Linux shows it: BogoMIPS are twice the counter's MHz on every processor whose counter runs evenly
 * (calibrate_delay() in init/calibrate.c takes them from there).
 * @param cpuinfo content of /proc/cpuinfo
 * @returns kHz, or undefined where the counter is not known to run evenly
 */
export function tscKhz(cpuinfo: string): number | undefined {
  const bogomips = Number(/^bogomips\s*: ([\d.]+)$/m.exec(cpuinfo)?.[1]);
  const even = /^flags\s*:.*\bconstant_tsc\b.*\bnonstop_tsc\b/m.test(cpuinfo);
  return even && bogomips > 0 ? Math.round(bogomips * 500) : undefined;
}
