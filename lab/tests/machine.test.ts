// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from 'vitest';
import { bzImagePayload, modulesToLoad } from '../src/boot-files.js';
import { tscKhz } from '../src/host-clock.js';
import { kernelFaults } from '../src/kernel-log.js';
import { DEFAULT_MACHINE, qemuArguments } from '../src/qemu.js';

const IMAGES = { kernel: '/k', initramfs: '/i', base: '/b,with,comma', project: '/p' };
const qemu = (machine = {}) => qemuArguments({ ...DEFAULT_MACHINE, ...machine }, IMAGES, '/share');
const devices = (args: string[]) => args.filter((_, index) => args[index - 1] === '-device');

describe('qemuArguments', () => {
  it('puts each PF behind a root port of its own, all on one wire', () => {
    const args = qemu({ pfs: 3 });
    const igbs = devices(args).filter((device) => device.startsWith('igb,'));
    expect(igbs.map((device) => /bus=(\w+)/.exec(device)?.[1])).toEqual(['rp0', 'rp1', 'rp2']);
    expect(new Set(igbs.map((device) => /mac=([^,]+)/.exec(device)?.[1])).size).toBe(3);
    expect(args.filter((arg) => arg.startsWith('hubport,')).every((arg) => arg.endsWith('hubid=0'))).toBe(true);
  });

  it('has the IOMMU before all devices, without interrupt remapping, or not at all', () => {
    expect(devices(qemu())[0]).toMatch(/^intel-iommu,intremap=on/);
    expect(devices(qemu({ intremap: false }))[0]).toMatch(/^intel-iommu,intremap=off/);
    expect(qemu({ iommu: false }).join(' ')).not.toContain('intel-iommu');
  });

  it('appends kernel parameters, and doubles commas in file names', () => {
    const args = qemu({ append: 'x=1 y' });
    expect(args[args.indexOf('-append') + 1]).toMatch(/ x=1 y$/);
    expect(args.find((arg) => arg.includes('id=base'))).toContain('file=/b,,with,,comma,');
  });

  it('tells the guest the frequency of its time stamp counter, where that is known', () => {
    const append = (khz?: number): string => {
      const args = qemuArguments(DEFAULT_MACHINE, IMAGES, '/share', khz);
      return args[args.indexOf('-append') + 1]!;
    };
    expect(append(2596144)).toContain(' tsc_early_khz=2596144');
    expect(append()).not.toContain('tsc_early_khz');
  });

  it('has a slot for each function that another process serves, memory with a file, and an IOMMU that tells what is mapped', () => {
    const args = qemu({ pfs: 1, functions: ['/s/a', '/s/b,c'] });
    const served = devices(args).filter((device) => device.startsWith('{')).map((device) => JSON.parse(device) as { driver: string; bus: string; socket: { path: string } });
    expect(served.map(({ driver, bus, socket }) => [driver, bus, socket.path])).toEqual([['vfio-user-pci', 'rp1', '/s/a'], ['vfio-user-pci', 'rp2', '/s/b,c']]);
    expect(devices(args).filter((device) => device.startsWith('pcie-root-port,'))).toHaveLength(3);
    expect(args[args.indexOf('-object') + 1]).toBe(`memory-backend-memfd,id=memory,size=${DEFAULT_MACHINE.memoryMiB}M,share=on`);
    expect(args.join(' ')).toMatch(/memory-backend=memory .*caching-mode=on/);
    expect(qemu().join(' ')).not.toMatch(/memfd|caching-mode=on/);
    expect(() => qemu({ pfs: 7, functions: ['/a', '/b'] })).toThrow(RangeError);
  });

  it.each([-1, 9, 1.5])('refuses %d PFs', (pfs) => {
    expect(() => qemu({ pfs })).toThrow(RangeError);
  });
});

it('modulesToLoad has dependencies first and each module once, and nothing that is built in', () => {
  const output = ['builtin virtio_pci', 'insmod /m/virtio_blk.ko ', 'insmod /m/crc32c_generic.ko ', 'insmod /m/erofs.ko use_x=1', 'insmod /m/crc32c_generic.ko ', 'insmod /m/netfs.ko ', ''];
  expect(modulesToLoad(output.join('\n'))).toEqual(['/m/virtio_blk.ko', '/m/crc32c_generic.ko', '/m/erofs.ko', '/m/netfs.ko']);
});

describe('bzImagePayload', () => {
  const image = (): Buffer => {
    const buffer = Buffer.alloc(4096);
    buffer.writeUInt8(1, 0x1f1);
    buffer.write('HdrS', 0x202, 'latin1');
    buffer.writeUInt16LE(0x20f, 0x206);
    buffer.writeUInt32LE(100, 0x248);
    buffer.writeUInt32LE(20, 0x24c);
    buffer.fill(7, 1024 + 100, 1024 + 116);
    return buffer;
  };

  it('is the stream without the size that follows it', () => {
    expect(bzImagePayload(image())).toEqual(Buffer.alloc(16, 7));
  });

  it('refuses other files and payloads outside of the file', () => {
    expect(() => bzImagePayload(Buffer.alloc(10))).toThrow(/not a bzImage/);
    expect(() => bzImagePayload(image().fill(0, 0x202, 0x206))).toThrow(/not a bzImage/);
    const broken = image();
    broken.writeUInt32LE(5000, 0x24c);
    expect(() => bzImagePayload(broken)).toThrow(/outside/);
  });
});

describe('tscKhz', () => {
  const cpuinfo = (flags: string): string => `processor\t: 0\ncpu MHz\t\t: 1200.000\nflags\t\t: ${flags}\nbogomips\t: 5192.28\nclflush size\t: 64\n`;

  it('is half of the BogoMIPS where the counter runs evenly', () => {
    expect(tscKhz(cpuinfo('fpu tsc constant_tsc rep_good nonstop_tsc cpuid'))).toBe(2596140);
  });

  it('is not known elsewhere', () => {
    expect(tscKhz(cpuinfo('fpu tsc constant_tsc cpuid'))).toBeUndefined();
    expect(tscKhz('processor\t: 0\n')).toBeUndefined();
  });
});

describe('kernelFaults', () => {
  it.each([
    '[    5.1] WARNING: CPU: 1 PID: 99 at drivers/x.c:3 f+0x1/0x2 [uio_vf]',
    '[    5.1] BUG: kernel NULL pointer dereference, address: 0000000000000008',
    '[    5.1] DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0xfff000 [fault reason 0x05] PTE Write access is not set',
    '[  363.1] INFO: task cat:77 blocked for more than 120 seconds.',
  ])('reports %j', (line) => {
    expect(kernelFaults(`[ 1.0] fine\r\n${line}\r\n`)).toEqual([line]);
  });

  it('keeps quiet about refusals and ordinary messages', () => {
    const log = ['[    1.2] uio_vf 0000:01:10.0: refused: no IOMMU', '[    0.0] DMAR: Intel(R) Virtualization Technology for Directed I/O',
      '[    2.0] mtrr: your CPUs had inconsistent fixed MTRR settings', '[    3.0] igb 0000:01:00.0: VF 0 attempted to set invalid MAC filter'];
    expect(kernelFaults(log.join('\n'))).toEqual([]);
  });
});
