// SPDX-License-Identifier: BSD-3-Clause
/** Whatever is missing or wrong ends in one message with cause and remedy, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { RunResult } from './run.js';
import { allReturned, asUser, mpirun, vfringRun, type DaemonOptions, type Site } from './site.js';

const text = (result: RunResult): string => result.stdout + result.stderr;

/** The run failed, and its output has each of these. */
function assertRefused(result: RunResult, ...parts: RegExp[]): void {
  assert.notEqual(result.status, 0, text(result));
  for (const part of parts) {
    assert.match(text(result).replace(/\s+/g, ' '), part, text(result));
  }
}

export function badInputTests(site: Site): void {
  const pingpong = [join(site.programs, 'pingpong'), '--min', '0', '--max', '64', '--iters', '10'];

  async function withDaemon(options: DaemonOptions, work: () => Promise<void>): Promise<void> {
    const daemon = await site.startDaemon(options);
    try {
      await work();
      await allReturned(site);
    } finally {
      await daemon.stop();
    }
  }

  describe(`${site.kind}: what is missing or wrong is named`, () => {
    test('no daemon: vfring run', async () => {
      const result = await asUser(site, vfringRun(2, ...pingpong));
      assertRefused(result, /VFRING_ERR_NO_DAEMON|no vfringd/i, /start/i);
      assert.equal(result.status, 69);
    });

    test('no daemon: plain mpirun', async () => {
      assertRefused(await asUser(site, mpirun(2, ...pingpong)), /no vfringd answers at/, /start vfringd/);
    });

    test('fewer free VFs than ranks', async () => {
      await withDaemon({ vfs: 2 }, async () => {
        const before = await asUser(site, vfringRun(3, ...pingpong));
        assertRefused(before, /VFRING_ERR_TOO_MANY_RANKS: 3 ranks need a VF each, and 2 can be had on this host/, /remedy: start fewer ranks/);
        assert.equal(before.status, 69);
        assertRefused(await asUser(site, mpirun(3, ...pingpong)), /all 2 VFs of this node are leased, 2 of them to this job \(VFRING_ERR_NO_FREE_VF\)/, /Remedy: .*start fewer/);
        // The VFs of the ranks that got one are free again.
        await allReturned(site);
        const next = await asUser(site, vfringRun(2, ...pingpong));
        assert.equal(next.status, 0, text(next));
      });
    });

    test('a program that is no MPI program: the run did not use vfring, and says so', async () => {
      await withDaemon({ vfs: 2 }, async () => {
        const result = await asUser(site, vfringRun(2, 'true'));
        assertRefused(result, /VFRING_ERR_NOT_CARRIED/, /0 of 2 processes took a lease/, /remedy/);
        assert.equal(result.status, 76);
      });
    });

    test('another transport chosen behind our back: the run did not use vfring, and says so', async () => {
      await withDaemon({ vfs: 2 }, async () => {
        const result = await asUser(site, vfringRun(2, 'env', 'OMPI_MCA_btl=self,tcp', 'OMPI_MCA_btl_tcp_if_include=lo', ...pingpong));
        assertRefused(result, /VFRING_ERR_NOT_CARRIED/, /0 of 2 processes took a lease/);
        assert.equal(result.status, 76, text(result));
      });
    });

    test('a device that does not exist', async () => {
      const result = await asUser(site, mpirun(1, 'env', 'OMPI_MCA_btl_vfring_devices=/dev/uiovf99', ...pingpong));
      assertRefused(result, /\/dev\/uiovf99/, /Remedy:/);
    });

    test('a device that another process drives', async () => {
      await withDaemon({ vfs: 1 }, async () => {
        const [node] = await site.nodes();
        const devices = `${node?.path},${node?.path}`;
        const result = await site.admin(['env', 'OMPI_ALLOW_RUN_AS_ROOT=1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1',
          ...mpirun(2, 'env', `OMPI_MCA_btl_vfring_devices=${devices}`, ...pingpong)]);
        assertRefused(result, /busy|already|in use|another process/i, /Remedy:/);
      });
    });

    test('a configuration with a wrong field', async () => {
      const good = site.config({ vfs: 2 });
      for (const [bad, what] of [
        [good.replace('mtu:', 'mtus:'), /mtus/],
        [good.replace(/vfs: \d+/, 'vfs: many'), /vfs/],
        [good.replace('version: 1', 'version: 7'), /version/],
        [`${good}\n  - [`, /YAML/],
      ] as const) {
        const result = await site.tryDaemon(bad);
        assertRefused(result, what, /vfringd\.yaml:\d+:\d+/);
        assert.equal(result.status, 78, text(result));
      }
    });

    test('a second daemon', async () => {
      await withDaemon({ vfs: 2 }, async () => {
        assertRefused(await site.tryDaemon(site.config({ vfs: 2 })), /VFRING_ERR_\w+/, /remedy/i);
        const result = await asUser(site, vfringRun(2, ...pingpong));
        assert.equal(result.status, 0, text(result));
      });
    });

    if (site.kind === 'sriov') {
      realHardwareTests(site, pingpong, withDaemon);
    }
  });
}

