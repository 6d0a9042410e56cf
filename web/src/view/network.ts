/** What a graph is drawn from: the names and weights of a policy's network. */
import { ChunkActorCritic } from '../actor_critics';
import type { Policy } from '../policy_base';
import { isRecord } from '../safetensors';
import type { Network } from './graph_layout';

/**
 * `kinds`: one word for each entry of the observation. Where an encoder stands between it and the cell, the lines are the
 * product of its weights and the cell's, and `note` says so.
 */
export function networkOf(policy: Policy, kinds: string[], actions: number): Network {
  const { cell, neurons } = policy;
  const whole = policy.inputWeight?.length === neurons * kinds.length; // of the observation
  const inputs = cell?.inputs ?? kinds.length;
  return {
    inputs: whole || inputs === kinds.length ? kinds : numbered('input', inputs),
    actions: actions === 1 ? ['action'] : numbered('action', actions),
    neurons,
    inputWeight: whole ? policy.inputWeight : (cell?.inputWeight ?? null),
    recurrentWeight: cell?.recurrentWeight ?? null,
    readoutWeight: policy.readoutWeight,
    note: noteOn(policy, actions),
  };
}

/** What a reader has to know who looks at this network, in a few sentences; "" where the graph says it all. */
function noteOn(policy: Policy, actions: number): string {
  const { cell, neurons } = policy;
  const planned = policy instanceof ChunkActorCritic;
  if (!neurons) {
    return planned
      ? 'This network remembers nothing but its plan for the next steps, so there are no neurons to watch.'
      : 'This network has no memory: it remembers nothing between two control steps, so there are no neurons to watch.';
  }
  const name = cellOf(policy);
  const notes: string[] = [];
  if (!cell) notes.push(`The synapses of ${name.name === 'lstm' ? 'an LSTM' : 'this network'} are not drawn.`);
  if (cell && name.name === 'mlp') notes.push('These neurons follow what they see now and remember nothing.');
  if (cell && policy.inputWeight && policy.inputWeight.length !== cell.inputWeight.length) {
    notes.push(`A layer of ${cell.inputs} features stands before the neurons; it is drawn as if it were linear.`);
  }
  const whole = actions === 1 ? 'the action' : 'the actions';
  if (planned) notes.push('They decide on a plan for several steps, so no single synapse leads to an action.');
  else if (!policy.readoutWeight) notes.push(`Another network stands between these neurons and ${whole}.`);
  if (name.feedthrough === true) notes.push(`What is seen also goes to ${whole} directly, which is not drawn.`);
  return notes.join(' ');
}

/** The settings of a policy's cell; in older files they stand beside the others. */
function cellOf({ header }: Policy): Record<string, unknown> {
  const settings = isRecord(header.settings) ? header.settings : {};
  return isRecord(settings.cell) ? settings.cell : { ...settings, name: settings.cell };
}

const numbered = (word: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${word} ${i + 1}`);

/** What the graph's inputs are now; null before the first action, and where they are not known. */
export function inputsOf(policy: Policy, network: Network): Float32Array | null {
  const fits = (values: Float32Array | null) => values?.length === network.inputs.length;
  if (policy.inputWeight && fits(policy.sensed)) return policy.sensed;
  return fits(policy.seen) ? policy.seen : null;
}
