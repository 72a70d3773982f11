// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs of Debian that know nothing of vfring compute over it what they
 * compute over btl/tcp, to the last digit that they print.
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { allReturned, asUser, vfringRun, type Daemon, type Site } from './site.js';

const RANKS = 4;
/** Debian's own: another python3 in PATH would not have mpi4py. */
const PYTHON = '/usr/bin/python3';

const overTcp = (...program: string[]): string[] =>
  ['mpirun', '-n', String(RANKS), '--oversubscribe', '--mca', 'pml', 'ob1', '--mca', 'btl', 'self,tcp', '--mca', 'btl_tcp_if_include', 'lo', ...program];

interface Result {
  readonly output: string;
  /** Its lines that are results, without times. */
  readonly numbers: readonly string[];
}

/** Runs the program over both, compares the numbers, and returns the output of the run over vfring. */
async function sameOverBoth(
  site: Site, program: readonly string[], cwd: string, numbersOf: (output: string) => string[], timeoutS = 1200,
): Promise<Result> {
  const results: Result[] = [];
  for (const argv of [overTcp(...program), vfringRun(RANKS, ...program)]) {
    const { status, stdout, stderr } = await asUser(site, argv, { cwd, timeoutS });
    assert.equal(status, 0, `${argv.join(' ')}\n${stdout}${stderr}`);
    results.push({ output: stdout, numbers: numbersOf(stdout) });
  }
  const [tcp, vfring] = results as [Result, Result];
  assert.ok(tcp.numbers.length > 0, `${program.join(' ')} prints results: ${tcp.output}`);
  assert.deepEqual(vfring.numbers, tcp.numbers);
  await allReturned(site);
  return vfring;
}

// --- ScaLAPACK ---------------------------------------------------------------

interface ScalapackTest {
  readonly program: string;
  /** Its input, which it looks for in its working folder. */
  readonly input: string;
  /**
   * Fields of a line of results that are not compared, from 0: times and rates,
   * and the residuals of programs that add up in the order in which messages
   * come (two runs over btl/tcp differ as well). The verdict always is.
   */
  readonly omit: readonly number[];
}

/** Factorisations, inversion, reductions, eigenvalues, and PBLAS; with residuals where a run repeats them. */
const SCALAPACK: readonly ScalapackTest[] = [
  { program: 'xdlu', input: 'LU.dat', omit: [8, 9, 10] },
  { program: 'xdllt', input: 'LLT.dat', omit: [8, 9, 10] },
  { program: 'xdqr', input: 'QR.dat', omit: [7, 8] },
  // Not xzinv: its triangular matrices fail with ScaLAPACK 2.2.2 (Debian 13), on one process as well.
  { program: 'xcinv', input: 'INV.dat', omit: [5, 6, 7] },
  { program: 'xdbrd', input: 'BRD.dat', omit: [6, 7, 8] },
  { program: 'xdhrd', input: 'HRD.dat', omit: [7, 8, 9] },
  { program: 'xzsep', input: 'SEP.dat', omit: [6, 7, 8, 9] },
  { program: 'PBLAS/dpb3tst', input: 'PBLAS/PDBLAS3TST.dat', omit: [] },
];

/**
 * Without condition estimates: in them (pdlacon) the ranks of ScaLAPACK 2.2.1 can
 * take different ways and wait for each other for ever, over any BTL.
 */
const withoutEstimates = (input: string): string => input.replace(/^T(\s+\(T or F\) Test Cond)/m, 'F$1');

/** Lines with a verdict or a count, without the fields to omit. */
function scalapackNumbers(output: string, omit: readonly number[]): string[] {
  return output.split('\n').flatMap((line) => {
    if (/tests completed|tests skipped|Computational check|^\s*\|\s+P[SDCZ]\w+\s+\d/.test(line)) {
      return [line.trim().split(/\s+/).join(' ')];
    }
    return /\b(PASSED|FAILED|BYPASS)\b/.test(line) && !/THRESH|SUBROUTINE/.test(line)
      ? [line.trim().split(/\s+/).filter((_field, index) => !omit.includes(index)).join(' ')]
      : [];
  });
}

// --- mpi4py ----------------------------------------------------------------------

