/** What can be searched, how it is written, and what is refused. */
import { describe, expect, test } from 'vitest';
import { baseOf, settle } from '../lib/search/settings.ts';
import {
  contains,
  countOf,
  isActive,
  type Parameter,
  placeOf,
  valueAt,
} from '../lib/search/space/parameter.ts';
import { completeSpace } from '../lib/search/space/space.ts';
import { isSearched } from '../lib/search/space/text.ts';
import { refusal } from './refusal.ts';

const only = (space: object): Parameter => completeSpace(space as never)[0]!;

describe('a parameter', () => {
  test('is written as an object, a list or a text', () => {
    const beta = only({ beta: { low: 0.5, high: 8, log: true } });
    expect(only({ beta: '0.5..8:log' })).toEqual(beta);
    expect(only({ latentSize: '2..64:int:log' })).toMatchObject({ low: 2, high: 64, int: true, log: true });
    expect(only({ 'clip.norm': '0..1:step=0.25' })).toMatchObject({ step: 0.25 });
    expect(only({ 'optimizer.type': 'adam,sgd' })).toMatchObject({ choices: ['adam', 'sgd'] });
    expect(only({ batchSize: '32,64' })).toMatchObject({ choices: [32, 64] });
    expect(only({ 'encoder.hidden': '[400],[200,200]' })).toMatchObject({ choices: [[400], [200, 200]] });
    expect(only({ shuffle: [true, false] })).toMatchObject({ choices: [true, false] });
  });

  test('has a condition behind @', () => {
    const space = {
      'optimizer.momentum': '0..0.95@optimizer.type=sgd|rmsprop',
      'optimizer.type': 'adam,sgd,rmsprop',
    };
    const parameters = completeSpace(space);
    // Each stands behind those that it depends on.
    expect(parameters.map(({ name }) => name)).toEqual(['optimizer.type', 'optimizer.momentum']);
    expect(parameters[1]!.when).toEqual({ 'optimizer.type': ['sgd', 'rmsprop'] });
    expect(isActive(parameters[1]!, { 'optimizer.type': 'rmsprop' })).toBe(true);
    expect(isActive(parameters[1]!, { 'optimizer.type': 'adam' })).toBe(false);
    expect(isActive(parameters[1]!, {})).toBe(false);
  });

  test('a text with one value is a setting, not a search', () => {
    for (const text of ['4', 'sgd', '{"type":"cosine","epochs":10}', '[400,400]', '"a,b"'])
      expect(isSearched(text), text).toBe(false);
    for (const text of ['1..2', 'adam,sgd', '[400],[200]', '1..2@optimizer.type=sgd'])
      expect(isSearched(text), text).toBe(true);
  });

  test('places and values belong together', () => {
    const log = only({ beta: '0.01..100:log' });
    expect(valueAt(log, 0.5)).toBeCloseTo(1, 12);
    expect([valueAt(log, 0), valueAt(log, 1)]).toEqual([expect.closeTo(0.01, 12), expect.closeTo(100, 9)]);
    const whole = only({ latentSize: '1..4:int' });
    expect(countOf(whole)).toBe(4);
    // Every value has a quarter of the places.
    const counts = new Map<unknown, number>();
    for (let i = 0; i < 1000; i++) {
      const value = valueAt(whole, (i + 0.5) / 1000);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect(counts).toEqual(new Map([1, 2, 3, 4].map((value) => [value, 250])));
    for (const text of [
      '1..4:int',
      '2..64:int:log',
      '0..1:step=0.1',
      '10..50:int:step=20',
      'adam,sgd,rmsprop',
    ]) {
      const parameter = only({ 'optimizer.type': text });
      for (let i = 0; i < 97; i++) {
        const value = valueAt(parameter, i / 96);
        expect(contains(parameter, value), `${text} ${value}`).toBe(true);
        expect(valueAt(parameter, placeOf(parameter, value))).toEqual(value);
      }
    }
    expect(valueAt(only({ 'clip.norm': '0..1:step=0.1' }), 0.3)).toBe(0.3);
    expect(countOf(only({ 'optimizer.type': '10..50:int:step=20' }))).toBe(3);
  });
});

describe('settings of a trial', () => {
  test('are the preset with what all share and the values', () => {
    const base = baseOf('linear', { epochs: 3, 'optimizer.type': 'adamw' });
    expect(
      settle(base, { beta: 2.5, batchSize: 64, 'encoder.activation': 'elu', 'encoder.hidden': [8, 4] }),
    ).toEqual({
      preset: 'linear',
      precision: 'float32',
      epochs: 3,
      batchSize: 64,
      learningRate: 1e-3,
      set: ['optimizer.type=adamw', 'objective.beta=2.5', 'encoder.activation=elu', 'encoder.hidden=[8,4]'],
    });
    // Another preset brings its training along.
    expect(settle(base, { preset: 'mlp-128' })).toMatchObject({
      preset: 'mlp-128',
      epochs: 3,
      batchSize: 256,
    });
  });
});

describe('a space is refused', () => {
  const refused = (space: unknown, code: 'ERR_RANGE' | 'ERR_TYPE' = 'ERR_RANGE') =>
    refusal(code, () => completeSpace(space as never));

  test('that is empty or not an object', async () => {
    expect(await refused({})).toMatch(
      /^Expected at least one parameter for space but received none; name a setting/,
    );
    expect(await refused('beta', 'ERR_TYPE')).toMatch(/^Expected an object of parameters for space/);
    expect(await refused({ beta: 3 }, 'ERR_TYPE')).toMatch(/for space\.beta but received 3 of type number$/);
  });

  test('with a range that is no range', async () => {
    expect(await refused({ beta: '8..0.5' })).toBe(
      'Expected a range from low to high for space.beta but received 8..0.5; write 0.5..8',
    );
    expect(await refused({ beta: '0..8:log' })).toMatch(
      /^Expected a range above 0 for space\.beta, as log needs, .*0\.\.8/,
    );
    expect(await refused({ beta: { low: -1, high: 8, log: true } })).toMatch(/above 0/);
    expect(await refused({ beta: '1..x' })).toMatch(/for space\.beta but received 1\.\.x$/);
    expect(await refused({ beta: '1..2:lgo' })).toMatch(/one of int, log, step=X behind a colon/);
    expect(await refused({ beta: '1..2:log:step=0.1' })).toMatch(/either log or step/);
    expect(await refused({ latentSize: '1.5..3:int' })).toMatch(/integer.*space\.latentSize\.low/);
    expect(await refused({ beta: { low: 1, high: Infinity } })).toMatch(
      /finite number for space\.beta\.high/,
    );
    expect(await refused({ beta: { low: '1', high: 2 } }, 'ERR_TYPE')).toMatch(
      /space\.beta\.low but received "1"/,
    );
    expect(await refused({ beta: { low: 1, high: 2, logs: true } })).toMatch(/did you mean log\?/);
    expect(await refused({ 'optimizer.type': [] })).toMatch(/at least one value/);
    expect(await refused({ 'optimizer.type': ['sgd', 'sgd'] })).toMatch(/"sgd" stands there twice/);
  });

  test('with a setting that does not exist, naming the nearest', async () => {
    expect(await refused({ betta: '1..2' })).toMatch(/received betta; .* did you mean beta\?$/);
    expect(await refused({ latent_size: '1..2' })).toMatch(/did you mean latentSize\?$/);
    expect(await refused({ 'optimiser.type': 'sgd,adam' })).toMatch(/did you mean optimizer\.type\?$/);
    expect(await refused({ 'objective.__proto__': '1..2' })).toMatch(/^Expected a setting for space/);
    expect(await refused({ inputShape: '1..2' })).toMatch(/^Expected a setting for space/);
  });

  test('with a condition that cannot hold', async () => {
    const momentum = '0..0.9@optimizer.typ=sgd';
    expect(await refused({ 'optimizer.type': 'adam,sgd', 'optimizer.momentum': momentum })).toMatch(
      /^Expected a parameter of the space for space\.optimizer\.momentum\.when but received optimizer\.typ; .*did you mean optimizer\.type\?$/,
    );
    expect(
      await refused({ 'optimizer.type': 'adam,sgd', 'optimizer.momentum': '0..1@optimizer.type=sdg' }),
    ).toMatch(/Expected one of "adam", "sgd" for optimizer\.type .* received "sdg"$/);
    expect(await refused({ beta: '1..2@latentSize=2', latentSize: '2,4@beta=1' })).toMatch(
      /without a circle/,
    );
    expect(await refused({ beta: '1..2@latentSize' })).toMatch(/condition PARENT=VALUE/);
  });
});
