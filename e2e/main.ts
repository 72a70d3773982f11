// SPDX-License-Identifier: BSD-3-Clause
/**
 * The end-to-end tests: `node --test-reporter=tap main.js soft|lab|lab-vfio [PART...]`; lab-vfio is the emulated
 * machine with its VFs bound to the kernel's vfio-pci instead of uio_vf.
 * PART limits the run to provision, carry, crash, disturb, doctor, input, programs,
 * conformance, rails, loss, slots, applications, valgrind, bench or hardware; the last six run by themselves over
 * soft VFs only, and applications and hardware in the emulated machine when named. no-iommu,
 * no-intremap and systemd are for machines booted so, and run only when named.
 */
import { applicationTests } from './applications.test.js';
import { badInputTests, noIommuTests } from './bad-input.test.js';
import { benchTests } from './bench.test.js';
import { carryTests } from './carry.test.js';
import { conformanceTests, fewSlotsTests, lossTests } from './conformance.test.js';
import { crashTests } from './crash.test.js';
import { disturbTests } from './disturb.test.js';
import { doctorTests, noIntremapDoctorTests, noIommuDoctorTests } from './doctor.test.js';
import { hardwareTests } from './hardware.test.js';
import { programTests } from './programs.test.js';
import { provisionTests } from './provision.test.js';
import { railsTests } from './rails.test.js';
import type { Site } from './site.js';
import { systemdTests } from './systemd.test.js';
import { valgrindTests } from './valgrind.test.js';

const [kind, ...parts] = process.argv.slice(2);

async function makeSite(): Promise<Site> {
  if (kind === 'lab' || kind === 'lab-vfio') {
    return new (await import('./lab-site.js')).LabSite(kind === 'lab' ? 'uio_vf' : 'vfio');
  }
  const site = await (await import('./soft-site.js')).SoftSite.create();
  process.once('exit', () => site.remove());
  return site;
}

const suites: Readonly<Record<string, (site: Site) => void>> = {
  provision: provisionTests,
  carry: carryTests,
  crash: crashTests,
  disturb: disturbTests,
  doctor: doctorTests,
  input: badInputTests,
  programs: programTests,
  conformance: conformanceTests,
  rails: railsTests,
};

/** Long in the emulated machine, or in need of what only soft VFs can do. */
const softByDefault: typeof suites = {
  loss: lossTests,
  slots: fewSlotsTests,
  applications: applicationTests,
  valgrind: valgrindTests,
  bench: benchTests,
  hardware: hardwareTests,
};

const onlyWhenNamed: typeof suites = {
  systemd: systemdTests,
  'no-iommu': (site) => {
    noIommuTests(site, /intel_iommu=on/);
    noIommuDoctorTests(site);
  },
  'no-intremap': (site) => {
    noIommuTests(site, /interrupt remapping/i);
    noIntremapDoctorTests(site);
  },
};

const site = await makeSite();
const byDefault = kind !== 'soft' ? suites : { ...suites, ...softByDefault };
for (const name of parts.length > 0 ? parts : Object.keys(byDefault)) {
  const suite = suites[name] ?? softByDefault[name] ?? onlyWhenNamed[name];
  if (suite === undefined) {
    throw new Error(`there is no part ${name}`);
  }
  suite(site);
}