/** Conjugate gradients on a ring-shaped chain, halo exchange, Gatherv and pickled objects. */
const MPI4PY_PROGRAM = `
import hashlib, sys
import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
n = 20000
rng = np.random.default_rng(1234 + rank)
b = rng.standard_normal(n)

def apply(x):
    left, right = np.empty(1), np.empty(1)
    comm.Sendrecv(x[-1:], (rank + 1) % size, 0, left, (rank - 1) % size, 0)
    comm.Sendrecv(x[:1], (rank - 1) % size, 1, right, (rank + 1) % size, 1)
    full = np.concatenate((left, x, right))
    return 2.5 * full[1:-1] - full[:-2] - full[2:]

def dot(a, c):
    return comm.allreduce(float(a @ c), op=MPI.SUM)

x = np.zeros(n)
r = b - apply(x)
p = r.copy()
rr = dot(r, r)
for step in range(200):
    ap = apply(p)
    alpha = rr / dot(p, ap)
    x += alpha * p
    r -= alpha * ap
    new = dot(r, r)
    if rank == 0 and step % 20 == 0:
        print(f"residual {step} {new!r}", flush=True)
    if new < 1e-20:
        break
    p = r + (new / rr) * p
    rr = new
check = b - apply(x)
error = comm.allreduce(float(np.abs(check).max()), op=MPI.MAX)
assert error < 1e-8, error

# Everything once more through pickled objects of uneven sizes, and a vector collective.
counts = [n - 17 * r for r in range(size)]
whole = np.empty(sum(counts)) if rank == 0 else None
comm.Gatherv(x[:counts[rank]].copy(), (whole, counts) if rank == 0 else None, root=0)
pieces = comm.alltoall([{"from": rank, "to": other, "data": x[: 3000 * (other + 1)].tolist()} for other in range(size)])
for other, piece in enumerate(pieces):
    assert piece["from"] == other and piece["to"] == rank and len(piece["data"]) == 3000 * (rank + 1)
digest = hashlib.sha256(repr([piece["data"] for piece in pieces]).encode()).hexdigest()
digests = comm.gather(digest, root=0)

if rank == 0:
    print("solution", hashlib.sha256(whole.tobytes()).hexdigest(), flush=True)
    print("objects", hashlib.sha256("".join(digests).encode()).hexdigest(), flush=True)
    print("error below 1e-8", flush=True)
`;

// --- LAMMPS -----------------------------------------------------------------------

/** A Lennard-Jones melt; lost atoms and skipped neighbour lists are errors. */
const LAMMPS_INPUT = `units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 8 0 8 0 8
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify delay 0 every 5 check yes
fix 1 all nve
thermo 20
thermo_style custom step temp epair etotal press atoms
thermo_modify lost error format float %.15g
run 200
`;
const LAMMPS_ATOMS = 4 * 8 ** 3;

export function applicationTests(site: Site): void {
  describe(`${site.kind}: applications compute the same as over btl/tcp`, () => {
    let daemon: Daemon;
    before(async () => {
      daemon = await site.startDaemon({ vfs: RANKS });
    });
    after(async () => {
      await daemon.stop();
    });

    async function folder(name: string): Promise<string> {
      const dir = join(site.scratch, name);
      await mkdir(dir, { recursive: true });
      await site.admin(['chmod', '0777', dir]);
      return dir;
    }

    async function scalapackDir(): Promise<string> {
      const { stdout } = await site.admin(['dpkg', '-L', 'scalapack-mpi-test']);
      const dir = /^(.*\/scalapack\/openmpi-tests)\/xdlu$/m.exec(stdout)?.[1];
      assert.ok(dir !== undefined, 'the package scalapack-mpi-test is installed');
      return dir;
    }

    for (const { program, input, omit } of SCALAPACK) {
      test(`ScaLAPACK's ${program}`, async () => {
        const from = await scalapackDir();
        const cwd = await folder('scalapack');
        await writeFile(join(cwd, basename(input)), withoutEstimates(await readFile(join(from, input), 'latin1')), 'latin1');
        const { numbers } = await sameOverBoth(site, [join(from, program)], cwd, (text) => scalapackNumbers(text, omit));
        assert.ok(numbers.some((line) => /PASSED/.test(line)), numbers.join('\n'));
        assert.ok(!numbers.some((line) => /FAILED|^[1-9]\d* tests completed and failed|^\| \w+ \d+ \d+ [1-9]/.test(line)), numbers.join('\n'));
      });
    }

    test('mpi4py: conjugate gradients, vector collectives, pickled objects', async () => {
      const cwd = await folder('mpi4py');
      await writeFile(join(cwd, 'program.py'), MPI4PY_PROGRAM);
      // Threads of a BLAS would add up in another order each time.
      const program = ['env', 'OPENBLAS_NUM_THREADS=1', 'OMP_NUM_THREADS=1', PYTHON, 'program.py'];
      const { numbers } = await sameOverBoth(site, program, cwd, (output) => output.trim().split('\n'));
      assert.equal(numbers.at(-1), 'error below 1e-8');
    });

    test("mpi4py's own ring benchmark program", async () => {
      const cwd = await folder('mpi4py');
      const program = [PYTHON, '-m', 'mpi4py.bench', 'ringtest', '-n', '4096', '-l', '50'];
      await sameOverBoth(site, program, cwd, (output) => [output.replace(/= [\d.e-]+ seconds/, '= T seconds').trim()]);
    });

    test('LAMMPS: a melt, with its checks for lost atoms and late neighbour lists', async () => {
      const cwd = await folder('lammps');
      await writeFile(join(cwd, 'in.melt'), LAMMPS_INPUT);
      const { output, numbers } = await sameOverBoth(site, ['lmp', '-in', 'in.melt', '-log', 'log.melt'], cwd, (text) =>
        text.split('\n').filter((line) => /^\s*\d+(\s+-?\d+(\.\d+)?(e-?\d+)?){5}\s*$/.test(line) || /^(Dangerous builds|Total # of neighbors)/.test(line)));
      assert.equal(numbers.filter((line) => line.trim().endsWith(` ${LAMMPS_ATOMS}`)).length, 11, output);
      assert.match(output, /^Dangerous builds = 0$/m);
      assert.doesNotMatch(await readFile(join(cwd, 'log.melt'), 'utf8'), /ERROR|WARNING/);
    });
  });
}
