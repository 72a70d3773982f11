// SPDX-License-Identifier: BSD-3-Clause
/** The page in Debian's chromium: what people see and do. */
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readAssets } from '../../src/web/assets.js';
import { WebServer, type WebLimits } from '../../src/web/server.js';
import type { PageState } from '../../src/web/view.js';
import { eventually } from '../helpers/eventually.js';
import { launch, open, type WatchedPage } from '../helpers/browser.js';
import { startPage } from '../helpers/page.js';
import { pageHistoryAt, pageStateAt } from '../helpers/page-state.js';
import { ask, leaseRequest } from '../helpers/lease-client.js';

const assets = readAssets(join(import.meta.dirname, '../../../build/web'));
/** Where pictures of the page go, for people to look at. */
const pictures = process.env['VFRING_PICTURES'];

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

interface Served {
  readonly url: string;
  /** What the page is told from now on. */
  state: PageState;
}

/** A server that says what the test wants. */
async function serve(state: PageState, limits: Partial<WebLimits> = {}): Promise<Served> {
  const served = { url: '', state };
  const web = new WebServer({
    policy: { hosts: new Set(), token: undefined },
    assets,
    ask: async (topic) => (topic === 'metrics' ? '' : JSON.stringify(topic === 'state' ? served.state : pageHistoryAt(Date.now()))),
    limits: { lookMs: 50, freshMs: 10, ...limits },
  });
  onTestFinished(() => web.close());
  await new Promise<void>((resolve) => web.server.listen(0, '127.0.0.1', resolve));
  served.url = `http://127.0.0.1:${(web.server.address() as AddressInfo).port}/`;
  return served;
}

const atWork = (): PageState => pageStateAt(Date.now(), 600);
const column = (page: Page, section: string, title: string): Promise<string[]> => page.locator(`section[aria-labelledby=${section}] tbody [data-title="${title}"]`).allInnerTexts();
const names = (page: Page, section: string, title: string): Promise<string[]> => column(page, section, title).then((texts) => texts.map((text) => text.trim()));

async function begin(state: PageState = atWork(), options: Parameters<typeof open>[2] = {}): Promise<WatchedPage & { served: Served }> {
  const served = await serve(state);
  const watched = await open(browser, served.url, options);
  await watched.page.getByRole('heading', { level: 1, name: state.host }).waitFor();
  await watched.page.locator('.plot canvas').first().waitFor();
  return { ...watched, served };
}

async function picture(page: Page, name: string): Promise<void> {
  if (pictures !== undefined) {
    await page.waitForTimeout(1500);
    await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  }
}

const sideways = (page: Page): Promise<number> => page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');

test.each([['light', 1280], ['dark', 1280], ['light', 375], ['dark', 375], ['light', 320], ['light', 820]] as const)('%s at %i pixels: nothing goes wrong, nothing is cut off', async (colorScheme, width) => {
  const { page, wrong, served } = await begin(atWork(), { colorScheme, viewport: { width, height: 900 } });
  served.state = pageStateAt(Date.now(), 605);
  await picture(page, `${colorScheme}-${width}`);
  expect(await sideways(page)).toBe(0);
  const ground = await page.evaluate<number[]>(`getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)`);
  expect(Math.max(...ground) < 60).toBe(colorScheme === 'dark');
  await page.getByRole('button', { name: /^Details of run-node7/ }).click();
  await page.getByText('Values').first().click();
  expect(await sideways(page)).toBe(0);
  await picture(page, `${colorScheme}-${width}-open`);
  expect(wrong).toEqual([]);
});

describe('tables', () => {
  test('are sorted by the heads of their columns, numbers as numbers and names with numbers as people do', async () => {
    const state = atWork();
    const vfs = ['vf10', 'vf9', 'vf2'].map((name, i) => ({ ...(state.vfs[i] as PageState['vfs'][number]), name, lease: { ...state.vfs[i]?.lease, rank: [7, 70, 8][i] } })) as PageState['vfs'];
    const { page, wrong } = await begin({ ...state, vfs, pfs: [{ name: 'ens1f0', trouble: null }] });
    const table = page.locator('section[aria-labelledby=vfs]');
    const head = (title: string) => table.getByRole('columnheader', { name: title });
    expect(await names(page, 'vfs', 'VF')).toEqual(['vf2', 'vf9', 'vf10']);
    expect(await head('VF').getAttribute('aria-sort')).toBe('ascending');
    await head('VF').getByRole('button').click();
    expect(await names(page, 'vfs', 'VF')).toEqual(['vf10', 'vf9', 'vf2']);
    await head('Rank').getByRole('button').click();
    expect(await names(page, 'vfs', 'Rank')).toEqual(['70', '8', '7']);
    expect([await head('Rank').getAttribute('aria-sort'), await head('VF').getAttribute('aria-sort')]).toEqual(['descending', 'none']);
    expect(wrong).toEqual([]);
  });

  test('stay sorted, open and filtered while what they show changes', async () => {
    const { page, served } = await begin();
    await page.getByLabel('Filter jobs and VFs').fill('slurm open');
    expect(await names(page, 'jobs', 'Job')).toEqual(['slurm-48213']);
    await page.getByRole('button', { name: 'Details of slurm-48213' }).click();
    const next = pageStateAt(Date.now(), 900);
    served.state = { ...next, jobs: [...next.jobs, { ...(next.jobs[1] as PageState['jobs'][number]), id: 'slurm-5' }] };
    await eventually(async () => String(await names(page, 'jobs', 'Job')) === String(['slurm-5', 'slurm-48213']));
    expect(await page.locator('.rails').first().innerText()).toContain('0000:01:10.4');
  });
});

