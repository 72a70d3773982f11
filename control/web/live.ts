// SPDX-License-Identifier: BSD-3-Clause
/**
 * The node's state as it comes: by server-sent events, or by asking every few
 * seconds where too many watch already. Rates are made here, from the counters
 * of two looks.
 */
import type { PageHistory, PageSample, PageState, PageTraffic } from '../src/web/view.js';

/** How the page learns what is new. */
export type Link = 'connecting' | 'live' | 'asking' | 'lost';

export interface Live {
  readonly state: PageState | undefined;
  readonly samples: readonly PageSample[];
  readonly link: Link;
  /** By the node's clock. */
  readonly now: number;
  /** Of a lease, in bytes a second, out and in. */
  readonly rates: ReadonlyMap<string, Rate>;
}

export interface Rate {
  readonly tx: number;
  readonly rx: number;
}

interface Look {
  readonly at: number;
  readonly traffic: ReadonlyMap<string, PageTraffic>;
}

const ASK_EVERY_MS = 5000;
const TRY_STREAM_EVERY_MS = 60_000;
/** Counters of real VFs are read every two seconds: over less, rates would jump. */
const RATE_OVER_MS = 5000;
const MOST_SAMPLES = 360;

export class Feed {
  readonly #changed: (live: Live) => void;
  #state: PageState | undefined;
  #samples: PageSample[] = [];
  #link: Link = 'connecting';
  #looks: Look[] = [];
  /** What the node's clock is ahead of performance.now(). */
  #ahead = 0;
  #asking: number | undefined;

  constructor(changed: (live: Live) => void) {
    this.#changed = changed;
    this.#watch();
    setInterval(() => this.#show(), 1000);
  }

  #watch(): void {
    const stream = new EventSource('v1/page/events');
    stream.addEventListener('open', () => {
      this.#stopAsking();
      this.#link = 'live';
      void this.#loadHistory();
    });
    stream.addEventListener('state', (event: MessageEvent<string>) => this.#take(JSON.parse(event.data) as PageState, Number(event.lastEventId)));
    stream.addEventListener('error', () => {
      this.#link = 'lost';
      if (stream.readyState === EventSource.CLOSED) {
        // Refused, as when too many watch. A lost connection the browser makes again by itself.
        this.#ask();
        setTimeout(() => this.#watch(), TRY_STREAM_EVERY_MS);
      }
      this.#show();
    });
  }

  #ask(): void {
    const once = async (): Promise<void> => {
      try {
        const response = await fetch('v1/page/state');
        if (!response.ok) {
          throw new Error(response.statusText);
        }
        this.#link = 'asking';
        this.#take((await response.json()) as PageState, Date.parse(response.headers.get('date') ?? '') || Date.now());
      } catch {
        // The next try may find it; what is shown says that it is old.
        this.#link = 'lost';
        this.#show();
      }
    };
    if (this.#asking === undefined) {
      this.#asking = window.setInterval(() => void once(), ASK_EVERY_MS);
      void once().then(() => this.#loadHistory());
    }
  }

  #stopAsking(): void {
    window.clearInterval(this.#asking);
    this.#asking = undefined;
  }

  async #loadHistory(): Promise<void> {
    try {
      const { samples } = (await (await fetch('v1/page/history')).json()) as PageHistory;
      this.#samples = [...samples];
    } catch {
      // Plots begin with what comes from now on.
    }
    this.#show();
  }

  #take(state: PageState, at: number): void {
    this.#state = state;
    this.#ahead = at - performance.now();
    const traffic = new Map(state.vfs.flatMap((vf) => (vf.lease?.traffic ? [[keyOf(vf), vf.lease.traffic] as const] : [])));
    this.#looks.push({ at, traffic });
    const { sample } = state;
    if (sample !== null && sample.at > (this.#samples.at(-1)?.at ?? 0)) {
      this.#samples = [...this.#samples, sample].slice(-MOST_SAMPLES);
    }
    this.#show();
  }

  #show(): void {
    const now = performance.now() + this.#ahead;
    this.#changed({ state: this.#state, samples: this.#samples, link: this.#link, now, rates: this.#rates(now) });
  }

  #rates(now: number): Map<string, Rate> {
    const last = this.#looks.at(-1);
    const from = this.#looks.findLastIndex(({ at }) => at <= now - RATE_OVER_MS);
    this.#looks = this.#looks.slice(Math.max(0, from));
    const [first] = this.#looks;
    const rates = new Map<string, Rate>();
    if (first === undefined || last === undefined || now - first.at < 1000) {
      return rates;
    }
    const seconds = (now - first.at) / 1000;
    for (const [key, { tx_bytes: tx, rx_bytes: rx }] of last.traffic) {
      const before = first.traffic.get(key);
      // What began meanwhile began with nothing.
      rates.set(key, { tx: (tx - (before?.tx_bytes ?? 0)) / seconds, rx: (rx - (before?.rx_bytes ?? 0)) / seconds });
    }
    return rates;
  }
}

/** Of a VF under a lease: a lease may have several. */
export const keyOf = (vf: { readonly name: string; readonly lease: { readonly id: string } | null }): string => `${vf.lease?.id ?? ''} ${vf.name}`;
