// SPDX-License-Identifier: BSD-3-Clause
/**
 * From many announcements of the kernel to few looks at the node. A look may
 * itself bind and unbind VFs, which is announced again: so looks are kept apart,
 * and one that finds nothing to do ends it.
 */
export interface HotplugOptions {
  readonly look: () => Promise<void>;
  /** Told why a look failed. The next announcement is followed all the same. */
  readonly failed: (error: unknown) => void;
  /** A card that is plugged in makes many announcements: wait until it is quiet. */
  readonly quietMs?: number;
  /** From the end of one look to the next. */
  readonly apartMs?: number;
}

const QUIET_MS = 300;
const APART_MS = 5000;

export class Hotplug {
  readonly #look: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  readonly #quietMs: number;
  readonly #apartMs: number;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor({ look, failed, quietMs = QUIET_MS, apartMs = APART_MS }: HotplugOptions) {
    this.#look = look;
    this.#failed = failed;
    this.#quietMs = quietMs;
    this.#apartMs = apartMs;
  }

  /** The kernel has announced a change. */
  announce(): void {
    if (this.#looking || this.#closed) {
      // It may be our own doing; what is not, the rounds find.
      return;
    }
    clearTimeout(this.#timer);
    const wait = Math.max(this.#quietMs, this.#lastEnd + this.#apartMs - performance.now());
    this.#timer = setTimeout(() => void this.#run(), wait);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#looking = true;
    try {
      await this.#look();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#looking = false;
      this.#lastEnd = performance.now();
    }
  }
}
