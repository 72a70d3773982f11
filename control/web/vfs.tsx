// SPDX-License-Identifier: BSD-3-Clause
/** The VFs: where each is and what it is at, at a glance, and in full. */
import type { JSX } from 'preact';
import type { PageState, PageVf } from '../src/web/view.js';
import { byName, bytes, plural, rate } from './format.js';
import { keyOf, type Live, type Rate } from './live.js';
import { Table, type Column } from './table.js';

type State = PageVf['state'];

/** Each state has a sign as well as a colour. */
const SIGN: Readonly<Record<State, string>> = { leased: '●', free: '○', draining: '◐', unhealthy: '✕' };
const ORDER: Readonly<Record<State, number>> = { unhealthy: 0, draining: 1, leased: 2, free: 3 };

const tone = (vf: PageVf): string => (vf.state === 'free' && !vf.link_up ? 'nolink' : vf.state);

export function StateBadge({ vf }: { readonly vf: PageVf }): JSX.Element {
  return <span class={`badge ${tone(vf)}`}><span aria-hidden="true">{SIGN[vf.state]}</span> {vf.state}{vf.link_up ? '' : ', no link'}</span>;
}

export const nodeName = (numa: number): string => (numa < 0 ? 'NUMA node not known' : `NUMA node ${numa}`);

interface PfGroup {
  readonly pf: string;
  readonly vfs: readonly PageVf[];
  readonly trouble: PageState['pfs'][number]['trouble'];
}

export function pfGroups({ pfs, vfs }: PageState): PfGroup[] {
  return pfs.map(({ name, trouble }) => ({ pf: name, trouble, vfs: vfs.filter(({ pf }) => pf === name) }));
}

/** A card a PF, by NUMA node, with a sign for each of its VFs. */
export function PfCards({ live }: { readonly live: Live & { readonly state: PageState } }): JSX.Element {
  const groups = pfGroups(live.state);
  const nodes = [...new Set(groups.map(({ vfs }) => vfs[0]?.numa ?? -1))].sort((a, b) => a - b);
  return (
    <div class="nodes">
      {nodes.map((node) => (
        <section key={node} class="node" aria-label={nodeName(node)}>
          <h3>{nodeName(node)}</h3>
          <div class="pfs">
            {groups.filter(({ vfs }) => (vfs[0]?.numa ?? -1) === node).map((group) => <PfCard key={group.pf} group={group} rates={live.rates} />)}
          </div>
        </section>
      ))}
    </div>
  );
}

function PfCard({ group: { pf, vfs, trouble }, rates }: { readonly group: PfGroup; readonly rates: Live['rates'] }): JSX.Element {
  const [first] = vfs;
  const leased = vfs.filter(({ state }) => state === 'leased').length;
  const sum = (key: keyof Rate): number => vfs.reduce((total, vf) => total + (rates.get(keyOf(vf))?.[key] ?? 0), 0);
  const facts = first === undefined ? [] : [
    `MTU ${first.mtu}`, ...(first.vlan > 0 ? [`VLAN ${first.vlan}`] : []), ...(first.segment === '' ? [] : [first.segment.length > 20 ? `${first.segment.slice(0, 19)}…` : first.segment]),
    vfs.some(({ link_up: up }) => up) ? 'link up' : 'no link',
  ];
  return (
    <article class={`card pf ${trouble === null ? '' : 'troubled'}`}>
      <header><h4>{pf}</h4><span class="soft">{leased} of {vfs.length} leased</span></header>
      {trouble !== null && <p class="trouble"><b>Gives no VFs:</b> {trouble.message}<br /><span class="soft">{trouble.remedy}</span></p>}
      <ul class="squares" aria-label={`VFs of ${pf}`}>
        {vfs.map((vf) => (
          <li key={vf.name} class={tone(vf)} title={[vf.name, vf.state, vf.lease && `job ${vf.lease.job} rank ${vf.lease.rank}`, vf.reason].filter(Boolean).join(' · ')}>
            <span aria-hidden="true">{SIGN[vf.state]}</span><span class="unseen">{vf.name}: {vf.state}</span>
          </li>
        ))}
      </ul>
      <footer class="soft"><span>{facts.join(' · ')}</span><span class="flow">↑ {rate(sum('tx'))}&ensp;↓ {rate(sum('rx'))}</span></footer>
    </article>
  );
}

