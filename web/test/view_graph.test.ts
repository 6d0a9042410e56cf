/** The parts of a graph that need no page: where nodes stand, which synapses are drawn, what it takes of a policy. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadPolicy } from '../src/policy';
import { readSafetensors } from '../src/safetensors';
import {
  type Layout, type Network, type Point, closest, grouped, layOut, spread, wrapped,
} from '../src/view/graph_layout';
import { levelOf, ringOf } from '../src/view/graph_nodes';
import { networkOf } from '../src/view/network';
import { outlineOf, strongest, synapsesOf, touches } from '../src/view/synapses';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const bytesOf = (name: string) => new Uint8Array(readFileSync(`${ROOT}assets/policies/${name}.safetensors`));
const load = (name: string) => loadPolicy(`${name}.safetensors`, bytesOf(name));

const times = (word: string, count: number) => new Array<string>(count).fill(word);
const ANYMAL = [
  ...times('gravity', 3), ...times('velocity', 3), ...times('turning', 3), ...times('command', 3),
  ...times('joint angles', 12), ...times('joint rates', 12), ...times('last action', 12), ...times('feet', 4),
];
const numbered = (word: string, count: number) => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);
const LEGS = ['left front', 'right front', 'left hind', 'right hind'];
const JOINTS = LEGS.flatMap((leg) => ['hip, sideways', 'hip', 'knee'].map((joint) => `${leg} ${joint}`));

/** A full network, its weights drawn from a rule. */
function network(inputs: string[], neurons: number, actions: string[]): Network {
  const weights = (count: number, phase: number) =>
    Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + phase));
  return {
    inputs, neurons, actions, note: '',
    inputWeight: weights(neurons * inputs.length, 1),
    recurrentWeight: weights(neurons * neurons, 2),
    readoutWeight: weights(actions.length * neurons, 3),
  };
}

