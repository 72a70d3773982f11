// SPDX-License-Identifier: BSD-3-Clause
/** The suites of providers on real VFs: made one file and run in the emulated machine by scripts/lib/lab-suites.ts. */
import { providerSuite } from '../providers/suite.js';
import { sriovSuite } from '../providers/sriov/suite.js';
import { realMachine } from './real-machine.js';

providerSuite('sriov', realMachine);
sriovSuite('the emulated machine', realMachine);
