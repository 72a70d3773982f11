// SPDX-License-Identifier: BSD-3-Clause
/** The page of a node. It only shows; what changes anything is vfring's, on the command line. */
import 'uplot/dist/uPlot.min.css';
import './page.css';
import { render, type JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PageState } from '../src/web/view.js';
import { ago, duration, moment, plural } from './format.js';
import { JobTable } from './jobs.js';
import { Feed, type Link, type Live } from './live.js';
import { Plots } from './plots.js';
import { Health, Tiles } from './summary.js';
import { PfCards, VfTable } from './vfs.js';

const LINK: Readonly<Record<Link, readonly [sign: string, text: string]>> = {
  connecting: ['◌', 'connecting'],
  live: ['●', 'live'],
  asking: ['◐', 'every 5 s: many watch'],
  lost: ['✕', 'no connection: what you see is old'],
};

function Page(): JSX.Element {
  const [live, setLive] = useState<Live>();
  const [filter, setFilter] = useState('');
  useEffect(() => void new Feed(setLive), []);
  const state = live?.state;
  useEffect(() => {
    document.title = state === undefined ? 'vfring' : `${state.host} – vfring`;
  }, [state?.host]);
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const wanted = (text: string): boolean => words.every((word) => text.toLowerCase().includes(word));
  const [sign, text] = LINK[live?.link ?? 'connecting'];

  return (
    <>
      <a class="skip" href="#main">To the jobs</a>
      <header class="top">
        <img src="icon.svg" width="32" height="32" alt="" />
        <div class="title">
          <h1>{state?.host ?? 'vfring'}</h1>
          {state !== undefined && <p class="soft">vfring {state.release} · {state.provider === 'soft' ? 'soft VFs' : 'SR-IOV'} · up {duration(live!.now - state.started_at)}</p>}
        </div>
        <p class={`link ${live?.link ?? 'connecting'}`} role="status"><span aria-hidden="true">{sign}</span> {text}</p>
      </header>
      {state === undefined || live === undefined ? <p class="waiting">{live?.link === 'lost' ? 'vfringd does not answer yet.' : 'Asking vfringd …'}</p> : <Node live={{ ...live, state }} filter={filter} setFilter={setFilter} wanted={wanted} />}
    </>
  );
}

interface NodeProps {
  readonly live: Live & { readonly state: PageState };
  readonly filter: string;
  readonly setFilter: (text: string) => void;
  readonly wanted: (text: string) => boolean;
}

function Node({ live, filter, setFilter, wanted }: NodeProps): JSX.Element {
  return (
    <main id="main" tabIndex={-1} class={live.link === 'lost' ? 'old' : ''}>
      <Health state={live.state} />
      <Tiles live={live} />
      <section aria-labelledby="hour"><h2 id="hour">The last hour</h2><Plots samples={live.samples} /></section>
      <section aria-labelledby="ports"><h2 id="ports">Ports</h2><PfCards live={live} /></section>
      <div class="filter">
        <label for="filter">Filter jobs and VFs</label>
        <input id="filter" type="search" value={filter} placeholder="job, user id, VF, PF, state" autocomplete="off" spellcheck={false} onInput={(event) => setFilter(event.currentTarget.value)} />
      </div>
      <section aria-labelledby="jobs"><h2 id="jobs">Jobs</h2><div class="card flat"><JobTable live={live} wanted={wanted} /></div></section>
      <section aria-labelledby="vfs"><h2 id="vfs">VFs</h2><div class="card flat"><VfTable live={live} wanted={wanted} /></div></section>
      <section aria-labelledby="lately"><h2 id="lately">Lately</h2><Events live={live} /></section>
      <footer class="bottom soft">
        {plural(live.state.granted, 'lease')} given and {plural(live.state.refused, 'request')} refused since vfringd (process {live.state.pid}) started. Rates are over five seconds.
      </footer>
    </main>
  );
}

const LEVEL = { info: ['·', 'note'], warn: ['!', 'warning'], error: ['✕', 'error'] } as const;

function Events({ live: { state, now } }: Pick<NodeProps, 'live'>): JSX.Element {
  if (state.events.length === 0) {
    return <p class="card soft">Nothing yet.</p>;
  }
  return (
    <ol class="events card flat">
      {state.events.map(({ at, level, text, details, count }) => (
        <li key={`${text} ${details}`} class={level}>
          <span class="sign" aria-hidden="true">{LEVEL[level][0]}</span><span class="unseen">{LEVEL[level][1]}: </span>
          <span class="what"><b>{text}</b>{count > 1 && <span class="count"> × {count}</span>} <span class="soft">{details}</span></span>
          <time dateTime={new Date(at).toISOString()} title={moment(at)}>{ago(at, now)}</time>
        </li>
      ))}
    </ol>
  );
}

const place = document.getElementById('page');
if (place !== null) {
  place.replaceChildren();
  render(<Page />, place);
}