describe('layout', () => {
  const cases: [string, string[], number, string[]][] = [
    ['pendulum', ['cart', 'pole', "cart's velocity", "pole's velocity"], 8, ['push']],
    ['one neuron', ['x'], 1, ['x']],
    ['three neurons', ['x', 'y'], 3, ['action 1', 'action 2']],
    ['half cheetah', numbered('feature', 64), 32, numbered('action', 6)],
    ['ANYmal without an encoder', ANYMAL, 64, JOINTS],
    ['LSTM', ['observation', 'observation'], 64, ['action']],
    ['52 different names', numbered('name', 52).map((name) => `${name}x`), 61, numbered('z', 12)],
    ['nothing outside', [], 5, []],
  ];
  for (const width of [340, 420, 700, 1100]) {
    test.each(cases)(`%s at ${width} px`, (_, inputs, neurons, actions) => {
      const layout = layOut(network(inputs, neurons, actions), width);
      const { radius, dot, box } = layout;
      const apart = (points: Point[], size: number) => {
        if (points.length > 1) expect(closest(points)).toBeGreaterThan(2 * size);
      };
      apart(layout.neurons, radius);
      apart(layout.inputs, dot);
      apart(layout.actions, box);
      const inside = (points: Point[], size: number) => {
        for (const [x, y] of points) {
          expect(x).toBeGreaterThan(size);
          expect(x).toBeLessThan(width - size);
          expect(y).toBeGreaterThan(size);
          expect(y).toBeLessThan(layout.height - size);
        }
      };
      inside(layout.neurons, radius);
      inside(layout.inputs, dot);
      inside(layout.actions, box);
      expect([layout.inputs.length, layout.neurons.length, layout.actions.length]).toEqual([
        inputs.length, neurons, actions.length,
      ]);
      // Neurons between the columns.
      const xs = layout.neurons.map(([x]) => x);
      if (inputs.length) expect(Math.min(...xs) - radius).toBeGreaterThan(layout.inputs[0][0] + dot);
      if (actions.length) expect(Math.max(...xs) + radius).toBeLessThan(layout.actions[0][0] - box);
      labelsFit(layout);
    });
  }

  function labelsFit({ inputLabels, actionLabels, width, height, font }: Layout): void {
    for (const labels of [inputLabels, actionLabels]) {
      labels.forEach(({ lines, x, y }, i) => {
        const half = (lines.length * font) / 2;
        expect(y - half).toBeGreaterThan(0);
        expect(y + half).toBeLessThan(height);
        if (i) expect(y - half).toBeGreaterThan(labels[i - 1].y + (labels[i - 1].lines.length * font) / 2);
        const long = Math.max(...lines.map((line) => line.length)) * 0.57 * font;
        if (labels === inputLabels) expect(x - long).toBeGreaterThanOrEqual(0);
        else expect(x + long).toBeLessThanOrEqual(width);
      });
    }
  }

  test('names are grouped', () => {
    expect(grouped(ANYMAL).map(({ label, first, last }) => [label, last - first + 1])).toEqual([
      ['gravity', 3], ['velocity', 3], ['turning', 3], ['command', 3], ['joint angles', 12], ['joint rates', 12],
      ['last action', 12], ['feet', 4],
    ]);
    expect(grouped(['a', 'b', 'a'])).toHaveLength(3);
    expect(grouped(numbered('feature', 64))).toEqual([{ label: 'feature 1–64', first: 0, last: 63 }]);
    expect(grouped([])).toEqual([]);
  });

  test('numbered names stand alone where there is room, and are one group where there is none', () => {
    const labels = (count: number) => layOut(network(numbered('input', count), 8, ['x']), 700).inputLabels;
    expect(labels(6).map(({ full }) => full)).toEqual(numbered('input', 6));
    expect(labels(60).map(({ full }) => full)).toEqual(['input 1–60']);
  });

  test('long labels take two lines, and are cut where that does not help', () => {
    expect(wrapped('feet', 10)).toEqual(['feet']);
    expect(wrapped('left front hip', 11)).toEqual(['left front', 'hip']);
    expect(wrapped('left front hip, sideways', 13)).toEqual(['left front', 'hip, sideways']);
    expect(wrapped('left front hip, sideways', 10)).toEqual(['left front', 'hip, side…']);
    expect(wrapped('proprioception', 10)).toEqual(['proprioce…']);
  });

  test('labels give way as little as needed', () => {
    expect(spread([10, 40], [10, 10], 0, 100)).toEqual([10, 40]);
    expect(spread([10, 12], [10, 10], 0, 100)).toEqual([10, 20]);
    expect(spread([97, 98], [10, 10], 0, 100)).toEqual([85, 95]);
  });

  test('levels of colour and ring', () => {
    expect([levelOf(0), levelOf(1), levelOf(-5), levelOf(NaN), levelOf(Infinity)]).toEqual([0, 16, -16, 0, 0]);
    expect([ringOf(undefined), ringOf(NaN), ringOf(0.01), ringOf(1.5), ringOf(1e9)]).toEqual([0, 0, 0, 4, 8]);
  });
});

