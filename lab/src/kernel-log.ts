// SPDX-License-Identifier: BSD-3-Clause

/** Lines of a kernel log that tell of a fault in the kernel or a module, not of a test's expected refusals. */
const FAULTS = [
  /\bBUG:/, /\bWARNING:/, /\bOops\b/, /\bkernel BUG at\b/, /\bKernel panic\b/, /general protection fault/, /unable to handle /i,
  /\bINFO: (task .* blocked|rcu_.* self-detected stall|rcu_.* detected stalls)/, /soft lockup/, /\bcut here\b/, /Call Trace:/,
  /\bDMAR: .*fault\b/i, /bad page state/i, /\bUBSAN\b/, /refcount_t:/, /slab.*(corrupt|overwritten)/i, /page allocation failure/,
  /invoked oom-killer/,
];

export function kernelFaults(log: string): string[] {
  return log.split('\n').map((line) => line.trimEnd()).filter((line) => FAULTS.some((fault) => fault.test(line)));
}
