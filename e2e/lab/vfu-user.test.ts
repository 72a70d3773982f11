// SPDX-License-Identifier: BSD-3-Clause
/**
 * Drivers in user space on two soft VFs that lab/vfu serves to an emulated machine: vfring's own over uio_vf and over
 * vfio-pci with MPI above it, with and without vfringd, and DPDK's; and the kernel module's tests. Arguments are models, 82576 by default.
 * npm test -- vfu-user.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Model, type VfuMachine, withVfuMachine } from './vfu-machine.js';

const models = (process.argv.length > 2 ? process.argv.slice(2) : ['82576']) as Model[];
const DEVICE_ID = { '82576': '0x10ca', '82599': '0x10ed', x540: '0x1515' } as const;

/** Sets A and B to the two functions. */
const prelude = (model: Model): string => `
bdfs=$(for d in /sys/bus/pci/devices/*; do [ "$(cat $d/device)" != ${DEVICE_ID[model]} ] || basename $d; done)
set -- $bdfs
A=$1 B=$2
bind() { # DRIVER
    for bdf in $A $B; do
        [ ! -e /sys/bus/pci/devices/$bdf/driver ] || echo $bdf >/sys/bus/pci/devices/$bdf/driver/unbind
        echo $1 >/sys/bus/pci/devices/$bdf/driver_override
        echo $bdf >/sys/bus/pci/drivers_probe
        [ "$(basename "$(readlink /sys/bus/pci/devices/$bdf/driver)")" = $1 ]
    done
}
`;

