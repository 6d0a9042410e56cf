/** Settings in an address and back, and what is refused. */
import { describe, expect, test } from 'vitest';
import { DEFAULTS, type Settings, formatSettings, readSettings } from '../src/settings';

const some: Settings = {
  policy: 'anymal_walk_ltc', beside: 'anymal_walk_mlp', seed: 123456789, speed: 0.3, gravity: 1.5, friction: 0.25, rate: 0.5, told: false,
  noise: 0.12, drop: 0.3, delay: 3, dead: [1, 12], hold: [[3, 0], [5, -0.41]], hold_beside: [[1, 0]], push: 2, command: [0.5, 0, -1], paused: true,
};

test('nothing is written of defaults', () => expect(formatSettings({ ...DEFAULTS } as Settings)).toBe(''));
test('what is written is read again', () => {
  const text = formatSettings(some);
  expect(readSettings(`#${text}`)).toEqual({ settings: some, trouble: [] });
  expect(text).toContain('hold=3,5:-0.41');
});
test('a table says the same', () => {
  expect(readSettings({ ...some }).settings).toEqual(some);
  expect(readSettings({ hold: [3], dead: 4 }).settings).toMatchObject({ hold: [[3, 0]], dead: [4] });
});

describe('what is wrong stays at its default, with a sentence', () => {
  test.each([
    ['rate=3', 'rate=3 is not accepted; accepted: 0.25, 0.5, 1, 2, 4.'],
    ['gravity=-1', 'gravity=-1 is not accepted; accepted: 0 to 2.'],
    ['gravity=', 'gravity= is not accepted; accepted: a number.'],
    ['noise=NaN', 'noise=NaN is not accepted; accepted: a number.'],
    ['drop=1', 'drop=1 is not accepted; accepted: 0 to 0.95.'],
    ['delay=1.5', 'delay=1.5 is not accepted; accepted: a whole number, 0 to 10.'],
    ['hold=x', 'hold=x is not accepted; accepted: a whole number, 0 to 1000.'],
    ['hold=1:1e300', 'hold=1:1e300 is not accepted; accepted: neurons, held at values from -100 to 100.'],
    ['hold=1:z', 'hold=1:z is not accepted; accepted: a number.'],
    ['command=1,2', 'command=1,2 is not accepted; accepted: three numbers, forward, left and turn, from -1 to 2, -0.6 to 0.6, -1.5 to 1.5.'],
    ['told=perhaps', 'told=perhaps is not accepted; accepted: 0, 1.'],
    ['policy=../secret', "policy=../secret is not accepted; accepted: a policy's name."],
  ])('%s', (text, sentence) => {
    const { settings, trouble } = readSettings(text);
    expect(trouble).toEqual([sentence]);
    expect(settings).toEqual(DEFAULTS);
  });
  test('an unknown name, and one of every object', () => {
    expect(readSettings('colour=red').trouble[0]).toMatch(/^colour is no setting; accepted: policy, beside, /);
    expect(readSettings('__proto__=1&constructor=1&toString=1').settings).toEqual(DEFAULTS);
  });
  test('one wrong setting does not spoil the others', () => {
    expect(readSettings('rate=9&gravity=0.5').settings.gravity).toBe(0.5);
  });
});
