// SPDX-License-Identifier: BSD-3-Clause

const moduleName = (file: string): string =>
  file.replace(/^.*\//, '').replace(/\.ko(\.[a-z]+)?$/, '').replaceAll('-', '_');

/**
 * Files to load, in order, so that each module finds its dependencies loaded
 * (modules.dep(5): `file: dependency...`, direct and indirect).
 * @throws Error when a module is in neither the list nor another's dependencies
 */
export function moduleLoadOrder(modulesDep: string, wanted: readonly string[]): string[] {
  const files = new Map<string, {file: string; needs: string[]}>();
  for (const line of modulesDep.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) {
      const file = line.slice(0, colon);
      files.set(moduleName(file), {file, needs: line.slice(colon + 1).split(' ').filter((word) => word !== '')});
    }
  }
  const order: string[] = [];
  const visit = (name: string): void => {
    const entry = files.get(name);
    if (entry === undefined) {
      throw new Error(`the kernel has no module ${name}`);
    }
    if (!order.includes(entry.file)) {
      entry.needs.forEach((file) => visit(moduleName(file)));
      order.push(entry.file);
    }
  };
  wanted.forEach((name) => visit(name.replaceAll('-', '_')));
  return order;
}