describe('synapses', () => {
  test('zero is none, the strong come first, each kind has its scale', () => {
    const tiny: Network = {
      inputs: ['a', 'b'], neurons: 2, actions: ['c'], note: '',
      inputWeight: Float32Array.of(0, 4, -2, NaN),
      recurrentWeight: Float32Array.of(0, 0, 0.5, 0),
      readoutWeight: null,
    };
    const found = synapsesOf(tiny);
    expect(found.map(({ kind, from, to, share }) => [kind, from, to, share])).toEqual([
      ['input', 1, 0, 1], ['recurrent', 0, 1, 1], ['input', 0, 1, 0.5],
    ]);
    expect(found.filter((s) => touches(s, { part: 'neuron', index: 0 }))).toHaveLength(2);
    expect(found.filter((s) => touches(s, { part: 'input', index: 0 }))).toEqual([found[2]]);
    expect(found.filter((s) => touches(s, { part: 'action', index: 0 }))).toEqual([]);
  });

  test('of a crowd the strongest are drawn, and some of each kind', () => {
    const many = synapsesOf(network(ANYMAL, 64, numbered('action', 12)));
    const drawn = strongest(many, 250);
    expect(drawn).toHaveLength(250);
    for (const kind of ['input', 'recurrent', 'readout']) {
      expect(drawn.filter((s) => s.kind === kind).length).toBeGreaterThanOrEqual(83);
    }
    expect(strongest(many.slice(0, 20), 250)).toEqual(many.slice(0, 20));
  });

  test('outlines are numbers throughout', () => {
    for (const neurons of [1, 2, 8]) {
      const net = network(['a', 'b'], neurons, ['c']);
      const layout = layOut(net, 340);
      for (const synapse of synapsesOf(net)) {
        const { d, alpha } = outlineOf(synapse, layout, 10);
        expect(d).not.toMatch(/NaN|Infinity|undefined/);
        expect(alpha).toBeGreaterThan(0);
        expect(alpha).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe('networks of shipped policies', () => {
  test.each(['pendulum_ltc', 'pendulum_synaptic_ltc', 'masked_pendulum_gru', 'robust_cfc', 'anymal_walk_ltc'])(
    'readout of %s: as much as an action changes when a neuron is held one higher',
    async (name) => {
      const policy = await load(name);
      const { neurons, obsDim, actDim } = policy;
      const { readoutWeight } = networkOf(policy, times('x', obsDim), actDim);
      expect(readoutWeight).toHaveLength(actDim * neurons);
      policy.actionLow = null; // bounds would hide what is beyond them
      const observation = Array.from({ length: obsDim }, (_, i) => 0.1 * Math.sin(i));
      const acts = (neuron: number, value: number) => {
        policy.reset();
        policy.hold(neuron, value);
        const action = policy.act(observation);
        policy.hold(neuron, null);
        return action;
      };
      for (let neuron = 0; neuron < neurons; neuron++) {
        const [low, high] = [acts(neuron, -0.5), acts(neuron, 0.5)];
        for (let k = 0; k < actDim; k++) {
          const weight = readoutWeight![k * neurons + neuron];
          const size = Math.max(1, Math.abs(low[k]), Math.abs(high[k]));
          expect(Math.abs(high[k] - low[k] - weight)).toBeLessThan(1e-5 * size);
        }
      }
    },
  );

  test('inputs have the names of the observation, also behind an encoder', async () => {
    const pendulum = networkOf(await load('masked_pendulum_ltc'), ['cart', 'pole'], 1);
    expect([pendulum.inputs, pendulum.actions, pendulum.note]).toEqual([['cart', 'pole'], ['action'], '']);
    const walk = networkOf(await load('anymal_walk_ltc'), ANYMAL, 12);
    expect(walk.inputs).toEqual(ANYMAL);
    expect(walk.actions).toEqual(numbered('action', 12));
    expect(walk.note).toMatch(/^A layer of 64 features stands before the neurons; .* directly/);
  });

  test('behind an encoder the weights are its product with the cell, written out here from the file', async () => {
    const file = bytesOf('anymal_walk_ltc');
    const { tensors } = readSafetensors('x', file);
    const [first, cell] = [tensors.get('encoder.0.weight')!.data, tensors.get('cell.input')!.data];
    const { inputWeight } = networkOf(await load('anymal_walk_ltc'), ANYMAL, 12);
    expect(inputWeight).toHaveLength(32 * 52);
    for (const [neuron, entry] of [[0, 0], [31, 51], [7, 20], [20, 7]]) {
      let sum = 0;
      for (let k = 0; k < 64; k++) sum += cell[neuron * 64 + k] * first[k * 52 + entry];
      expect(inputWeight![neuron * 52 + entry]).toBeCloseTo(sum, 5);
    }
  });

  test('without neurons a sentence, without weights no synapses', async () => {
    const none = networkOf(await load('halfcheetah_ppo_0'), times('x', 17), 6);
    expect(none).toMatchObject({ neurons: 0, inputWeight: null, recurrentWeight: null, readoutWeight: null });
    expect(none.note).toMatch(/no neurons to watch/);
    const planned = networkOf(await load('faucet_ndp'), times('x', 17), 3);
    expect(planned.note).toMatch(/plan/);
    const lstm = networkOf(await load('memory_pendulum_rsac_lstm'), ['a', 'b'], 1);
    expect(lstm.neurons).toBe(64);
    expect(synapsesOf(lstm)).toEqual([]);
    expect(lstm.note).toMatch(/LSTM/);
    const ltc = networkOf(await load('memory_pendulum_rsac_ltc'), ['a', 'b'], 1);
    expect(ltc.readoutWeight).toBeNull();
    expect(ltc.note).toMatch(/Another network/);
    const chunk = networkOf(await load('faucet_ndp_ltc'), times('x', 17), 3);
    expect([chunk.neurons, chunk.readoutWeight]).toEqual([32, null]);
    expect(networkOf(await load('masked_pendulum_mlp'), ['a', 'b'], 1).note).toMatch(/remember nothing/);
  });
});