export function Memory({ used, limit }: { readonly used: number | null; readonly limit: number }): JSX.Element {
  if (used === null) {
    return <span class="soft none">–</span>;
  }
  const near = used / limit > 0.9;
  return (
    <span class={near ? 'memory near' : 'memory'} title={`${bytes(used)} of ${bytes(limit)}${near ? ': near the limit' : ''}`}>
      <meter min={0} max={limit} high={limit * 0.9} value={used} aria-hidden="true" /> {bytes(used)}{near ? ' !' : ''}
    </span>
  );
}

const rateOf = (live: Live, vf: PageVf, key: keyof Rate): number => (vf.lease === null ? -1 : (live.rates.get(keyOf(vf))?.[key] ?? 0));

function columns(live: Live): Column<PageVf>[] {
  const none = <span class="soft none">–</span>;
  return [
    { id: 'name', title: 'VF', value: ({ name }) => name },
    { id: 'state', title: 'State', value: ({ state, link_up: up }) => ORDER[state] * 2 + (up ? 1 : 0), show: (vf) => <><StateBadge vf={vf} /> {vf.reason !== null && <span class="reason">{vf.reason}</span>}</> },
    { id: 'job', title: 'Job', value: ({ lease }) => lease?.job ?? '\uffff', show: ({ lease }) => (lease === null ? none : <span class="name">{lease.job}</span>) },
    { id: 'rank', title: 'Rank', numeric: true, value: ({ lease }) => lease?.rank ?? -1, show: ({ lease }) => lease?.rank ?? none },
    { id: 'uid', title: 'User id', numeric: true, value: ({ lease }) => lease?.uid ?? -1, show: ({ lease }) => lease?.uid ?? none },
    { id: 'pid', title: 'Process', numeric: true, value: ({ lease }) => lease?.pid ?? -1, show: ({ lease }) => lease?.pid ?? none },
    { id: 'tx', title: 'Out', hint: 'sent, over the last five seconds', numeric: true, value: (vf) => rateOf(live, vf, 'tx'), show: (vf) => (vf.lease === null ? none : rate(live.rates.get(keyOf(vf))?.tx)) },
    { id: 'rx', title: 'In', hint: 'received, over the last five seconds', numeric: true, value: (vf) => rateOf(live, vf, 'rx'), show: (vf) => (vf.lease === null ? none : rate(live.rates.get(keyOf(vf))?.rx)) },
    { id: 'memory', title: 'Registered', hint: 'memory that its process has registered with it, of what it may', numeric: true, value: ({ lease }) => lease?.live_bytes ?? -1,
      show: ({ lease }) => (lease === null ? none : <Memory used={lease.live_bytes} limit={lease.limit_bytes} />) },
  ];
}

export function VfTable({ live, wanted }: { readonly live: Live & { readonly state: PageState }; readonly wanted: (text: string) => boolean }): JSX.Element {
  const groups = pfGroups(live.state)
    .map(({ pf, vfs }) => ({ pf, vfs: vfs.filter((vf) => wanted([vf.name, vf.pf, vf.state, vf.lease?.job, vf.lease?.uid, vf.reason].join(' '))) }))
    .filter(({ vfs }) => vfs.length > 0)
    .sort((a, b) => byName(a.pf, b.pf));
  return (
    <Table
      caption="VFs by PF"
      columns={columns(live)}
      groups={groups.map(({ pf, vfs }) => ({ id: pf, head: `${pf} · ${nodeName(vfs[0]?.numa ?? -1)} · ${plural(vfs.length, 'VF')}`, rows: vfs }))}
      rowId={({ name }) => name}
      first={{ column: 'name', down: false }}
      empty="No VF fits."
    />
  );
}