async function drive(t: TestContext, model: Model, machine: VfuMachine): Promise<void> {
  const { functions } = machine;
  const sh = async (script: string): Promise<string> => await machine.sh(`${prelude(model)}${script}`);
  const heard = functions.map(() => 0);
  /** Since it was last asked for. */
  const expectNothingSaid = (): void => functions.forEach(({ said, file }, i) => {
    const news = said.slice(heard[i]);
    heard[i] = said.length;
    assert.equal(news, '', `the model of ${file} complains`);
  });
  const expectNoViolation = async (): Promise<void> => {
    for (const served of functions) {
      const { details } = await served.show();
      assert.deepEqual([details['violations'], details['tx_dma_fault'], details['rx_dma_fault']], [0, 0, 0], served.file);
    }
  };
  // vfringd would raise the limit of locked memory for a lease. Open MPI's launcher crashes in a folder that its user may not enter.
  const asUser = 'cd /home/mpi && exec prlimit --memlock=67108864 setpriv --reuid mpi --regid mpi --init-groups env HOME=/home/mpi "$@"';
  const mpi = async (devices: string, ...program: string[]): Promise<string> => {
    const { status, stdout, stderr } = await machine.exec({
      argv: ['sh', '-ec', asUser, 'sh', 'timeout', '600', 'mpirun', '-n', '2', '--oversubscribe', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,vfring', '--mca', 'btl_vfring_devices', devices, ...program],
    });
    assert.equal(status, 0, `${program.join(' ')}: ${stdout}${stderr}`);
    return stdout;
  };

  const programs = async (nodes: string): Promise<void> => {
    const devices = nodes.trim().split('\n').join(',');
    await mpi(devices, '/usr/libexec/vfring/pingpong', '--quick', '--check-all', '--max', '65536', '--samples', '2', '--iters', '5');
    await mpi(devices, '--mca', 'btl_vfring_wait', 'event', '/usr/libexec/vfring/ring', '--quick');
    await mpi(devices, 'NPopenmpi', '-n', '5', '-u', '16384', '-o', '/tmp/netpipe');
    expectNothingSaid();
  };

  await t.test('the BTL, over uio_vf', async () => {
    await sh('modprobe uio_vf; bind uio_vf; chown mpi /dev/uiovf*');
    await programs(await sh('for bdf in $A $B; do echo /dev/$(ls /sys/bus/pci/devices/$bdf/uio_vf); done'));
  });

  await t.test('the BTL, over vfio-pci', async () => {
    await sh('modprobe -a vfio-pci vfio_iommu_type1; bind vfio-pci; chmod 666 /dev/vfio/vfio');
    await programs(await sh('for bdf in $A $B; do node=/dev/vfio/$(basename "$(readlink /sys/bus/pci/devices/$bdf/iommu_group)"); chown mpi $node; echo $node; done'));
  });

  for (const backend of ['uio_vf', 'vfio']) {
    await t.test(`vfringd gives them out, bound by ${backend}`, async () => {
      const [a, b] = functions.map(({ mac }) => mac);
      await sh(`
bind() { [ ! -e /sys/bus/pci/devices/$1/driver ] || echo $1 >/sys/bus/pci/devices/$1/driver/unbind; echo >/sys/bus/pci/devices/$1/driver_override; }
bind $A; bind $B
mkdir -p /etc/vfring
cat >/etc/vfring/vfringd.yaml <<END
version: 1
provider: {sriov: {pf: [{mtu: 9000, backend: ${backend}, functions: [{bdf: "$A", mac: "${a}"}, {bdf: "$B", mac: "${b}"}]}]}}
END
vfringd >/run/vfringd.log 2>&1 & daemon=$!
tries=0
until grep -q 'vfringd ready' /run/vfringd.log; do tries=$((tries + 1)); [ $tries -lt 600 ] && kill -0 $daemon || { cat /run/vfringd.log >&2; exit 1; }; sleep 0.2; done
cd /home/mpi
status=0
timeout 600 setpriv --reuid mpi --regid mpi --init-groups env HOME=/home/mpi vfring run --local vf -n 2 --oversubscribe -- /usr/libexec/vfring/pingpong --quick --check-all --max 65536 --samples 2 --iters 5 || status=$?
vfring status
kill $daemon; wait $daemon
[ $status = 0 ] || { cat /run/vfringd.log >&2; exit $status; }`);
      expectNothingSaid();
    });
  }

  await t.test('no rule was broken, and no DMA went astray', expectNoViolation);

  await t.test("DPDK's testpmd sends frames round between the two, over vfio-pci", async () => {
    const [a, b] = functions.map(({ mac }) => mac);
    // Of the 82576's VF DPDK means to set WTHRESH 1 (an erratum), and looks for the PF's type: it has to be told.
    const thresholds = model === '82576' ? '--txwt=1' : '';
    const output = await sh(`
modprobe vfio-pci; bind vfio-pci
echo 160 >/proc/sys/vm/nr_hugepages
(sleep 20; echo) | timeout 120 dpdk-testpmd -l 0,1 --main-lcore 0 -a $A -a $B --in-memory -m 192 --file-prefix t -- --nb-cores=1 --total-num-mbufs=4096 \\
    --forward-mode=mac --eth-peer=0,${b} --eth-peer=1,${a} ${thresholds} --tx-first 2>&1
echo 0 >/proc/sys/vm/nr_hugepages`);
    const received = [...output.matchAll(/RX-packets: (\d+)/g)].map((match) => Number(match[1]));
    assert.ok(received.length >= 2 && received.every((packets) => packets > 100), output) // more than the first bursts: they go round;
    expectNothingSaid();
  });
}

/** The tests misuse the VF and its memory on purpose; what the model says of that is not looked at. Most of them drive an 82576's queues. */
for (const model of models) {
  await test(`the kernel module's tests on functions of the ${model} model`, async () => {
    const options = { models: [model, model], parts: ['kmod'], append: 'page_poison=1 nohz=off highres=off', provokes: /DMAR: .*fault/i } as const;
    await withVfuMachine(options, async ({ exec }) => {
      const script = `${prelude(model)}UIO_VF_FUNCTIONS="$A $B" exec /usr/libexec/vfring/kmod-tests/run-tests.sh ${model === '82576' ? '' : 'open clean abi dma limits regions notifier huge faults stress gone'}`;
      // They take minutes: who watches sees how far they are.
      const onOutput = (_stream: 'stdout' | 'stderr', chunk: Buffer): void => void process.stderr.write(chunk);
      const { status, stdout, stderr } = await exec({ argv: ['sh', '-ec', script, 'sh'], onOutput });
      assert.match(stdout, /^\d+ passed, 0 failed$/m, `${stdout}${stderr}`);
      assert.equal(status, 0);
    });
  });
}

for (const model of models) {
  await test(`drivers in user space on VFs of the ${model} model`, async (t) => {
    await withVfuMachine({ models: [model, model], parts: ['c', 'kmod', 'control'] }, async (machine) => drive(t, model, machine));
  });
}
