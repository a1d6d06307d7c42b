/** What a misspelled word most likely means. */
import { expect, test } from 'vitest';
import { nearest } from '../lib/nearest.ts';

const known = ['beta', 'warmup', 'freeBits', 'capacity', 'learningRate', 'batchSize', 'seed'];

test.each([
  ['a letter too many', 'betta', 'beta'],
  ['a letter too few', 'capcity', 'capacity'],
  ['another letter', 'capasity', 'capacity'],
  ['letters exchanged', 'wramup', 'warmup'],
  ['another case', 'LEARNINGRATE', 'learningRate'],
  ['words joined otherwise', 'batch-size', 'batchSize'],
  ['words joined otherwise, and a letter too few', 'free_bit', 'freeBits'],
])('%s', (_, word, meant) => {
  expect(nearest(word, known)).toBe(meant);
});

test('the nearest of several is taken', () => {
  expect(nearest('channel', ['chanels', 'channels'])).toBe('channels');
  expect(nearest('channel', ['channels', 'chanels'])).toBe('channels');
});

test.each(['size', 'x', '', 'objective'])('%j is like none of them', (word) => {
  expect(nearest(word, known)).toBeUndefined();
});
