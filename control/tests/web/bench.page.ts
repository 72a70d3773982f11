// SPDX-License-Identifier: BSD-3-Clause
/** The page of vfring bench in Debian's chromium: what people see and do. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { compare } from '../../src/bench/compare.js';
import { pageOf, readPageAssets } from '../../src/bench/page.js';
import type { Result } from '../../src/bench/result.js';
import { eventually } from '../helpers/eventually.js';
import { launch, open, type WatchedPage } from '../helpers/browser.js';
import { benchLaunch, benchResult } from '../helpers/bench-result.js';

const assets = readPageAssets(join(import.meta.dirname, '../../../build/web'));
/** Where pictures of the page go, for people to look at. */
const pictures = process.env['VFRING_PICTURES'];

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** A launch failed, one transport is missing, tcp's rounds differ: all that a page can have. */
function troubled(): Result {
  const { launches } = benchResult();
  const wild = launches.map((one) => (one.transport === 'tcp' && one.round === 2 ? { ...one, rows: one.rows.map((row) => ({ ...row, median_us: Number(row['median_us']) * 3 })) } : one));
  return benchResult({
    state: 'interrupted', why: 'it was interrupted (SIGINT)', load_before: [6.1, 4, 3], launches: [...wild, benchLaunch({ round: 6, ok: false, failure: 'exit status 1: no route to host' })],
    skipped: [{ transport: 'ucx', why: 'this Open MPI (5.0.7) has no component pml/ucx', remedy: 'install an Open MPI that was built with UCX' }],
  });
}

async function begin(result: Result = benchResult(), options: Parameters<typeof open>[2] = {}, before?: Result): Promise<WatchedPage> {
  const text = pageOf(result, before === undefined ? undefined : compare(before, result), assets);
  const server: Server = createServer((_request, response) => response.setHeader('content-type', 'text/html; charset=utf-8').end(text));
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const watched = await open(browser, `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, options);
  await watched.page.locator('.plot canvas').first().waitFor();
  return watched;
}

const sideways = (page: Page): Promise<number> => page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

async function picture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined) {
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }
}

test.each([['light', 1280], ['dark', 1280], ['light', 375], ['dark', 375], ['light', 320], ['light', 820]] as const)('%s at %i pixels: nothing goes wrong, nothing is cut off, nothing is fetched', async (colorScheme, width) => {
  const { page, wrong } = await begin(troubled(), { colorScheme, viewport: { width, height: 900 } }, benchResult({}, [1.3, 1.31, 1.29, 1.3, 1.32]));
  expect(await sideways(page)).toBe(0);
  const ground = await page.evaluate<number[]>(`getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)`);
  expect(Math.max(...ground) < 60).toBe(colorScheme === 'dark');
  await picture(page, `bench-${colorScheme}-${width}`);
  for (const summary of await page.locator('figure summary').all()) {
    await summary.click();
  }
  expect(await sideways(page)).toBe(0);
  expect(await page.locator('.canvas canvas').count()).toBe(10);
  expect(wrong).toEqual([]);
});

test('by keyboard alone: to the results, from size to size, a transport away and back', async () => {
  const { page, wrong } = await begin();
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toBe('To the results');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.id')).toBe('b0m0');
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  const at = page.locator('figure').first().locator('.at');
  const said: string[] = [];
  for (const key of ['Home', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'End']) {
    await page.keyboard.press(key);
    said.push((await at.innerText()).split(',')[0] as string);
  }
  expect(said).toEqual(['8 B', '64 B', '1 KiB', '64 B', '1 MiB']);
  await page.keyboard.press('Home');
  expect(await at.innerText()).toBe('8 B, µs: vfring 0.662, tcp 9.27, sm 0.397');
  await page.keyboard.press('Tab');
  const first = page.locator('figure').first().getByRole('button', { name: /^vfring/ });
  expect(await first.evaluate('document.activeElement.dataset.line')).toBe('vfring');
  await page.keyboard.press('Space');
  expect(await first.getAttribute('aria-pressed')).toBe('false');
  await page.keyboard.press('Space');
  expect(await first.getAttribute('aria-pressed')).toBe('true');
  expect(wrong).toEqual([]);
});

describe('what is drawn', () => {
  /** How many pixels of the first plot have about this colour. */
  const pixels = (page: Page, variable: string): Promise<number> => page.evaluate<number>(`(() => {
    const canvas = document.querySelector('.canvas canvas');
    const hex = getComputedStyle(document.documentElement).getPropertyValue('${variable}').trim();
    const wanted = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && wanted.every((value, c) => Math.abs(data[i + c] - value) < 8)) count++;
    }
    return count;
  })()`);

  test('is a line a transport, and goes when its button is pressed', async () => {
    const { page } = await begin();
    for (const line of ['--line0', '--line1', '--line2']) {
      await eventually(async () => (await pixels(page, line)) > 100);
    }
    await page.locator('figure').first().getByRole('button', { name: /^tcp/ }).click();
    await eventually(async () => (await pixels(page, '--line1')) === 0 && (await pixels(page, '--line0')) > 100);
  });

  test('has other colours in the dark, without being asked', async () => {
    const { page } = await begin();
    await page.emulateMedia({ colorScheme: 'dark' });
    await eventually(async () => (await pixels(page, '--line0')) > 100);
  });
});

test('without JavaScript all figures are there as tables', async () => {
  const text = pageOf(benchResult(), undefined, assets);
  const context = await browser.newContext({ javaScriptEnabled: false });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.setContent(text);
  expect(await page.locator('.canvas').first().isVisible()).toBe(false);
  await page.locator('summary').first().click();
  expect(await page.getByRole('rowheader', { name: '64 KiB' }).first().isVisible()).toBe(true);
});
