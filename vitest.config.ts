// SPDX-License-Identifier: BSD-3-Clause
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['control/tests/**/*.test.ts', 'lab/tests/**/*.test.ts', 'scripts/tests/**/*.test.ts'],
    globalSetup: ['control/tests/helpers/build-addon.ts'],
    // A limit against hanging only: machines that run this may be slow and busy.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
