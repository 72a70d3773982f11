// SPDX-License-Identifier: BSD-3-Clause
/** Which Open MPI an mpirun belongs to, and whether it can find the BTL. */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { VfringError, causeText, errnoCode } from '../errors.js';
import { failureText, searchPath, type Exec } from '../exec.js';

export interface OpenMpi {
  readonly mpirun: string;
  /** "5.0.7" */
  readonly version: string;
  readonly major: number;
  /** Folder of its components. */
  readonly components: string;
}

const BTL_FILE = 'mca_btl_vfring.so';
const OLDEST = { major: 4, minor: 1 };

/** Throws VFRING_ERR_NO_MPIRUN or VFRING_ERR_NOT_OPEN_MPI. */
export async function findOpenMpi(mpirun: string, exec: Exec): Promise<OpenMpi> {
  const path = resolveProgram(mpirun);
  const result = await exec(path, ['--version']).catch((error: unknown) => {
    const cause = errnoCode(error) === 'ENOENT' ? 'it was not found' : causeText(error);
    throw new VfringError('VFRING_ERR_NO_MPIRUN', { mpirun, cause }, { cause: error });
  });
  const version = /\(Open MPI\)\s+(\d+)\.(\d+)(\S*)/.exec(result.stdout);
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])];
  if (version === null || major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor)) {
    const says = (result.stdout.trim() || failureText(result)).split('\n', 1)[0] ?? '';
    throw new VfringError('VFRING_ERR_NOT_OPEN_MPI', { mpirun, says });
  }
  return {
    mpirun: path,
    version: `${version[1]}.${version[2]}${version[3]}`,
    major,
    components: await componentFolder(path, exec),
  };
}

function ompiInfo(mpirun: string): string {
  const beside = join(dirname(mpirun), 'ompi_info');
  return existsSync(beside) ? beside : 'ompi_info';
}

/**
 * Has Open MPI load the BTL, as its processes would. Returns the release of vfring that it is of. Throws
 * VFRING_ERR_BTL_UNLOADABLE with the loader's words, as for one that another Open MPI was built with.
 *
 * @param path what componentPath() returned
 */
export async function btlRelease(mpi: OpenMpi, path: NodeJS.ProcessEnv, exec: Exec): Promise<string> {
  return /^mca:btl:vfring:version:"component:(.*)"$/m.exec(await btlInfo(mpi, path, exec))?.[1] ?? 'unknown';
}

/** The BTL's parameters as its processes would have them, by their names without "btl_vfring_". Throws as btlRelease() does. */
export async function btlParameters(mpi: OpenMpi, path: NodeJS.ProcessEnv, exec: Exec): Promise<ReadonlyMap<string, string>> {
  const info = await btlInfo(mpi, path, exec);
  return new Map([...info.matchAll(/^mca:btl:vfring:param:btl_vfring_(\w+):value:(.*)$/gm)].map(([, name = '', value = '']) => [name, value]));
}

async function btlInfo(mpi: OpenMpi, path: NodeJS.ProcessEnv, exec: Exec): Promise<string> {
  const settings = Object.entries({ ...path, OMPI_MCA_mca_base_component_show_load_errors: '1' }).map(([key, value]) => `${key}=${value ?? ''}`);
  const result = await exec('env', [...settings, ompiInfo(mpi.mpirun), '--parsable', '--param', 'btl', 'vfring', '--level', '9']);
  if (/^mca:btl:vfring:version:/m.test(result.stdout)) {
    return result.stdout;
  }
  // Words of components that somebody else's installation lacks are none of ours.
  const said = `${result.stderr}\n${result.stdout}`.split('\n').filter((line) => line.includes(BTL_FILE.replace('.so', '')));
  throw new VfringError('VFRING_ERR_BTL_UNLOADABLE', { version: mpi.version, cause: said.join('; ').trim() || failureText(result) });
}

/** What is installed, by kind and name: "btl:tcp", "pml:ucx". Throws VFRING_ERR_NO_MPIRUN. */
export async function installedComponents(mpi: OpenMpi, exec: Exec): Promise<ReadonlySet<string>> {
  const program = ompiInfo(mpi.mpirun);
  const { stdout } = await exec(program, ['--parsable']).catch((error: unknown) => {
    throw new VfringError('VFRING_ERR_NO_MPIRUN', { mpirun: program, cause: causeText(error) }, { cause: error });
  });
  return new Set([...stdout.matchAll(/^mca:(\w+):(\w+):version:/gm)].map(([, kind = '', name = '']) => `${kind}:${name}`));
}

async function componentFolder(mpirun: string, exec: Exec): Promise<string> {
  const program = ompiInfo(mpirun);
  const result = await exec(program, ['--path', 'pkglibdir', '--parsable']).catch((error: unknown) => {
    throw new VfringError('VFRING_ERR_NO_MPIRUN', { mpirun: program, cause: causeText(error) }, { cause: error });
  });
  const folder = /^path:pkglibdir:(.+)$/m.exec(result.stdout)?.[1];
  if (folder === undefined) {
    throw new VfringError('VFRING_ERR_NOT_OPEN_MPI', { mpirun: program, says: failureText(result) });
  }
  return folder.trim();
}

