// SPDX-License-Identifier: BSD-3-Clause
/** The id of a group by its name, as the system's name service knows it. */
import { failureText, type Exec } from '../exec.js';

/** What getent ends with where its key is unknown (getent(1)). */
const UNKNOWN = 2;

/** Undefined: there is no such group. Throws where that cannot be found out. */
export async function groupId(name: string, exec: Exec): Promise<number | undefined> {
  if (/^\d+$/.test(name)) {
    return Number(name);
  }
  const result = await exec('getent', ['group', name]);
  if (result.status === UNKNOWN) {
    return undefined;
  }
  const gid = /^[^:]*:[^:]*:(\d+):/.exec(result.stdout)?.[1];
  if (result.status !== 0 || gid === undefined) {
    throw new Error(`getent group ${name} failed: ${failureText(result)}`);
  }
  return Number(gid);
}
