// SPDX-License-Identifier: BSD-3-Clause
/** Debian's chromium without a window, and pages in it that are watched for what goes wrong. */
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** What was wrong: errors of the console, exceptions, violations of the policy, requests to elsewhere. */
export interface WatchedPage {
  readonly page: Page;
  readonly wrong: string[];
}

export function launch(): Promise<Browser> {
  // Its own sandbox needs namespaces that a container, or root, has not.
  return chromium.launch({ executablePath: process.env['VFRING_CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB', ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const wrong: string[] = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrong.push(message.text()));
  page.on('pageerror', (error) => wrong.push(String(error)));
  page.on('request', (request) => !request.url().startsWith(new URL(url).origin) && wrong.push(`asks for ${request.url()}`));
  await page.addInitScript({ content: `document.addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample))` });
  await page.goto(url);
  return { page, wrong };
}