/**
 * The btl parameter for a way of talking within the node.
 *
 * @param alone there is no other node: what shared memory carries needs no VFs
 */
export function btlList(local: 'sm' | 'vf', major: number, alone = false): string {
  if (local === 'vf') {
    return 'self,vfring';
  }
  // Shared memory is called vader before Open MPI 5.
  return `self,${major >= 5 ? 'sm' : 'vader'}${alone ? '' : ',vfring'}`;
}

/**
 * What mpirun needs in its environment so that its ranks find the BTL.
 * Throws VFRING_ERR_NO_BTL when it is nowhere.
 */
export function componentPath(mpi: OpenMpi, prefix: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // The long name: Open MPI looks for it first, and PMIx, which has a parameter
  // of the short name too, neither reads it nor sets it for the ranks.
  const variable = 'OMPI_MCA_opal_mca_base_component_path';
  const ownFolder = join(prefix, 'lib', 'openmpi');
  const given = (env[variable] ?? env['OMPI_MCA_mca_base_component_path'])?.split(':') ?? [];
  const home = env['HOME'];
  // The parameter replaces Open MPI's default: that has to be said again.
  const standard = [mpi.components, ...(home ? [join(home, '.openmpi', 'components')] : [])].filter((folder) => existsSync(folder));
  const searched = given.length > 0 ? given : standard;
  if (searched.some((folder) => existsSync(join(folder, BTL_FILE)))) {
    return { [variable]: searched.join(':') };
  }
  if (!existsSync(join(ownFolder, BTL_FILE))) {
    const folders = [...searched, ownFolder].join(' nor in ');
    throw new VfringError('VFRING_ERR_NO_BTL', { folders });
  }
  return { [variable]: [ownFolder, ...searched].join(':') };
}

/**
 * What mpirun needs in its environment so that processes it spawns find it. PMIx 4.2.2, Debian 12's, closes the descriptor of a process
 * that has ended before libevent knows; the next one's gets the same number, and epoll is never asked to watch it. poll(2) is. Processes of
 * Open MPI 5, which has another PMIx, inherit that and know nothing but epoll.
 */
export const launcherEnv = ({ major }: Pick<OpenMpi, 'major'>, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  major < 5 && env['EVENT_NOEPOLL'] === undefined ? { EVENT_NOEPOLL: '1' } : {};

/** MCA parameter by which Open MPI chooses who does one-sided operations. */
export const ONE_SIDED = 'OMPI_MCA_osc';
/** Options by which a user has a say in MCA parameters that cannot be seen here. */
const PARAMETER_FILES = /^--?(tune|am|amca|gomca-params)$/;

/** Has ompi_info say what the parameter is, and who set it: "base" alone leaves out the list of components itself. */
export const ONE_SIDED_QUERY = ['--parsable', '--param', 'osc', 'all', '--level', '9'] as const;

export interface OneSidedTrouble {
  /** What the installation sets. */
  readonly value: string;
  /** The file that sets it. */
  readonly file: string;
  /** The same without the trouble. */
  readonly mended: string;
}

/**
 * Open MPI 4.1 does one-sided operations over a BTL without atomics, such as
 * this one, by osc/pt2pt alone, which some installations (Debian 12's) switch
 * off. Undefined where that is not so, or the user has chosen.
 */
export async function oneSidedTrouble(mpi: OpenMpi, env: NodeJS.ProcessEnv, exec: Exec): Promise<OneSidedTrouble | undefined> {
  if (mpi.major !== 4) {
    return undefined;
  }
  const result = await exec(ompiInfo(mpi.mpirun), ONE_SIDED_QUERY).catch(() => undefined);
  const value = /^mca:osc:base:param:osc:value:(.*)$/m.exec(result?.stdout ?? '')?.[1] ?? '';
  const file = /^mca:osc:base:param:osc:source:file \((.*?)(?::\d+)?\)$/m.exec(result?.stdout ?? '')?.[1];
  const home = env['HOME'];
  const names = value.replace(/^\^/, '').split(',');
  if (file === undefined || (home && file.startsWith(`${home}/`)) || !value.startsWith('^') || !names.includes('pt2pt')) {
    return undefined;
  }
  const left = names.filter((name) => name !== 'pt2pt');
  // An empty list would be none at all; osc/ucx has nothing to do without pml/ucx.
  return { value, file, mended: `^${left.length === 0 ? 'ucx' : left.join(',')}` };
}

/** What mpirun needs in its environment so that one-sided operations find a way between nodes. */
export async function oneSided(mpi: OpenMpi, mpirunOptions: readonly string[], env: NodeJS.ProcessEnv, exec: Exec): Promise<NodeJS.ProcessEnv> {
  const chosen = mpirunOptions.some((option, i) => PARAMETER_FILES.test(option.split('=', 1)[0] ?? '') ||
    (/^--?(g|o)?mca$/.test(option) && mpirunOptions[i + 1] === 'osc'));
  if (chosen || env[ONE_SIDED] !== undefined) {
    return {};
  }
  const trouble = await oneSidedTrouble(mpi, env, exec);
  return trouble === undefined ? {} : { [ONE_SIDED]: trouble.mended };
}

function resolveProgram(program: string): string {
  if (program.includes('/')) {
    return program;
  }
  for (const folder of searchPath().split(':')) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return program;
}
