// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux's own drivers of VFs, igbvf and ixgbevf, on two soft VFs that lab/vfu serves to an emulated machine, a network namespace each:
 * what they do on purpose, the model must take without a word. Arguments are models, 82576 by default; VFRING_VFU_ROUNDS: how often the
 * interfaces and the module come and go. npm test -- vfu.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Model, type VfuMachine, withVfuMachine } from './vfu-machine.js';

const rounds = Number(process.env['VFRING_VFU_ROUNDS'] ?? 10);
const models = (process.argv.length > 2 ? process.argv.slice(2) : ['82576']) as Model[];

/** Shell functions of the guest. Limits are against hanging only. */
const PRELUDE = `
await() { # COMMAND...
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "never came true: $*" >&2; return 1; }
        sleep 0.2
    done
}
name_of() { # MAC
    ip -o link | sed -n "s/^[0-9]*: \\([^:@]*\\).* link\\/ether $1 .*/\\1/p"
}
has_link() { ip -n "$1" link show vf0 | grep -q LOWER_UP; }
lost_link() { ! has_link "$1"; }
# A namespace for each function, with the interface vf0.
place() { # MAC-A MAC-B
    for side in a:1:$1 b:2:$2; do
        ns=\${side%%:*}; rest=\${side#*:}; nr=\${rest%%:*}; mac=\${rest#*:}
        ip netns add $ns 2>/dev/null || :
        await sh -c "ip -o link | grep -q $mac"
        ip link set "$(name_of $mac)" netns $ns name vf0
        ip -n $ns addr add 10.0.0.$nr/24 dev vf0
        ip -n $ns link set lo up
        ip -n $ns link set vf0 up
    done
    await has_link a
    await has_link b
}
ping_both() { # OPTION...
    ip netns exec a ping -n -q "$@" 10.0.0.2
    ip netns exec b ping -n -q "$@" 10.0.0.1
}
`;

/** TCP in both directions at once; each end knows what it must get. */
const TCP = `
import random, socket, sys, threading
mib, side, here, there = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
data = {end: random.Random(end).randbytes(1 << 20) for end in 'ab'}
if side == 'b':
    listener = socket.create_server((here, 7777))
    print('listening', flush=True)
    peer, _ = listener.accept()
else:
    peer = socket.create_connection((there, 7777))
def send():
    for _ in range(mib):
        peer.sendall(data[side])
    peer.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send)
sender.start()
wanted, got = data['a' if side == 'b' else 'b'] * mib, bytearray()
while chunk := peer.recv(1 << 18):
    got += chunk
sender.join()
sys.exit(0 if got == wanted else f'{side} received {len(got)} bytes, of {len(wanted)}, not the same')
`;

const tcp = (mib: number): string => `
cat > /run/tcp.py <<'END'
${TCP}
END
ip netns exec b python3 /run/tcp.py ${mib} b 10.0.0.2 10.0.0.1 >/run/tcp.b & server=$!
await grep -q listening /run/tcp.b
ip netns exec a timeout 600 python3 /run/tcp.py ${mib} a 10.0.0.1 10.0.0.2
wait $server
`;

