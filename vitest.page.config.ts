// SPDX-License-Identifier: BSD-3-Clause
/** The page in a browser, and what Prometheus makes of the metrics: npm test -- page. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['control/tests/**/*.page.ts'],
    globalSetup: ['control/tests/helpers/build-addon.ts'],
    // A limit against hanging only: machines that run this may be slow and busy.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
