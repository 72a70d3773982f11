// SPDX-License-Identifier: BSD-3-Clause
/** Colours of lines: of Okabe and Ito, which colour-blind people tell apart, as light or dark as the background needs. */
import { useEffect, useState } from 'preact/hooks';

const LIGHT = ['#0072b2', '#b86e00', '#007a5a', '#c44500', '#8f4f7a'];
const DARK = ['#56b4e9', '#e69f00', '#2fc79d', '#ff7f45', '#d98fbb'];

export const seriesColours = (dark: boolean): readonly string[] => (dark ? DARK : LIGHT);

const query = window.matchMedia('(prefers-color-scheme: dark)');

export function useDark(): boolean {
  const [dark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = (): void => setDark(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return dark;
}
