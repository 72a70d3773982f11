// SPDX-License-Identifier: BSD-3-Clause
/** Reads from the output of root.sh, and of debootstrap and apt in it, how far the making of the root file system has come. */

/** What apt and dpkg say of one package each. */
const PACKAGE_LINES = [
  { done: 'fetched', line: /^Get:\d+ \S+ \S+ \S+ ([^ :]+)/ },
  { done: 'unpacked', line: /^Unpacking ([^ :]+)/ },
  { done: 'set up', line: /^Setting up ([^ :]+)/ },
] as const;

export class ImageProgress {
  #step = '';
  #detail = '';
  /** Packages that this step is about; 0 while apt has not said it. */
  #total = 0;
  #counts = new Map<string, number>();

  /** @returns whether a step begins with this line */
  add(line: string): boolean {
    const step = /^step (\d+ of \d+: .*)$/.exec(line)?.[1];
    if (step !== undefined) {
      this.#step = step;
      this.#restart(0);
      return true;
    }
    const total = /(\d+) newly installed/.exec(line)?.[1];
    if (total !== undefined) {
      this.#restart(Number(total));
    }
    for (const { done, line: pattern } of PACKAGE_LINES) {
      const name = pattern.exec(line)?.[1];
      if (name !== undefined && this.#total > 0) {
        const count = (this.#counts.get(done) ?? 0) + 1;
        this.#counts.set(done, count);
        this.#detail = `${count} of ${this.#total} packages ${done}, ${name}`;
      }
    }
    const base = /^I: (\w+ing) (\S+)/.exec(line);
    if (base !== null) {
      this.#detail = `${base[1]!.toLowerCase()} ${base[2]!}`;
    }
    return false;
  }

  /** The step, and within it what is being done. */
  toString(): string {
    return `step ${this.#step}${this.#detail === '' ? '' : `: ${this.#detail}`}`;
  }

  #restart(total: number): void {
    this.#total = total;
    this.#detail = '';
    this.#counts = new Map();
  }
}
