/** What the types of a search accept, refuse and give. */
import type { Dataset } from '../../lib/index.ts';
import { type Json, search } from '../../lib/search/index.ts';

export async function found(data: Dataset): Promise<void> {
  const directory = 'study';
  const { best, front } = await search(
    {
      beta: { low: 0.5, high: 8, log: true },
      'optimizer.type': ['adam', 'sgd'],
      'optimizer.momentum': { low: 0, high: 0.9, when: { 'optimizer.type': 'sgd' } },
      'encoder.hidden': { choices: [[400], [200, 200]] },
      learningRate: '1e-4..1e-2:log',
    },
    data,
    { directory, objectives: ['elbo', 'kl'], sampler: 'random' },
  );
  const beta: number | undefined = best?.values.beta;
  const type: 'adam' | 'sgd' | undefined = best?.values['optimizer.type'];
  const momentum: number | undefined = front[0]!.values['optimizer.momentum'];
  // A text can say anything.
  const rate: Json = front[0]!.values.learningRate;
  // @ts-expect-error: it has a place only where the optimizer is sgd
  const always: number = front[0]!.values['optimizer.momentum'];
  // @ts-expect-error: not searched
  best?.values.latentSize;
  // @ts-expect-error: a range needs both ends
  await search({ beta: { low: 1 } }, data, { directory });
  // @ts-expect-error: no such objective
  await search({ beta: '1..2' }, data, { directory, objectives: 'elbow' });
  // @ts-expect-error: no such sampler
  await search({ beta: '1..2' }, data, { directory, sampler: 'tpe' });
  // @ts-expect-error: a study lies somewhere
  await search({ beta: '1..2' }, data, {});
  console.log(beta, type, momentum, rate, always);
}
