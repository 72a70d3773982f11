// SPDX-License-Identifier: BSD-3-Clause
/** The command line of `npm run lab:wire`. */
import { Command, InvalidArgumentError } from 'commander';
import type { Counters, Deed, Order } from './site-control.js';
import { type Impairment, parseImpairment } from './wire/impairment.js';
import type { Direction } from './wire/port.js';

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    throw new InvalidArgumentError('a whole number from 1 on is needed');
  }
  return Number(text);
}

function faults(text: string): Partial<Impairment> {
  try {
    const { impairment, seed } = parseImpairment(text);
    if (seed !== undefined) {
      throw new RangeError('the seed is chosen when the lab starts: --wire');
    }
    return impairment;
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function oneOf<Name extends string>(...names: readonly Name[]): (text: string) => Name {
  return (text) => {
    if (!(names as readonly string[]).includes(text)) {
      throw new InvalidArgumentError(`one of ${names.join(', ')} is needed`);
    }
    return text as Name;
  };
}

/** A line for each direction of each port. */
export function countersTable(counters: Counters): string {
  const heads = ['passed', 'lost', 'duplicated', 'reordered', 'cut'] as const;
  const rows = Object.entries(counters).flatMap(([port, of]) => (['tx', 'rx'] as const)
    .map((direction) => [`${port} ${direction}`, ...heads.map((head) => String(of[direction][head])), direction === 'rx' ? String(of.overrun) : '']));
  const table = [['port', ...heads, 'overrun'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ').trimEnd()).join('\n');
}

/** @param run is given the order; returns the counters after it */
export function wireProgram(run: (order: Order, pid: number | undefined) => Promise<Counters>, print: (text: string) => void): Command {
  const program = new Command('npm run lab:wire --')
    .description('Changes the wires between the hosts of a lab that runs: npm run lab -- --hosts 2 ... in another terminal.')
    .option('--host <name>', 'only what goes to, and with cut and heal also from, this host; all by default')
    .option('--wire <name>', 'only this wire: pf0, pf1 or mgmt; all wires of PFs by default')
    .option('--direction <tx|rx>', 'as the host sees it; rx by default, both for cut and heal', oneOf<Direction>('tx', 'rx'))
    .option('--lab <pid>', 'process id of the lab, where several run', wholeNumber)
    .exitOverride();
  const give = async (deed: Deed): Promise<Counters> => {
    const { host, wire, direction, lab } = program.opts<{ host?: string; wire?: string; direction?: Direction; lab?: number }>();
    const where = { ...host === undefined ? {} : { host }, ...wire === undefined ? {} : { wire }, ...direction === undefined ? {} : { direction } };
    return await run({ ...deed, where }, lab);
  };
  program.command('cut').description('no frame gets through; the carriers stay').action(async () => void await give({ order: 'cut' }));
  program.command('heal').description('frames get through again').action(async () => void await give({ order: 'heal' }));
  program.command('set').description('loss=1%,duplicate=1%,reorder=1%,delay=5ms, each as wanted, from now on; 0% and 0ms end it').argument('<faults>', '', faults)
    .action(async (change: Partial<Impairment>) => void await give({ order: 'impair', change }));
  program.command('lose').description('loses the next frames').argument('[count]', '', wholeNumber, 1)
    .action(async (count: number) => void await give({ order: 'lose', count }));
  program.command('carrier').description("takes the carrier of a PF (pf0 unless --wire names another), or gives it back; only this is seen by the PF's driver")
    .argument('<up|down>', '', oneOf('up', 'down')).action(async (state: string) => void await give({ order: 'carrier', up: state === 'up' }));
  program.command('counters').description('frames since the start').action(async () => print(countersTable(await give({ order: 'counters' }))));
  program.commands.forEach((command) => command.exitOverride());
  return program;
}
