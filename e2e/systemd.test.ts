// SPDX-License-Identifier: BSD-3-Clause
/**
 * The unit and the udev rule as they are installed, under a real systemd and a real udevd: for a machine
 * that was booted with lab.init=systemd.
 */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually } from './run.js';
import { allReturned, asUser, vfringRun, type Site } from './site.js';

const CONFIG = '/etc/vfring/vfringd.yaml';
const UNIT = 'vfringd.service';
const RULE = '/usr/lib/udev/rules.d/60-vfring.rules';

interface Status {
  readonly pid: number;
  readonly vfs: readonly { name: string; device: string; state: string }[];
}

export function systemdTests(site: Site): void {
  const must = async (...argv: string[]): Promise<string> => {
    const { status, stdout, stderr } = await site.admin(argv);
    assert.equal(status, 0, `${argv.join(' ')}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const property = async (name: string): Promise<string> => await must('systemctl', 'show', UNIT, '--value', '-p', name);
  const status = async (): Promise<Status> => JSON.parse(await must('vfring', 'status', '--json')) as Status;
  const configure = (vfs: number): void => {
    mkdirSync('/etc/vfring', { recursive: true });
    writeFileSync(CONFIG, site.config({ vfs, spread: 'pack' }));
  };
  const journal = async (...args: string[]): Promise<string> => await must('journalctl', '-u', UNIT, '-o', 'cat', '--no-pager', ...args);
  const pingpong = join(site.programs, 'pingpong');
  const runJob = async (): Promise<void> => {
    const result = await asUser(site, vfringRun(2, pingpong, '--min', '0', '--max', '4096', '--iters', '20'), { timeoutS: 600 });
    assert.equal(result.status, 0, result.stdout + result.stderr);
    await allReturned(site);
  };

  describe('the unit', () => {
    before(async () => {
      configure(2);
      await must('systemctl', 'daemon-reload');
      // It is the unit's to have it loaded.
      await must('modprobe', '-r', 'uio_vf');
    });
    after(async () => {
      await site.admin(['systemctl', 'stop', UNIT]);
    });

    // The guest has no man to look manual pages up with.
    test('systemd finds no fault in it', async () => {
      const { status: code, stdout, stderr } = await site.admin(['systemd-analyze', 'verify', '--man=no', `/usr/lib/systemd/system/${UNIT}`]);
      const about = (stdout + stderr).split('\n').filter((line) => line.includes('vfringd'));
      assert.deepEqual(about, []);
      assert.equal(code, 0, stdout + stderr);
    });

    test('systemd calls its exposure at most medium', async () => {
      const text = await must('systemd-analyze', 'security', '--no-pager', UNIT);
      const [, exposure, word] = /Overall exposure level for vfringd\.service: ([\d.]+) (\w+)/.exec(text) ?? [];
      process.stdout.write(`# exposure ${exposure} ${word}\n`);
      assert.ok(Number(exposure) < 5, text);
    });

    test('its hardening leaves the page to readers on this host', async () => {
      configure(2);
      appendFileSync(CONFIG, 'http: {listen: "127.0.0.1:9155"}\n');
      await must('systemctl', 'start', UNIT);
      const read = `
        const page = () => fetch('http://127.0.0.1:9155/metrics').then((answer) => answer.text()).then((text) => process.stdout.write(text)).catch(() => setTimeout(page, 200));
        page();`;
      assert.match(await must('node', '-e', read), /^vfring_http_serving 1$/m);
      await must('systemctl', 'stop', UNIT);
      configure(2);
    });

    test('start returns when vfringd is ready, and its hardening leaves it what it needs to make VFs', async () => {
      await must('systemctl', 'start', UNIT);
      assert.equal(await property('ActiveState'), 'active');
      assert.equal(await property('StatusText'), '2 VFs');
      const { pid, vfs } = await status();
      assert.equal(String(pid), await property('MainPID'));
      assert.deepEqual(vfs.map(({ state }) => state), ['free', 'free']);
      await allReturned(site);
      // What the kernel holds of it, not what the unit says: no other capability, no new privileges.
      const proc = readFileSync(`/proc/${pid}/status`, 'utf8');
      assert.match(proc, /^NoNewPrivs:\s+1$/m);
      assert.match(proc, /^CapBnd:\s+000000000108102b$/m);
      assert.ok(existsSync('/var/lib/vfring/ledger.db'));
    });

    test('an unprivileged job runs over its VFs', runJob);

    test('it cannot write where it has no business', async () => {
      const { pid } = await status();
      const script = 'for f in /etc/x /usr/x /home/x /root/x /boot/x /var/x; do if touch "$f" 2>/dev/null; then echo "$f"; fi; done';
      assert.equal(await must('nsenter', '-t', String(pid), '-m', 'sh', '-c', script), '');
    });

    test('reload takes a changed configuration over', async () => {
      configure(3);
      await must('systemctl', 'reload', UNIT);
      await eventually('three VFs', async () => (await status()).vfs.length === 3);
      assert.equal(await property('ActiveState'), 'active');
    });

    test('a configuration that is wrong leaves the old one in force', async () => {
      writeFileSync(CONFIG, 'version: 7\n');
      await must('systemctl', 'reload', UNIT);
      await eventually('the journal says so', async () => (await journal()).includes('VFRING_ERR_CONFIG'));
      assert.equal((await status()).vfs.length, 3);
      configure(3);
    });

    test('it is started anew when it dies', async () => {
      const { pid } = await status();
      process.kill(pid, 'SIGKILL');
      await eventually('another vfringd is ready', async () => (await property('NRestarts')) === '1' && (await property('ActiveState')) === 'active');
      assert.notEqual((await status()).pid, pid);
      await runJob();
    });

    test('it is started anew when it stands still, and running jobs are none the wiser', async () => {
      const dropIn = '/run/systemd/system/vfringd.service.d';
      mkdirSync(dropIn, { recursive: true });
      writeFileSync(join(dropIn, 'soon.conf'), '[Service]\nWatchdogSec=20\n');
      try {
        await must('systemctl', 'daemon-reload');
        await must('systemctl', 'restart', UNIT);
        const { pid } = await status();
        process.kill(pid, 'SIGSTOP');
        await eventually('another vfringd is ready', async () => Number(await property('NRestarts')) >= 1 && (await property('ActiveState')) === 'active', 300);
        assert.notEqual((await status()).pid, pid);
        assert.match(await journal(), /Watchdog timeout/);
        await runJob();
      } finally {
        rmSync(dropIn, { recursive: true });
        await must('systemctl', 'daemon-reload');
      }
    });

    test('stop is clean', async () => {
      await must('systemctl', 'stop', UNIT);
      assert.equal(await property('ActiveState'), 'inactive');
      assert.equal(await property('Result'), 'success');
      assert.equal(existsSync('/run/vfring'), false);
      await allReturned(site);
    });

    test('a start that fails says why in the journal', async () => {
      writeFileSync(CONFIG, site.config({ vfs: 2 }).replace('mtu:', 'mtus:'));
      try {
        const started = await site.admin(['systemctl', 'start', UNIT]);
        assert.notEqual(started.status, 0);
        assert.match(await journal('-p', 'err'), /VFRING_ERR_CONFIG.*mtus/);
        assert.doesNotMatch(await journal('-p', 'err'), /lease granted|vfringd ready/);
        assert.equal(await property('ExecMainStatus'), '78');
      } finally {
        await must('systemctl', 'stop', UNIT);
        configure(2);
      }
    });
  });

  describe("Slurm's unit", () => {
    const slurm = async (): Promise<{ verdict: string; cause: string; remedy: string }> => {
      const { stdout } = await site.admin(['vfring', 'doctor', '--json']);
      const findings = JSON.parse(stdout) as { check: string; verdict: string; cause: string; remedy: string }[];
      return findings.find(({ check }) => check === 'slurm') as never;
    };

    test('doctor names its limit of locked memory, and the remedy helps', async () => {
      writeFileSync('/run/systemd/system/slurmd.service', '[Service]\nExecStart=/bin/sleep infinity\nLimitMEMLOCK=65536\n');
      await must('systemctl', 'daemon-reload');
      const before = await slurm();
      assert.equal(before.verdict, 'warn');
      assert.match(before.cause, /LimitMEMLOCK=65536/);
      const setting = /\[Service\] (LimitMEMLOCK=infinity)/.exec(before.remedy)?.[1];
      // What `systemctl edit` writes.
      mkdirSync('/etc/systemd/system/slurmd.service.d', { recursive: true });
      writeFileSync('/etc/systemd/system/slurmd.service.d/override.conf', `[Service]\n${setting}\n`);
      await must('systemctl', 'daemon-reload');
      assert.equal((await slurm()).verdict, 'ok');
    });
  });

  describe('the udev rule', () => {
    // As somebody may have it for all devices of that kind.
    const WIDE = '/run/udev/rules.d/50-wide.rules';
    const node = (): string => join('/dev', readdirSync('/sys/class/uio_vf')[0] as string);
    const trigger = async (): Promise<{ uid: number; gid: number; mode: number }> => {
      await must('udevadm', 'control', '--reload');
      await must('udevadm', 'trigger', '--settle', '--action=add', '--subsystem-match=uio_vf');
      const { uid, gid, mode } = statSync(node());
      return { uid, gid, mode: mode & 0o777 };
    };

    before(async () => {
      await must('systemctl', 'start', UNIT);
      await must('systemctl', 'stop', UNIT);
      mkdirSync('/run/udev/rules.d', { recursive: true });
      writeFileSync(WIDE, 'SUBSYSTEM=="uio_vf", MODE="0666", GROUP="mpi", TAG+="uaccess"\n');
    });

    test('udevadm finds no fault in it', async () => {
      await must('udevadm', 'verify', RULE);
    });

    test("a node is root's alone, whatever an earlier rule says", async () => {
      assert.deepEqual(await trigger(), { uid: 0, gid: 0, mode: 0o600 });
      assert.doesNotMatch(await must('udevadm', 'info', '-q', 'property', node()), /CURRENT_TAGS=.*uaccess/);
    });

    test('and is not without the rule', async () => {
      renameSync(RULE, `${RULE}.away`);
      try {
        assert.equal((await trigger()).mode, 0o666);
      } finally {
        renameSync(`${RULE}.away`, RULE);
        assert.deepEqual(await trigger(), { uid: 0, gid: 0, mode: 0o600 });
      }
    });
  });
}