type WithDaemon = (options: DaemonOptions, work: () => Promise<void>) => Promise<void>;

/** What soft VFs cannot show: permissions against root's node, pinned memory, module, link. */
function realHardwareTests(site: Site, pingpong: string[], withDaemon: WithDaemon): void {
  test('a node without permission', async () => {
    await withDaemon({ vfs: 2 }, async () => {
      const devices = (await site.nodes()).map(({ path }) => path).join(',');
      const result = await asUser(site, mpirun(2, 'env', `OMPI_MCA_btl_vfring_devices=${devices}`, ...pingpong));
      assertRefused(result, /permission|may not|denied/i, /\/dev\/uiovf\d/, /Remedy:/);
    });
  });

  test('RLIMIT_MEMLOCK too small', async () => {
    await withDaemon({ vfs: 2, memlock: '512KiB' }, async () => {
      // vfringd raises a limit and never lowers one, so it has to be low before.
      const low = ['sh', '-c', 'ulimit -l 512 && exec "$@"', 'sh', ...vfringRun(2, ...pingpong)];
      assertRefused(await asUser(site, low), /RLIMIT_MEMLOCK/, /524288/, /Remedy:/);
    });
  });

  test('the memory limit of the device too small', async () => {
    await withDaemon({ vfs: 2, dmaPerVf: '512KiB' }, async () => {
      assertRefused(await asUser(site, vfringRun(2, ...pingpong)), /524288/, /dma_limit|dma_per_vf/, /Remedy:/);
    });
  });

  test('the PF goes down', async () => {
    await withDaemon({ vfs: 2, spread: 'pack' }, async () => {
      const { stdout } = await site.admin(['vfring', 'status', '--json']);
      const pf = (JSON.parse(stdout) as { vfs: { pf: string }[] }).vfs[0]?.pf as string;
      await site.admin(['ip', 'link', 'set', pf, 'down']);
      assertRefused(await asUser(site, vfringRun(2, ...pingpong)), /VFRING_ERR_PF_DOWN/, new RegExp(`ip link set dev ${pf} up`));
      await site.admin(['ip', 'link', 'set', pf, 'up']);
    });
  });

  test('the PF goes down under a running job: the job ends with the reason', async () => {
    const daemon = await site.startDaemon({ vfs: 2, spread: 'pack' });
    try {
      const { stdout } = await site.admin(['vfring', 'status', '--json']);
      const pf = (JSON.parse(stdout) as { vfs: { pf: string }[] }).vfs[0]?.pf as string;
      const job = site.user(mpirun(2, pingpong[0] as string, '--min', '64', '--max', '64', '--iters', '1000000', '--samples', '1000'), { timeoutS: 300 });
      await job.until('messages flow', async () => [...(await site.counters()).values()].filter((c) => c.txFrames > 100).length >= 2);
      await site.admin(['ip', 'link', 'set', pf, 'down']);
      assertRefused(await job.done, /PF was reset or (set|went) down|link (is )?down/i);
      await site.admin(['ip', 'link', 'set', pf, 'up']);
      await allReturned(site);
    } finally {
      await daemon.stop();
    }
  });

  test('the module is not there', async () => {
    const { stdout } = await site.admin(['uname', '-r']);
    const module = `/lib/modules/${stdout.trim()}/extra/uio_vf.ko`;
    const hide = await site.admin(['sh', '-c', `
      for d in /sys/bus/pci/drivers/uio_vf/0000:*; do [ -e "$d" ] && echo "\${d##*/}" > /sys/bus/pci/drivers/uio_vf/unbind; done
      modprobe -r uio_vf && mv ${module} ${module}.away && depmod`]);
    assert.equal(hide.status, 0, text(hide));
    try {
      assertRefused(await site.tryDaemon(site.config({ vfs: 2 })), /uio_vf/, /modprobe|install|load/i);
    } finally {
      const back = await site.admin(['sh', '-c', `mv ${module}.away ${module} && depmod && modprobe uio_vf`]);
      assert.equal(back.status, 0, text(back));
    }
    await withDaemon({ vfs: 2 }, async () => {
      const result = await asUser(site, vfringRun(2, ...pingpong));
      assert.equal(result.status, 0, text(result));
    });
  });
}

/** For a machine that was booted without an IOMMU, or without interrupt remapping. */
export function noIommuTests(site: Site, remedy: RegExp): void {
  test('without IOMMU protection vfringd says what to switch on, and gives nothing out', async () => {
    assertRefused(await site.tryDaemon(site.config({ vfs: 2 })), /IOMMU|interrupt remapping/i, remedy);
  });
}
