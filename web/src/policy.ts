/**
 * The course's saved policies, run in the browser: `loadPolicy` reads a file of assets/policies, `act` acts.
 *
 *     const policy = await fetchPolicy('policies/anymal_walk_ltc.safetensors');
 *     const action = policy.act(observation); // policy.state has moved on
 *
 * test/policies.test.ts holds every shipped policy beside Python.
 */
import { ChunkActorCritic, MLPActorCritic, RecurrentActorCritic } from './actor_critics';
import { DeterministicActor, RecurrentDeterministicActor, RecurrentSquashedActor, SquashedActor } from './actors';
import { Policy } from './policy_base';
import { type PolicyFile, PolicyFileError, isRecord, readPolicyFile } from './safetensors';
import { Settings, Weights, nested } from './weights';

export { Policy, PolicyFileError };

const POLICIES: { [kind: string]: new (settings: Settings, weights: Weights) => Policy } = {
  MLPActorCritic,
  RecurrentActorCritic,
  ChunkActorCritic,
  DeterministicActor,
  SquashedActor,
  RecurrentDeterministicActor,
  RecurrentSquashedActor,
};

/** A policy ready to act, from the bytes of its file; `name` is what sentences call it. */
export async function loadPolicy(name: string, content: ArrayBuffer | Uint8Array): Promise<Policy> {
  return buildPolicy(await readPolicyFile(name, content));
}

/** The same from an address; the file's name is its last part. */
export async function fetchPolicy(address: string): Promise<Policy> {
  const name = address.split('/').pop()!.split(/[?#]/)[0];
  let response: Response;
  try {
    response = await fetch(address);
  } catch {
    throw new PolicyFileError(`${name} could not be fetched from ${address}; is the network, or the server, there?`);
  }
  if (!response.ok) throw new PolicyFileError(`${name} could not be fetched: ${address} answers ${response.status}.`);
  return loadPolicy(name, await response.arrayBuffer());
}

function buildPolicy({ name, header, tensors, verified }: PolicyFile): Policy {
  const kind = header.policy;
  if (typeof kind !== 'string' || !Object.hasOwn(POLICIES, kind)) {
    const came = JSON.stringify(kind)?.slice(0, 100) ?? 'none';
    const accepted = Object.keys(POLICIES).join(', ');
    throw new PolicyFileError(`${name} needs the policy class ${came}, which the player lacks; accepted: ${accepted}.`);
  }
  try {
    if (!isRecord(header.settings)) throw new PolicyFileError('it has no settings.');
    const weights = Weights.of(tensors);
    const policy = new POLICIES[kind](new Settings(nested(header.settings)), weights);
    policy.settle(header, weights);
    policy.name = name;
    policy.verified = verified;
    return policy;
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    throw new PolicyFileError(`${name} does not fit its own description: ${error.message}`);
  }
}
