/** What is left out on a slow machine, and when. */
import { expect, test } from 'vitest';
import { Quality } from '../src/view/quality';

/** Frames `every` ms for so many seconds -> what each drew, and how often the picture became plainer. */
function played(every: number, seconds: number, paused = false) {
  let plainer = 0;
  const quality = new Quality(() => plainer++);
  const drawn: string[] = [];
  for (let now = every; now < 1000 * seconds; now += every) drawn.push(quality.details(now, paused));
  return { drawn, plainer };
}

test('at 60 frames a second nothing is left out', () => {
  const { drawn, plainer } = played(16.7, 5);
  expect(new Set(drawn)).toEqual(new Set(['all']));
  expect(plainer).toBe(0);
});

test('at 30 graph and charts take turns, and the picture stays as it is', () => {
  const { drawn, plainer } = played(33, 10);
  const late = drawn.slice(-90);
  expect(late).not.toContain('all');
  const turns = late.filter((what) => what !== 'none');
  expect(turns.length).toBeGreaterThan(15);
  turns.slice(1).forEach((what, i) => expect(what).not.toBe(turns[i]));
  expect(plainer).toBe(0);
});

test('at 10 the picture becomes plainer, step by step', () => {
  expect(played(100, 2).plainer).toBe(1);
  expect(played(100, 4).plainer).toBe(2);
});

test('a frame after the page was asleep, or the first one, tells nothing', () => {
  let plainer = 0;
  const quality = new Quality(() => plainer++);
  const frames = (from: number, count: number, every: number) => {
    for (let i = 0; i < count; i++) quality.details(from + i * every, false);
  };
  frames(5_000, 1, 16); // loading took five seconds
  frames(5_100, 100, 16.7); // and the second frame a tenth
  frames(70_000, 2, 100); // another tab for a minute
  frames(70_216, 100, 16.7);
  frames(200_000, 60, 33);
  frames(300_000, 60, 33);
  expect(plainer).toBe(0);
});

test('a clock that stands still is drawn in full', () => {
  expect(new Set(played(100, 3, true).drawn)).toEqual(new Set(['all']));
});
