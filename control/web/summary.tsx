// SPDX-License-Identifier: BSD-3-Clause
/** What one wants to know first: is all well, and how much is in use. */
import type { JSX } from 'preact';
import type { PageState } from '../src/web/view.js';
import { bytes, number, plural, rate } from './format.js';
import type { Live } from './live.js';

/** What an administrator should look at. */
function troubles({ pfs, vfs }: PageState): { readonly text: string; readonly remedy: string }[] {
  const sick = vfs.filter(({ state }) => state === 'unhealthy');
  const draining = vfs.filter(({ state }) => state === 'draining');
  const down = [...new Set(vfs.filter(({ link_up: up, state }) => !up && state !== 'unhealthy').map(({ pf }) => pf))];
  const gone = vfs.filter(({ state, reason, link_up: up }) => state === 'leased' && reason !== null && up);
  return [
    ...pfs.flatMap(({ name, trouble }) => (trouble === null ? [] : [{ text: `${name} gives no VFs: ${trouble.message}`, remedy: trouble.remedy }])),
    ...(sick.length === 0 ? [] : [{ text: `${plural(sick.length, 'VF is', 'VFs are')} unhealthy: ${sick[0]?.reason ?? ''}`, remedy: 'vfringd tries to mend it every 15 s; vfring doctor says more' }]),
    ...(gone.length === 0 ? [] : [{ text: `${plural(gone.length, 'VF')} under lease: ${gone[0]?.reason ?? ''}`, remedy: 'its job will notice; vfring job shows whose it is' }]),
    ...(draining.length === 0 ? [] : [{ text: `${plural(draining.length, 'VF is', 'VFs are')} still driven although the lease is over`, remedy: 'end that process; fuser DEVICE names it' }]),
    ...(down.length === 0 ? [] : [{ text: `no link at ${down.join(', ')}`, remedy: 'look at cable, switch port and PF: vfring doctor' }]),
  ];
}

export function Health({ state }: { readonly state: PageState }): JSX.Element {
  const found = troubles(state);
  return found.length === 0
    ? <p class="health good"><span aria-hidden="true">✓</span> All is well.</p>
    : (
      <div class="health bad" role="alert">
        <h2><span aria-hidden="true">!</span> {plural(found.length, 'matter')} to look at</h2>
        <ul>{found.map(({ text, remedy }) => <li key={text}>{text}<br /><span class="soft">{remedy}</span></li>)}</ul>
      </div>
    );
}

export function Tiles({ live: { state, rates } }: { readonly live: Live & { readonly state: PageState } }): JSX.Element {
  const { vfs } = state;
  const count = (...states: string[]): number => vfs.filter((vf) => states.includes(vf.state)).length;
  const [leased, sick] = [count('leased'), count('draining', 'unhealthy')];
  const sum = (key: 'tx' | 'rx'): number => [...rates.values()].reduce((total, one) => total + one[key], 0);
  const registered = vfs.reduce((total, { lease }) => total + (lease?.live_bytes ?? 0), 0);
  const may = vfs.reduce((total, { lease }) => total + (lease?.limit_bytes ?? 0), 0);
  const underWay = state.jobs.filter((job) => job.state === 'open' && vfs.some(({ lease }) => lease?.job === job.id && lease.uid === job.uid)).length;
  const waiting = state.jobs.filter((job) => job.state === 'queued').length;
  return (
    <dl class="tiles">
      <Tile title="VFs leased" value={`${leased}`} of={`of ${vfs.length}`} more={`${count('free')} free${state.reserved_vfs > 0 ? `, ${state.reserved_vfs} of them reserved` : ''}${sick > 0 ? `, ${sick} sick` : ''}`}>
        <svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="all" width="100" height="4" /><rect class="leased" width={vfs.length === 0 ? 0 : (100 * leased) / vfs.length} height="4" />
          <rect class="sick" x={vfs.length === 0 ? 0 : 100 - (100 * sick) / vfs.length} width={vfs.length === 0 ? 0 : (100 * sick) / vfs.length} height="4" />
        </svg>
      </Tile>
      <Tile title="Traffic" value={`↑ ${rate(sum('tx'))}`} more={`↓ ${rate(sum('rx'))}`} />
      <Tile title="Jobs under way" value={number(underWay)} more={waiting === 0 ? 'none waits' : `${plural(waiting, 'waits', 'wait')} for ${plural(state.queued_vfs, 'VF')}`} />
      <Tile title="Registered memory" value={bytes(registered)} more={may === 0 ? 'nothing leased' : `of ${bytes(may)} that processes may`} />
    </dl>
  );
}

function Tile({ title, value, of, more, children }: { title: string; value: string; of?: string; more: string; children?: JSX.Element }): JSX.Element {
  return <div class="card tile"><dt>{title}</dt><dd><span class="value">{value}</span>{of !== undefined && <span class="of"> {of}</span>}{children}<span class="soft more">{more}</span></dd></div>;
}
