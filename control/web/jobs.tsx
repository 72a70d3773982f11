// SPDX-License-Identifier: BSD-3-Clause
/** Jobs: under way with what their VFs do now, and those that have ended lately. A job opens into its ranks and their rails. */
import type { JSX } from 'preact';
import type { PageJob, PageState, PageVf } from '../src/web/view.js';
import { ago, bytes, moment, number, plural, rate } from './format.js';
import { keyOf, type Live } from './live.js';
import { Table, type Column } from './table.js';
import { Memory } from './vfs.js';

interface Row {
  readonly job: PageJob;
  /** Those that its processes hold now. */
  readonly vfs: readonly PageVf[];
  readonly tx: number;
  readonly rx: number;
  readonly live_bytes: number;
  readonly peak_bytes: number;
  readonly carried_bytes: number;
}

const STATE: Readonly<Record<PageJob['state'], readonly [sign: string, order: number]>> = { open: ['●', 0], queued: ['◔', 1], ended: ['■', 2] };

function rows({ state, rates }: Live & { readonly state: PageState }): Row[] {
  return state.jobs.map((job) => {
    const vfs = state.vfs.filter(({ lease }) => lease !== null && lease.job === job.id && lease.uid === job.uid);
    const sum = (value: (vf: PageVf) => number): number => vfs.reduce((total, vf) => total + value(vf), 0);
    return {
      job,
      vfs,
      tx: sum((vf) => rates.get(keyOf(vf))?.tx ?? 0),
      rx: sum((vf) => rates.get(keyOf(vf))?.rx ?? 0),
      live_bytes: sum(({ lease }) => lease?.live_bytes ?? 0),
      peak_bytes: Math.max(job.totals.peak_bytes, ...vfs.map(({ lease }) => lease?.peak_bytes ?? 0)),
      carried_bytes: job.totals.tx_bytes + job.totals.rx_bytes + sum(({ lease }) => (lease?.traffic?.tx_bytes ?? 0) + (lease?.traffic?.rx_bytes ?? 0)),
    };
  });
}

/** How many ranks hold VFs, and how many VFs each: its rails. */
function ranksText({ vfs, job }: Row): string {
  const leases = new Map<string, number>();
  vfs.forEach(({ lease }) => leases.set(lease?.id ?? '', (leases.get(lease?.id ?? '') ?? 0) + 1));
  const rails = [...new Set(leases.values())].sort((a, b) => a - b);
  const of = job.ranks === null ? '' : ` of ${job.ranks}`;
  return leases.size === 0 ? (job.ranks === null ? '–' : `0${of}`) : `${leases.size}${of}${rails.length === 1 && rails[0] === 1 ? '' : ` × ${rails.join('–')} rails`}`;
}

function columns(now: number): Column<Row>[] {
  const none = <span class="soft none">–</span>;
  const ended = (row: Row): boolean => row.job.state === 'ended';
  return [
    { id: 'id', title: 'Job', value: ({ job }) => job.id, show: ({ job }) => <span class="name">{job.id}</span> },
    { id: 'uid', title: 'User id', numeric: true, value: ({ job }) => job.uid },
    { id: 'state', title: 'State', value: ({ job }) => STATE[job.state][1],
      show: ({ job }) => <><span class={`badge ${job.state}`}><span aria-hidden="true">{STATE[job.state][0]}</span> {job.state}</span>{job.how !== null && <span class="reason">{job.how}</span>}
        {job.state === 'queued' && <span class="reason">waits for {plural(job.vfs ?? 0, 'VF')}</span>}</> },
    { id: 'ranks', title: 'Ranks', hint: 'processes that hold VFs now, of those announced', numeric: true, value: ({ vfs }) => vfs.length, show: ranksText },
    { id: 'tx', title: 'Out', hint: 'sent, over the last five seconds', numeric: true, value: ({ tx }) => tx, show: (row) => (ended(row) ? none : rate(row.tx)) },
    { id: 'rx', title: 'In', hint: 'received, over the last five seconds', numeric: true, value: ({ rx }) => rx, show: (row) => (ended(row) ? none : rate(row.rx)) },
    { id: 'carried', title: 'Carried', hint: 'out and in together, since it began', numeric: true, value: (row) => row.carried_bytes, show: (row) => bytes(row.carried_bytes) },
    { id: 'again', title: 'Sent again', hint: 'frames, as its processes said when they gave their VFs back', numeric: true, value: ({ job }) => (job.totals.reports === 0 ? -1 : job.totals.retransmitted),
      show: ({ job }) => (job.totals.reports === 0 ? none : number(job.totals.retransmitted)) },
    { id: 'memory', title: 'Registered', hint: 'memory registered now; at most with one VF', numeric: true, value: (row) => (ended(row) ? row.peak_bytes : row.live_bytes),
      show: (row) => (row.peak_bytes === 0 ? none : <span>{ended(row) ? '' : bytes(row.live_bytes)}<span class="reason">peak {bytes(row.peak_bytes)}</span></span>) },
    { id: 'began', title: 'Began', numeric: true, value: ({ job }) => job.created_at, show: ({ job }) => <time dateTime={new Date(job.created_at).toISOString()} title={moment(job.created_at)}>{ago(job.created_at, now)}</time> },
  ];
}

export function JobTable({ live, wanted }: { readonly live: Live & { readonly state: PageState }; readonly wanted: (text: string) => boolean }): JSX.Element {
  const found = rows(live).filter(({ job }) => wanted([job.id, job.uid, job.state, job.how].join(' ')));
  return (
    <Table
      caption="Jobs"
      columns={columns(live.now)}
      groups={[{ id: 'all', head: undefined, rows: found }]}
      rowId={({ job }) => `${job.id} of user ${job.uid}`}
      first={{ column: 'began', down: true }}
      open={(row) => (row.vfs.length === 0 && row.job.hosts === null ? undefined : <Ranks row={row} live={live} />)}
      empty="No job yet: vfring run -n 2 -- ./program begins one."
    />
  );
}

/** Each rank with its rails. */
function Ranks({ row: { job, vfs }, live }: { readonly row: Row; readonly live: Live }): JSX.Element {
  const leases = [...new Map(vfs.map((vf) => [vf.lease?.id, vf.lease])).values()].sort((a, b) => (a?.rank ?? 0) - (b?.rank ?? 0));
  return (
    <div class="ranks">
      {job.hosts !== null && <p class="soft">Runs on {job.hosts.join(', ')}; what is below is of this node.</p>}
      <ul>
        {leases.map((lease) => (
          <li key={lease?.id} class="rank">
            <b>Rank {lease?.rank}</b> <span class="soft">process {lease?.pid}</span>
            <ul class="rails">
              {vfs.filter((vf) => vf.lease?.id === lease?.id).map((vf) => (
                <li key={vf.name}>
                  <span class="name">{vf.name}</span> <span class="soft">{vf.pf}</span> ↑ {rate(live.rates.get(keyOf(vf))?.tx)} ↓ {rate(live.rates.get(keyOf(vf))?.rx)}{' '}
                  <Memory used={vf.lease?.live_bytes ?? null} limit={vf.lease?.limit_bytes ?? 1} />
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </div>
  );
}
