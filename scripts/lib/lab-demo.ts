// SPDX-License-Identifier: BSD-3-Clause
/** The demo over real VFs, in the emulated machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Guest, type Output } from '../../lab/src/guest.js';
import { buildDir } from '../../tools/steps.js';
import { benchArgv, jobArgv, judge } from './demo-page.js';

const show: Output = (stream, chunk) => {
  (stream === 'stdout' ? process.stdout : process.stderr).write(chunk);
};

/** What is left there in the guest can be fetched. */
const RESULTS = '/results';

/** Four VFs on two PFs that a wire joins; PFs are found by what they can do, not by name. */
const START = `
set -e
modprobe -a igb uio_vf
mkdir -p /etc/vfring
{
  printf 'version: 1\\nprovider:\\n  sriov:\\n    pf:\\n'
  for p in /sys/class/net/*/device/sriov_totalvfs; do
    d=\${p%/device/*}
    printf '      - name: %s\\n        vfs: 2\\n        mtu: 9000\\n' "\${d##*/}"
  done
  printf 'rails: 1\n'
} > /etc/vfring/vfringd.yaml
vfringd > /run/vfringd.log 2>&1 &
for i in $(seq 600); do
  grep -q 'vfringd ready' /run/vfringd.log && exit 0
  kill -0 $! 2>/dev/null || break
  sleep 0.1
done
cat /run/vfringd.log >&2
exit 1
`;

/**
 * Prints the VFs' own statistics registers, which only the hardware changes:
 * what every VF has sent and received since its PF was loaded.
 */
const COUNTERS = `
const { readRegisters, vfRegisters: r } = require('/usr/lib/vfring/native/vfring_native.node');
const { readdirSync, realpathSync } = require('node:fs');
console.log('VF            frames sent  received   bytes sent    received');
for (const node of readdirSync('/sys/class/uio_vf').sort()) {
  const device = realpathSync('/sys/class/uio_vf/' + node + '/device');
  const [out, into, outBytes, inBytes] = readRegisters(device + '/resource0', [r.VFGPTC, r.VFGPRC, r.VFGOTC, r.VFGORC]).map(String);
  console.log(device.slice(-12) + '  ' + out.padStart(11) + into.padStart(10) + outBytes.padStart(13) + inBytes.padStart(12));
}
`;

export async function runLabDemo(command: readonly string[]): Promise<number> {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.once('SIGTERM', () => abort.abort());
  const guest = await Guest.boot({ signal: abort.signal, timeoutS: 3600 });
  try {
    const started = await guest.exec({ argv: ['sh', '-c', START], onOutput: show });
    if (started.status !== 0) {
      return started.status;
    }
    const user = async (argv: readonly string[]): Promise<number> => {
      const { status } = await guest.exec({ argv, user: 'mpi', onOutput: show, collect: false });
      return status;
    };
    if (command.length > 0) {
      return await user(command);
    }
    const counters = async (when: string): Promise<void> => {
      process.stdout.write(`\nhardware counters of the VFs ${when}\n`);
      await guest.exec({ argv: ['node', '-e', COUNTERS], onOutput: show, collect: false });
    };
    process.stdout.write('\nvfring over real VFs (emulated Intel 82576), user mpi, 2 ranks\n\n');
    await user(['vfring', 'status']);
    await counters('before');
    process.stdout.write('\n');
    const status = await user(jobArgv('/usr/libexec/vfring/pingpong'));
    if (status !== 0) {
      return status;
    }
    await counters('after');
    process.stdout.write('\nthe same beside btl/tcp over loopback and shared memory, which takes some minutes\n');
    // What it says at its end names files that are the guest's: said when they are here.
    const measured = await guest.exec({
      argv: benchArgv(`${RESULTS}/vfring`), user: 'mpi', onOutput: (stream, chunk) => {
        if (stream === 'stderr') {
          show(stream, chunk);
        }
      },
    });
    const dir = join(buildDir, 'demo', 'lab');
    await guest.fetchResults(dir);
    process.stdout.write('\nThese times are those of an emulated machine and say nothing about hardware. Ratios between figures of one such machine do, of what does the same there:\n'
      + 'npm run bench:lab measures vfring against btl/tcp and DPDK on the same VFs, see docs/performance/lab.md.\n'
      + measured.stdout.replaceAll(`${RESULTS}/`, `${dir}/`));
    return judge(measured.status, () => readFileSync(join(dir, 'vfring.json'), 'utf8'));
  } finally {
    await guest.close();
  }
}
