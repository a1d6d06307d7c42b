/** Charts as SVG, read by a parser of XML: that of sharp's librsvg, and by what is to be found in them. */
import { decode } from 'fast-png';
import { describe, expect, test, vi } from 'vitest';
import {
  gradientChart,
  klChart,
  learningRateChart,
  lossChart,
  svgToPng,
  terminalPicture,
} from '../lib/index.ts';
import { lineChart } from '../lib/report/charts/line-chart.ts';
import { linearScale, logarithmicScale, shortNumber } from '../lib/report/charts/scale.ts';
import { scatterChart } from '../lib/report/charts/scatter-chart.ts';
import { escapeText } from '../lib/report/charts/svg.ts';
import { type EpochRecord, parseEpochs } from '../lib/report/epochs.ts';
import { refusal } from './refusal.ts';

const HOSTILE = `<script>alert("1")</script> & '\u0000\ud800`;

function epoch(number: number, loss: number, more: Partial<EpochRecord> = {}): EpochRecord {
  const losses = (value: number) => ({ loss: value, reconstruction: value - 1, kl: 1, elbo: -value });
  return { epoch: number, step: number, seconds: 1, train: losses(loss), learningRate: 1e-3, ...more };
}

/** The places of the points of every path. */
function pathsOf(svg: string): [number, number][][] {
  return [...svg.matchAll(/<path d="([^"]*)"/g)].map(([, path]) =>
    path!
      .split(/[ML]/)
      .slice(1)
      .map((pair) => pair.split(' ').map(Number) as [number, number]),
  );
}

describe('axes', () => {
  test.each([
    [
      [0, 9.7],
      [0, 2, 4, 6, 8, 10],
    ],
    [
      [104.1, 163.2],
      [100, 120, 140, 160, 180],
    ],
    [
      [-3, 3],
      [-4, -2, 0, 2, 4],
    ],
    [
      [7, 7],
      [2, 4, 6, 8, 10, 12],
    ],
    [[], [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [
      [Number.NaN, 1, 2, Infinity],
      [1, 1.2, 1.4, 1.6, 1.8, 2],
    ],
  ])('of %j have the ticks %j', (values, wanted) => {
    const { ticks, at } = linearScale(values, 0, 100);
    for (const [i, tick] of ticks.entries()) expect(tick).toBeCloseTo(wanted[i] ?? Number.NaN, 9);
    expect([at(ticks[0]!), at(ticks.at(-1)!)]).toEqual([0, 100]);
  });

  test('of powers of ten', () => {
    const { ticks, at } = logarithmicScale([0, -1, 3e-3, 40], 0, 5);
    expect(ticks.map((tick) => Math.round(Math.log10(tick)))).toEqual([-3, -2, -1, 0, 1, 2]);
    expect(at(1)).toBeCloseTo(3, 12);
    expect(logarithmicScale([1e-30, 1e30], 0, 1).ticks.length).toBeLessThan(10);
  });

  test.each([
    [0, '0'],
    [0.25, '0.25'],
    [0.30000000000000004, '0.3'],
    [8e-4, '0.0008'],
    [1e-5, '1e-5'],
    [120, '120'],
    [2.5e6, '2.5e6'],
    [-3, '-3'],
  ])('%d is written %s', (value, text) => expect(shortNumber(value)).toBe(text));
});

describe('curves', () => {
  const epochs = [
    epoch(1, 160),
    epoch(2, 120, { test: { loss: 110, reconstruction: 1, kl: 1, elbo: -1 } }),
    epoch(3, 140),
  ];

  test('go through the losses, higher for more', () => {
    const chart = lossChart(epochs);
    const [train, tested] = pathsOf(chart);
    expect(train!.length).toBe(3);
    expect(tested!.length).toBe(1);
    const [[x1, y1], [x2, y2], [x3, y3]] = train as [[number, number], [number, number], [number, number]];
    expect(x2 - x1).toBeCloseTo(x3 - x2, 1);
    // 160 to 120 is twice as far as 120 to 140.
    expect((y2 - y1) / (y2 - y3)).toBeCloseTo(2, 1);
    expect(y1).toBeLessThan(y2);
    for (const name of ['train', 'test', 'Loss', 'nats per example'])
      expect(chart).toContain(`>${name}</text>`);
  });

  test('without epochs, with one, and with numbers that are none are drawn as far as they go', async () => {
    for (const some of [[], [epoch(1, 3)], [epoch(1, NaN), epoch(2, 5), epoch(3, Infinity)]]) {
      for (const chart of [lossChart(some), learningRateChart(some), gradientChart(some)]) {
        expect(chart).not.toMatch(/NaN|Infinity|undefined/);
        await svgToPng(chart, { scale: 0.2 });
      }
    }
  });

  test('of gradients have one for each layer of weights, twelve at most', () => {
    const layers = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        name: `encoder.${i}.weight`,
        gradient: 10 ** -i,
        update: 1,
        weight: 1,
      }));
    const health = (count: number) => ({
      gradientHealth: {
        layers: [...layers(count), { ...layers(1)[0]!, name: 'encoder.0.bias' }],
        norm: 1,
        verdict: 'healthy',
      },
    });
    expect(pathsOf(gradientChart([epoch(1, 1, health(3)), epoch(2, 1, health(3))]))).toHaveLength(3);
    const chart = gradientChart([epoch(1, 1, health(40))]);
    expect(pathsOf(chart)).toHaveLength(12);
    expect(chart).toContain('>encoder.0<');
    expect(chart).toContain('>encoder.39<');
  });

  test('an unknown term is refused', async () => {
    expect(await refusal('ERR_RANGE', () => lossChart([], 'losses' as never))).toMatch(
      /loss, reconstruction/,
    );
  });
});