test('by keyboard alone: to the jobs, sorted, opened, filtered', async () => {
  const { page, wrong } = await begin();
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toBe('To the jobs');
  const tabTo = async (name: string): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate<boolean>(`(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).startsWith(${JSON.stringify(name)})`)) {
        // Where one is, is seen.
        expect(await page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
        return;
      }
    }
    throw new Error(`${name} is not reached by Tab`);
  };
  await tabTo('Job');
  await page.keyboard.press('Enter');
  expect((await names(page, 'jobs', 'Job')).slice(0, 2)).toEqual(['job-mwtqz-4', 'run-node7-mwtr1wmr-1']);
  await tabTo('Details of run-node7');
  await page.keyboard.press('Space');
  await page.getByText('Rank 7').waitFor();
  expect(await page.locator('.rails').first().locator('li').count()).toBe(2);
  await page.keyboard.press('Space');
  expect(await page.getByText('Rank 7').count()).toBe(0);
  expect(wrong).toEqual([]);
});

describe('labels that somebody means to be markup', () => {
  test('are text', async () => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    const state = atWork();
    const hostile: PageState = {
      ...state,
      jobs: state.jobs.map((job) => ({ ...job, id: evil, how: evil, hosts: [evil] })),
      vfs: state.vfs.map((vf) => ({ ...vf, name: `${vf.name}${evil}`, reason: evil, segment: evil, ...(vf.lease && { lease: { ...vf.lease, job: evil } }) })),
      pfs: state.pfs.map((pf) => ({ ...pf, trouble: { message: evil, remedy: evil } })),
      events: [{ at: 1, level: 'warn', text: evil, details: 'javascript:alert(1) \u202e right to left', count: 2 }],
    };
    const { page, wrong } = await begin(hostile, { viewport: { width: 375, height: 700 } });
    expect((await names(page, 'jobs', 'Job'))[0]).toBe(evil);
    expect(await page.title()).toBe('node7 – vfring');
    expect(await page.locator('#page script, #page a[href^=javascript], #page [onerror]').count()).toBe(0);
    expect(await sideways(page)).toBe(0);
    expect(wrong).toEqual([]);
  });

  test('may be as long as labels may be', async () => {
    const state = atWork();
    const { page } = await begin({ ...state, jobs: state.jobs.map((job, i) => ({ ...job, id: `${i}${'x'.repeat(127)}` })) }, { viewport: { width: 320, height: 700 } });
    expect(await sideways(page)).toBe(0);
  });
});

describe('what it says of itself', () => {
  test('nothing amiss; then a PF that gives no VFs, with what to do', async () => {
    const state = atWork();
    const { page, served } = await begin({ ...state, vfs: state.vfs.filter((vf) => ['free', 'leased'].includes(vf.state)) });
    await page.getByText('All is well.').waitFor();
    served.state = { ...state, pfs: [{ name: 'ens1f0', trouble: { message: 'there is no network interface ens1f0', remedy: 'ip link shows the names' } }] };
    await page.getByRole('alert').getByText('ip link shows the names').waitFor();
  });

  test('a node that has just started: no job, no plot yet', async () => {
    const now = Date.now();
    const { page, wrong } = await begin(pageStateAt(now, 0, { jobs: [], events: [], vfs: [], pfs: [], sample: null, started_at: now }));
    await page.getByText('No job yet').waitFor();
    expect(wrong).toEqual([]);
  });

  test('where too many watch, it asks every few seconds and says so', async () => {
    const served = await serve(atWork(), { streams: 0 });
    const { page } = await open(browser, served.url);
    await page.getByRole('status').getByText('every 5 s').waitFor();
    expect(await names(page, 'jobs', 'Job')).toContain('slurm-48213');
  });
});

test('over a real vfringd: a lease appears while one watches', async () => {
  const node = await startPage();
  const { page, wrong } = await open(browser, `${node.url}/`);
  await page.getByText('No job yet').waitFor();
  await ask(node.lease, leaseRequest({ job: 'appears', ranks: 2 }));
  await eventually(async () => String(await names(page, 'jobs', 'Job')) === String(['appears']));
  await page.getByText('lease granted').waitFor();
  expect(wrong).toEqual([]);
  await node.daemon.stop('end');
  await page.getByRole('status').getByText('no connection').waitFor();
});
