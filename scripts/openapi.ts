// SPDX-License-Identifier: BSD-3-Clause
/** npm run openapi: writes docs/openapi.json from the table of calls that vfringd serves. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApi } from '../control/src/api/openapi.js';

writeFileSync(join(import.meta.dirname, '..', 'docs', 'openapi.json'), `${JSON.stringify(openApi(), null, 2)}\n`);
