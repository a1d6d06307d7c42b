/** Charts as SVG, read by a parser of XML: that of sharp's librsvg, and by what is to be found in them. */
import { decode } from 'fast-png';
import { describe, expect, test, vi } from 'vitest';
import { barPlot } from '../lib/report/charts/bars.ts';
import { linePlot } from '../lib/report/charts/lines.ts';
import { type Points, pointPlot } from '../lib/report/charts/points.ts';
import { linearScale, logarithmicScale, shortNumber } from '../lib/report/charts/scale.ts';
import { escapeText } from '../lib/report/charts/svg.ts';
import { svgChart } from '../lib/report/charts/svg-chart.ts';
import { terminalChart } from '../lib/report/charts/terminal-chart.ts';
import { type EpochRecord, parseEpochs } from '../lib/report/epochs.ts';
import {
  gallery,
  gradientChart,
  klChart,
  learningRateChart,
  lossChart,
  projectCodes,
  renderReport,
  svgToPng,
  terminalPicture,
} from '../lib/report/index.ts';
import { refusal } from './refusal.ts';

const scatterChart = (points: Points) => svgChart(pointPlot(points));

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
    svgChart(
      linePlot({
        title: HOSTILE,
        xLabel: HOSTILE,
        yLabel: HOSTILE,
        series: [1, 2].map(() => ({ name: HOSTILE, points: [[1, 1]] })),
      }),
    ),
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

test('svgToPng refuses text that is not SVG', async () => {
  expect(await refusal('ERR_DATA_FORMAT', () => svgToPng('<svg'))).toMatch(/could not be drawn/);
  expect(await refusal('ERR_TYPE', () => svgToPng(5 as never))).toMatch(/text of an SVG/);
  expect(await refusal('ERR_RANGE', () => svgToPng('<svg/>', { scale: 0 }))).toMatch(/scale/);
});

test.each([
  ['lossChart', () => lossChart(5 as never), /an array of what fit\(\) yielded/],
  ['learningRateChart', () => learningRateChart([{}] as never), /an array of what fit\(\) yielded/],
  ['gradientChart', () => gradientChart(null as never), /an array of what fit\(\) yielded/],
  ['klChart', () => klChart({} as never), /an array of numbers for klPerDimension/],
  ['terminalPicture', () => terminalPicture({} as never, 80), /an integer .* for width/],
  ['renderReport', () => renderReport({ epochs: [] } as never), /a text for title/],
  ['renderReport', () => renderReport({ title: 'x' } as never), /an array of what fit\(\) yielded/],
  [
    'gradientChart',
    () => gradientChart([{ epoch: 1, train: {}, gradientHealth: 5 }] as never),
    /fit\(\) yielded/,
  ],
  ['klChart', () => klChart(null as never), /what VAE.latentHealth returns for survey but received null/],
  ['projectCodes', () => projectCodes(null as never), /a Tensor for codes/],
  ...(
    [
      ['subtitle', 5],
      ['notes', [5]],
      ['gallery', 'x'],
      ['gallery', [{ title: 'x', caption: 'y' }]],
      ['gallery', [{ title: 'x', caption: 'y', shown: { columns: ['a'], rows: ['b'] } }]],
      ['commands', [{ said: 'x', lines: 'y' }]],
      ['facts', { Model: 5 }],
    ] as const
  ).map(
    ([name, value]) =>
      [
        'renderReport',
        () => renderReport({ title: 'x', epochs: [], [name]: value } as never),
        new RegExp(`for ${name}(\\[0\\])? but received`),
      ] as const,
  ),
  ['gallery', () => gallery({} as never, [1] as never), /a Dataset for data/],
] as const)('%s refuses what it cannot show', async (_, call, message) => {
  expect(await refusal('ERR_TYPE', call as () => unknown)).toMatch(message);
});

test('svgToPng says what to do where sharp is not installed', async () => {
  vi.resetModules();
  vi.doMock('sharp', () => {
    throw new Error("Cannot find package 'sharp'");
  });
  const { svgToPng: without } = await import('../lib/report/charts/rasterize.ts');
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

describe('a chart in a terminal', () => {
  /** The colors of the pixels, [rows][columns] as `red;green;blue`, without the margin. */
  function pixelsOf(text: string): string[][] {
    const codes = new RegExp(`${'\x1b'}\\[(38;2|48;2|0);?([\\d;]*)m|(▀)`, 'g');
    const rows: string[][] = [];
    for (const line of text.split('\n').filter((each) => each.includes('▀'))) {
      const [upper, lower]: string[][] = [[], []];
      let [front, back] = ['', ''];
      for (const [, command, color, block] of line.matchAll(codes)) {
        if (command === '38;2') front = color!;
        if (command === '48;2') back = color!;
        if (!block) continue;
        upper!.push(front);
        lower!.push(back);
      }
      rows.push(upper!, lower!);
    }
    return rows;
  }

  test('curves rise where their values do, beside the names of the ticks', () => {
    const series = [
      { name: 'a', color: '#ff0000', points: [0, 1, 2, 3, 4].map((i) => [i, 10 * i] as const) },
    ];
    const text = terminalChart(linePlot({ title: 'T', xLabel: 'X', yLabel: 'Y', series }), 60);
    const rows = pixelsOf(text);
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([49]));
    const heights = Array.from({ length: 49 }, (_, column) =>
      rows.findIndex((row) => row[column] === '255;0;0'),
    );
    const drawn = heights.filter((height) => height >= 0);
    expect(drawn.length).toBeGreaterThan(44);
    expect(drawn).toEqual([...drawn].sort((a, b) => b - a));
    expect(text).toMatch(/^T \(Y\)\n/);
    for (const tick of [0, 10, 20, 30, 40]) expect(text).toMatch(new RegExp(`^ *${tick} \\x1b`, 'm'));
    expect(text.split('\n').at(-3)).toMatch(/^ +0 +1 +2 +3 +4$/);
    expect(text.split('\n').at(-2)).toMatch(/ X$/);
  });

  test('bars are as high as their values, points of a class have its color', () => {
    const labels = { title: '', xLabel: '', yLabel: '' };
    const bars = [4, 2].map((value, i) => ({ name: `${i}`, value }));
    const rows = pixelsOf(terminalChart(barPlot({ ...labels, bars }), 70));
    const high = (column: number) => rows.filter((row) => row[column] === '78;121;167').length;
    const width = rows[0]!.length;
    expect(high(Math.round(width / 4)) / high(Math.round((3 * width) / 4))).toBeCloseTo(2, 0);
    const points = pointPlot({
      ...labels,
      points: Float32Array.of(0, 0, 1, 1),
      labels: [0, 1],
      classes: ['x', 'y'],
    });
    const text = terminalChart(points, 70);
    expect(text).toContain('\x1b[38;2;242;142;43m■\x1b[0m y');
    expect(
      pixelsOf(text)
        .flat()
        .filter((color) => color === '242;142;43'),
    ).toHaveLength(1);
  });

  test('names with commands for terminals do not reach it', () => {
    const name = '\x1b]0;owned\x07\x9b31m';
    const series = [1, 2].map(() => ({ name, points: [[1, 1]] as const }));
    const text = terminalChart(linePlot({ title: name, xLabel: name, yLabel: name, series }), 60);
    for (const command of ['\x1b]', '\x07', '\x9b']) expect(text).not.toContain(command);
    expect(terminalChart(linePlot({ title: '', xLabel: '', yLabel: '', series: [] }), 5)).not.toContain(
      'NaN',
    );
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
        train: { loss: 3, reconstruction: NaN, kl: NaN },
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