async function drive(t: TestContext, model: Model, machine: VfuMachine): Promise<void> {
  const driver = model === '82576' ? 'igbvf' : 'ixgbevf';
  const { functions } = machine;
  const macs = functions.map(({ mac }) => mac);
  const sh = async (script: string): Promise<string> => await machine.sh(`${PRELUDE}${script}`);
  const expectNothingSaid = (): void => functions.forEach(({ said, file }) => assert.equal(said, '', `the model of ${file} complains of ${driver}`));
  const step = async (name: string, script: string): Promise<void> => await t.test(name, async () => {
    await sh(script);
    expectNothingSaid();
  });

  await t.test('the driver finds both, takes their addresses, and has a link', async () => {
    await sh(`modprobe ${driver}; place ${macs.join(' ')}`);
    for (const ns of ['a', 'b']) {
      assert.match(await sh(`ip netns exec ${ns} ethtool -i vf0`), new RegExp(`^driver: ${driver}$`, 'm'));
    }
    expectNothingSaid();
  });
  await step('ping, of short frames and of the longest', 'ping_both -c 200 -i 0.01; ping_both -c 20 -i 0.01 -s 1472 -M do');
  await step('IPv6, whose neighbours are found by multicast', 'ip netns exec a ping -n -q -c 5 -i 0.2 "$(ip -n b -6 -o addr show dev vf0 scope link | sed "s/.*inet6 \\([^/]*\\).*/\\1/")%vf0"');
  await step('TCP both ways, with all that the device does for it', tcp(3));
  for (const off of ['tso off gso off', 'tx off', 'sg off rx off']) {
    await step(`TCP both ways, ${off}`, `for ns in a b; do ip netns exec $ns ethtool -K vf0 ${off}; done; ${tcp(1)}`);
  }
  await step('TCP again, with all of it', `for ns in a b; do ip netns exec $ns ethtool -K vf0 tx on sg on tso on gso on rx on; done; ${tcp(1)}`);
  await t.test('ethtool -S counts what the VF has counted', async () => {
    const before = await functions[1]!.show();
    const count = async (): Promise<number> => Number(/^\s*rx_packets: (\d+)$/m.exec(await sh('ip netns exec b ethtool -S vf0'))![1]);
    const first = await count();
    await sh('ping_both -c 100 -i 0.01');
    const packets = (await functions[1]!.show()).counters['rx_frames']! - before.counters['rx_frames']!;
    assert.ok(packets >= 200);
    await sh(`more() { [ "$(ip netns exec b ethtool -S vf0 | sed -n 's/^ *rx_packets: //p')" -ge ${first + 200} ]; }; await more`);
    expectNothingSaid();
  });
  await step('MTU 9000', `for ns in a b; do ip -n $ns link set vf0 mtu 9000; done; await has_link a; await has_link b; ping_both -c 20 -i 0.01 -s 8972 -M do; ping_both -c 20 -i 0.01; ${tcp(3)}`);
  await step('MTU 1500 again', `for ns in a b; do ip -n $ns link set vf0 mtu 1500; done; await has_link a; await has_link b; ping_both -c 20 -i 0.01; ${tcp(1)}`);
  await step(`an interface that goes down and up ${rounds} times`,
    `i=0; while [ $i -lt ${rounds} ]; do ip -n b link set vf0 down; ip -n b link set vf0 up; await has_link b; ip netns exec a ping -n -q -c 3 -i 0.1 10.0.0.2 >/dev/null; i=$((i + 1)); done`);
  for (const [order, wanted] of [['link down', 'lost_link'], ['link up', 'has_link']] as const) {
    await t.test(order, async () => {
      await functions[1]!.order(order);
      await sh(`await ${wanted} b; has_link a`);
    });
  }
  await step('ping', 'ping_both -c 20 -i 0.01');
  await t.test('the PF is reset under traffic: the driver hears it, and comes back by itself', async () => {
    const downs = async (): Promise<number> => Number(await sh('ip netns exec b cat /sys/class/net/vf0/carrier_down_count'));
    const before = await downs();
    // A reset of a PF is over before drivers look. igbvf begins anew because of the frames that it did not get out; ixgbevf waits for a refusal:
    // a group that it joins is a message, which the PF refuses until it has had RESET.
    const traffic = sh('timeout 20 ip netns exec b ping -n -q -i 0.05 10.0.0.1 >/dev/null || :');
    await sleep(2000);
    await functions[1]!.order('pf down');
    await functions[1]!.order('pf up');
    await traffic;
    await sh(`heard() { [ "$(ip netns exec b cat /sys/class/net/vf0/carrier_down_count)" -gt ${before} ]; }; await heard
ip -n b maddr add 01:00:5e:00:00:7b dev vf0; await has_link b; reached() { ip netns exec b ping -n -q -c 1 -W 1 10.0.0.1; }; await reached; ping_both -c 20 -i 0.01`);
    expectNothingSaid();
  });
  await step(`a module that goes and comes ${rounds} times`,
    `i=0; while [ $i -lt ${rounds} ]; do rmmod ${driver}; modprobe ${driver}; place ${macs.join(' ')}; ip netns exec a ping -n -q -c 3 -i 0.1 10.0.0.2 >/dev/null; i=$((i + 1)); done; ${tcp(1)}`);
  await t.test('no rule was broken, and no DMA went astray', async () => {
    for (const served of functions) {
      const { details } = await served.show();
      assert.equal(details['violations'], 0);
      assert.equal(details['tx_dma_fault'], 0);
      assert.equal(details['rx_dma_fault'], 0);
    }
    await sh(`rmmod ${driver}`);
  });
}

for (const model of models) {
  await test(`Linux's driver on VFs of the ${model} model`, async (t) => {
    await withVfuMachine({ models: [model, model] }, async (machine) => drive(t, model, machine));
  });
}
