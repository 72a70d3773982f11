// SPDX-License-Identifier: BSD-3-Clause

/**
 * Numbers from 0 to below 1 that the seed decides (George Marsaglia: Xorshift RNGs, Journal of Statistical Software 8, 2003;
 * 32 bits, shifts 13, 17, 5).
 */
export function randomFrom(seed: string): () => number {
  // FNV-1a, so that similar seeds begin differently.
  let state = 0x811c9dc5;
  for (const byte of Buffer.from(seed)) {
    state = Math.imul(state ^ byte, 0x01000193);
  }
  // Zero is the one state that it never leaves.
  state ||= 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