test('bars stand for KL per dimension, faint where it is not in use', () => {
  const survey = { activeUnits: 1, meanVariance: [1, 0.001], klPerDimension: [2, 1], examples: 10 };
  const bars = [...klChart(survey).matchAll(/<rect [^>]*height="([\d.]+)"[^>]*fill-opacity="([\d.]+)"/g)];
  expect(bars.map(([, , opacity]) => opacity)).toEqual(['1', '0.35']);
  expect(Number(bars[0]![1]) / Number(bars[1]![1])).toBeCloseTo(2, 2);
  expect(klChart({ ...survey, klPerDimension: [3] })).toContain('>all</text>');
});

test('text of any kind stays text', async () => {
  expect(escapeText(`<a href="x">&'</a>\u0000\ud800\u{1f600}`)).toBe(
    '&lt;a href=&quot;x&quot;&gt;&amp;&#39;&lt;/a&gt;\ufffd\ufffd\u{1f600}',
  );
  const charts = [
    lineChart({
      title: HOSTILE,
      xLabel: HOSTILE,
      yLabel: HOSTILE,
      series: [1, 2].map(() => ({ name: HOSTILE, points: [[1, 1]] })),
    }),
    scatterChart({
      title: HOSTILE,
      xLabel: '',
      yLabel: '',
      points: new Float32Array(2),
      labels: [0],
      classes: [HOSTILE],
    }),
  ];
  for (const chart of charts) {
    expect(chart).not.toMatch(/<script|alert\("/);
    expect(decode(await svgToPng(chart, { scale: 1 })).width).toBe(480);
  }
});

test('svgToPng refuses what is no SVG', async () => {
  expect(await refusal('ERR_DATA_FORMAT', () => svgToPng('<svg'))).toMatch(/could not be drawn/);
  expect(await refusal('ERR_TYPE', () => svgToPng(5 as never))).toMatch(/text of an SVG/);
  expect(await refusal('ERR_RANGE', () => svgToPng('<svg/>', { scale: 0 }))).toMatch(/scale/);
});

test('svgToPng says what to do where sharp is not installed', async () => {
  vi.resetModules();
  vi.doMock('sharp', () => {
    throw new Error("Cannot find package 'sharp'");
  });
  const { svgToPng: without } = await import('../lib/report/charts/rasterise.ts');
  await expect(without('<svg/>')).rejects.toMatchObject({
    code: 'ERR_STATE',
    message: expect.stringMatching(/^A PNG of a chart is drawn by the package sharp.*npm install sharp$/s),
  });
  vi.doUnmock('sharp');
});

test('scatterChart refuses labels that are not as many as the points', async () => {
  const said = { title: '', xLabel: '', yLabel: '' };
  const points = new Float32Array(4);
  expect(await refusal('ERR_SHAPE', () => scatterChart({ ...said, points, labels: [1] }))).toMatch(/a label/);
  expect(await refusal('ERR_SHAPE', () => scatterChart({ ...said, points: new Float32Array(3) }))).toMatch(
    /two/,
  );
});

describe('in a terminal', () => {
  const picture = { width: 2, height: 3, channels: 1, data: Uint8Array.of(0, 255, 10, 20, 30, 30) } as const;

  test('a character is two pixels, one above the other, the last row alone', () => {
    expect(terminalPicture(picture, 80)).toBe(
      '\x1b[38;2;0;0;0m\x1b[48;2;10;10;10m▀\x1b[38;2;255;255;255m\x1b[48;2;20;20;20m▀\x1b[0m\n' +
        '\x1b[38;2;30;30;30m▀▀\x1b[0m\n',
    );
  });

  test('a wide picture becomes means of its pixels', () => {
    const wide = { width: 4, height: 4, channels: 3, data: new Uint8Array(48) } as const;
    // Upper left quarter: red 100, 200 and two of 0.
    wide.data.set([100, 0, 0, 200], 0);
    expect(terminalPicture(wide, 2)).toBe(
      '\x1b[38;2;75;0;0m\x1b[48;2;0;0;0m▀\x1b[38;2;0;0;0m\x1b[48;2;0;0;0m▀\x1b[0m\n',
    );
    for (const columns of [1, 3, 5, 100]) {
      const text = terminalPicture(
        { width: 640, height: 37, channels: 1, data: new Uint8Array(640 * 37) },
        columns,
      );
      const lines = text.trimEnd().split('\n');
      expect(new Set(lines.map((line) => line.match(/▀/g)!.length))).toEqual(new Set([columns]));
    }
  });
});

describe('metrics.jsonl', () => {
  test('a line that is cut short, or is no epoch, is passed over', () => {
    const lines = [
      '{"epoch":1,"step":5,"train":{"loss":3}}',
      '',
      '[1]',
      'null',
      '{"epoch":"2"}',
      '{"epoch":2,"st',
    ];
    expect(parseEpochs(lines.join('\n'))).toEqual([
      {
        epoch: 1,
        step: 5,
        seconds: NaN,
        learningRate: NaN,
        train: { loss: 3, reconstruction: NaN, kl: NaN, elbo: NaN },
      },
    ]);
  });

  test('fields of any type do no harm', () => {
    for (const value of [1, 'x', null, [], [1], {}, true]) {
      for (const key of [
        'train',
        'test',
        'gradientHealth',
        'latentHealth',
        'best',
        'skipped',
        'learningRate',
      ]) {
        const [record] = parseEpochs(JSON.stringify({ epoch: 1, [key]: value }));
        lossChart([record!]);
        gradientChart([record!]);
        if (record!.latentHealth) klChart(record!.latentHealth);
      }
    }
    const [old] = parseEpochs(
      '{"epoch":1,"latentHealth":{"klPerDimension":{"0":1,"1":2},"meanVariance":[0,1]}}',
    );
    expect(old!.latentHealth!.klPerDimension).toEqual([1, 2]);
  });
});
