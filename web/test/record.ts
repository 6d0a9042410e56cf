/** Before the tests: record what Python says, where that is not there or older than the script that records it. */
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const RECORDED = `${ROOT}web/test/recorded/`;

export default function record(): void {
  const own = `${ROOT}.venv/bin/python`;
  for (const kind of ['policies', 'tasks']) {
    const [script, done] = [`${ROOT}scripts/record_live_${kind}.py`, `${RECORDED}${kind}/index.json`];
    if (existsSync(done) && statSync(done).mtimeMs >= statSync(script).mtimeMs) continue;
    const where = kind === 'policies' ? [`${RECORDED}policies/`] : [];
    execFileSync(existsSync(own) ? own : 'python3', [script, ...where], { cwd: ROOT, stdio: 'inherit' });
  }
}
