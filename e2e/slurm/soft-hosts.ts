// SPDX-License-Identifier: BSD-3-Clause
/**
 * Two hosts on this machine: namespaces (mounts, name, processes, network) over the lab's Debian, with soft
 * VFs. Real daemons of Slurm at full speed; no cgroups and no device nodes, which the emulated hosts have.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { prepare } from '../../lab/src/prepare.js';
import { buildDir } from '../../tools/steps.js';
import type { ClusterKind, Done, Node, WithHosts } from './cluster.js';

const COMMAND_S = 300;
const sudo = process.getuid?.() === 0 ? [] : ['sudo', '--'];

/** Becomes process 1 of the host; ends with its standard input, and all of the host with it. */
const BEGIN = String.raw`
set -e
dir=$1 number=$2 lower=$3
hostname host$number
mount -t tmpfs upper "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" root "$dir/root"
cd "$dir/root"
mount -t proc proc proc
mount --rbind /sys sys
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
mkdir -m 1777 dev/shm
mkdir dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 pts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
printf '127.0.0.1 localhost\n10.99.0.1 host1\n10.99.0.2 host2\n' >etc/hosts
ip link set lo up
echo up
exec chroot . /bin/sh -c 'while read -r _; do :; done'
`;

class SoftHost implements Node {
  readonly name: string;
  readonly #stop: () => void;

  private constructor(readonly number: number, readonly pid: number, stop: () => void) {
    this.#stop = stop;
    this.name = `host${number}`;
  }

  static async start(number: number, lower: string): Promise<SoftHost> {
    const dir = join(buildDir, 'slurm', `host${number}`);
    mkdirSync(dir, { recursive: true });
    const [file, ...args] = [...sudo, 'unshare', '--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', BEGIN, 'sh', dir, String(number), lower];
    const child = execa(file as string, args, { stdin: 'pipe', stdout: 'pipe', stderr: 'inherit', reject: false, buffer: false, cleanup: true });
    const ended = child.then(({ exitCode }) => { throw new Error(`host${number} could not be made (status ${exitCode})`); });
    ended.catch(() => undefined);
    await Promise.race([ended, new Promise((resolve) => child.stdout.once('data', resolve))]);
    const { stdout: children } = await execa('pgrep', ['-P', String(child.pid)]);
    // Behind sudo it is a child's child.
    let pid = Number(children.split('\n')[0]);
    while ((await execa('readlink', [`/proc/${pid}/ns/uts`], { reject: false })).stdout === (await execa('readlink', ['/proc/self/ns/uts'])).stdout) {
      pid = Number((await execa('pgrep', ['-P', String(pid)])).stdout.split('\n')[0]);
    }
    return new SoftHost(number, pid, () => child.stdin.end());
  }

  async exec(argv: readonly string[], user = 'root'): Promise<Done> {
    const become = user === 'root' ? [] : ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--init-groups', '--inh-caps=-all'];
    const home = user === 'root' ? '/root' : `/home/${user}`;
    const [file, ...args] = [...sudo, 'nsenter', '-t', String(this.pid), '-m', '-u', '-i', '-n', '-p', '-r', '-w', 'env', '-i', `HOME=${home}`, `USER=${user}`, 'LANG=C.UTF-8',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...become, ...argv];
    const { exitCode, stdout, stderr, shortMessage } = await execa(file as string, args, { reject: false, stdin: 'ignore', timeout: COMMAND_S * 1000 });
    return { status: exitCode ?? 255, stdout, stderr: exitCode === undefined ? `${stderr}\n${shortMessage}` : stderr };
  }

  async switchOff(): Promise<void> {
    this.#stop();
    await execa(sudo[0] ?? 'kill', [...(sudo.length > 0 ? ['--', 'kill'] : []), '-9', String(this.pid)], { reject: false });
  }
}

export const softKind: ClusterKind = {
  vfs: 4,
  provider: 'provider:\n  soft:\n    dir: /dev/shm/vfring\n    vfs: 4\n    mtu: 9000\n',
  real: false,
  cpus: 4,
  prepare: 'true',
};

export async function withSoftHosts(work: WithHosts): Promise<void> {
  const { rootfs } = await prepare();
  const stages = ['control', 'c'].map((part) => join(buildDir, 'lab', `stage-${part}`));
  const lower = [...stages, rootfs.root].join(':');
  const hosts = [await SoftHost.start(1, lower), await SoftHost.start(2, lower)] as const;
  try {
    const [file, ...args] = [...sudo, 'ip', 'link', 'add', 'mgmt0', 'netns', String(hosts[0].pid), 'type', 'veth', 'peer', 'name', 'mgmt0', 'netns', String(hosts[1].pid)];
    await execa(file as string, args);
    for (const host of hosts) {
      // The pair goes with either host; the other is to keep its own address.
      await host.exec(['sh', '-c', `ip addr add 10.99.0.${host.number}/32 dev lo && ip addr add 10.99.0.${host.number}/24 dev mgmt0 && ip link set mgmt0 up`]);
    }
    await work(hosts);
  } finally {
    await Promise.all(hosts.map((host) => host.switchOff()));
  }
}
