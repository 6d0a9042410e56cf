"""Configs: one checker holds every field to its annotation; cells and plans nest; what older versions wrote is read."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch

import course_lib as cl
from course_lib.errors import ArgumentError, check_choice, check_count
from course_lib.files import assets_folder
from course_lib.nets import wiring
from course_lib.rl.algorithms import ALGORITHMS, algorithm
from course_lib.rl.tuned import TUNED

NESTED = [cl.CellConfig, cl.SummarizerConfig, cl.PlanConfig]
CONFIGS = [algorithm(name)[1] for name in ALGORITHMS] + NESTED
INF = float("inf")
WRONG = [
    "no", b"no", -5, -1.5, 1.5, None, True, object(), int, float("nan"), INF, 1j, [], [64, "no"], [0], {}, {1: 2},
    -99.5, np.zeros(2), torch.ones(3),
]  # fmt: skip
RIGHT = {  # what is in an annotation -> those of `WRONG` that it takes
    "None": "None",
    "bool": "True",
    "Positive": "1.5",
    "NonNegative": "1.5",
    "or_inf": "1.5 inf",
    "Number": "-5 -1.5 1.5 -99.5",
    "Between(-20, 5)": "-5 -1.5 1.5",
    "Between(0, 1000": "1.5",
    "tuple[": "[]",
    "dict": "{}",
    "CellConfig": "None {}",
    "SummarizerConfig": "{}",
    "PlanConfig": "{}",
}


def names(kind):
    return [field.name for field in dataclasses.fields(kind)]


def fits(field, value):
    return any(word in field.type and repr(value) in right.split() for word, right in RIGHT.items())


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_refuses_what_is_wrong_by_name(config):
    prefix = getattr(config, "prefix", "")
    for field in dataclasses.fields(config):
        for value in (value for value in WRONG if not fits(field, value)):
            with pytest.raises(ArgumentError) as error:
                config(**{field.name: value})
            # The field, or one inside it; where a key of a dict is wrong, the class that has no such field.
            begins = rf"{re.escape(prefix + field.name)}(\.\w+)?=|{re.escape(field.type)} has no field "
            assert re.match(begins, str(error.value)), (field.name, value)
            assert re.search("accepted[;:] ", str(error.value)), (field.name, value)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_field_takes_what_fits(config):
    alone = ("temperature", "learn_temperature")  # fields that another one must go with
    taken = 0
    for field in (field for field in dataclasses.fields(config) if field.name not in alone):
        for value in (value for value in WRONG if fits(field, value)):
            found = getattr(config(**{field.name: value}), field.name)
            assert found == value or found in ((), cl.CellConfig(), cl.SummarizerConfig(), cl.PlanConfig())
            taken += 1
    assert taken


def as_numpy(value):
    if isinstance(value, tuple):
        return tuple(map(as_numpy, value))
    kinds = {bool: np.bool_, int: np.int32, float: np.float64}
    return kinds.get(type(value), lambda same: same)(value)


@pytest.mark.parametrize("config", CONFIGS)
def test_numpy_numbers_become_plain_python(config):
    plain = config()
    found = config(**{name: as_numpy(getattr(plain, name)) for name in names(config)})
    assert found == plain
    for name in names(config):
        mine, theirs = getattr(found, name), getattr(plain, name)
        assert type(mine) is type(theirs)
        if isinstance(mine, tuple):
            assert [type(part) for part in mine] == [int] * len(mine)


def test_numpy_scalars_at_the_edges():
    assert cl.DDPGConfig(max_grad_norm=np.float32("inf")).max_grad_norm == INF
    assert cl.PPOConfig(plan=np.int64(5)).plan.chunk == 5
    assert type(cl.PPOConfig(target_kl=np.float32(0.5)).target_kl) is float
    for value in (np.array(1.5), torch.tensor(2.5), np.bool_(True), np.ones(2)):
        with pytest.raises(ArgumentError, match="^n=.* is not accepted; it must be a whole number of at least 1"):
            check_count("n", value)
    with pytest.raises(ArgumentError, match=r"^c=array.* is not known; accepted: 'a'"):
        check_choice("c", np.array(["a"]), ["a"])


# --- cells and plans ----------------------------------------------------------------------------


def test_a_name_a_dict_or_a_config_will_do():
    ltc = cl.CellConfig("ltc", neurons=5)
    assert cl.PPOConfig(cell=ltc).cell is ltc
    assert cl.PPOConfig(cell=dict(name="ltc", neurons=5)).cell == ltc
    assert cl.PPOConfig(cell="ltc").cell == cl.CellConfig("ltc") != ltc
    assert cl.PPOConfig(cell=None) == cl.PPOConfig(cell={}) == cl.PPOConfig()
    assert cl.RSACConfig(cell="gru").cell == cl.SummarizerConfig("gru") == cl.RSACConfig(cell=dict(name="gru")).cell
    plan = cl.PlanConfig(5)
    assert cl.PPOConfig(plan=plan).plan is plan
    assert cl.PPOConfig(plan=5).plan == plan == cl.PPOConfig(plan=dict(chunk=5)).plan
    for wrong in (cl.SummarizerConfig("gru"), plan):
        with pytest.raises(ArgumentError, match="^cell=.* is not accepted; it must be a CellConfig, or a dict"):
            cl.PPOConfig(cell=wrong)


def test_configs_do_not_share_what_can_be_changed():
    one, other, options = cl.PPOConfig(), cl.PPOConfig(), {"substeps": 2}
    assert one.cell is not other.cell and one.plan is not other.plan and one.cell.options is not other.cell.options
    cell = cl.CellConfig("ltc", options=options)
    options["substeps"] = 3
    assert cell.options == {"substeps": 2}


@pytest.mark.parametrize(
    "config, changes, sentence",
    [
        (cl.PPOConfig, dict(cell={"neuron": 4}), "CellConfig has no field 'neuron'; .*did you mean 'neurons'"),
        (cl.PPOConfig, dict(cell={"layers": 2}), "CellConfig has no field 'layers'; accepted: name, neurons, options"),
        (cl.PPOConfig, dict(plan={"chunks": 4}), "PlanConfig has no field 'chunks'; .*did you mean 'chunk'"),
        (cl.RSACConfig, dict(cell={"previous_actions": True}), "SummarizerConfig .*did you mean 'previous_action'"),
        (cl.PPOConfig, dict(cell="lct"), r"cell\.name='lct' is not known; .*did you mean 'ltc'"),
        (cl.RDPGConfig, dict(cell=dict(remember=-1)), r"cell\.remember=-1 is not accepted; .* of at least 0"),
        (cl.RTD3Config, dict(cell=dict(options=["tau"])), r"cell\.options=\['tau'\] .* a dict with names as keys"),
        (
            cl.PPOConfig,
            dict(plan=dict(alpha="x")),
            r"plan\.alpha='x' is not accepted; it must be a finite number above",
        ),
    ],
)
def test_refused_inside_a_cell_or_a_plan(config, changes, sentence):
    with pytest.raises(ArgumentError, match=f"^{sentence}"):
        config(**changes)


# --- settings found for tasks -------------------------------------------------------------------


def test_recommended_merges_changes_into_what_was_found():
    recommended = cl.RSACConfig.recommended
    found = recommended("MemoryCartPole-v0")
    assert found.cell == cl.SummarizerConfig(feedthrough=True) and found.summarizers == "critics"
    for changes in ("gru", dict(name="gru")):
        assert recommended("MemoryCartPole-v0", cell=changes).cell == cl.SummarizerConfig("gru", feedthrough=True)
    changed = recommended("course/MemoryCartPole-v0", cell=dict(neurons=9, feedthrough=False), lr_schedule="constant")
    assert changed.cell == cl.SummarizerConfig(neurons=9) and changed.lr_schedule == "constant"
    assert changed.gamma == found.gamma == 0.995
    whole = cl.SummarizerConfig("gru")
    assert recommended("MemoryCartPole-v0", cell=whole).cell is whole
    assert recommended("MemoryCartPole-v0") == found  # what was found is as before
    assert recommended("Unheard-v0", cell="gru") == cl.RSACConfig(cell="gru")
    ltc = cl.PPOConfig.recommended("InvertedPendulum-v5", cell=dict(name="ltc"), plan=dict(chunk=2))
    assert (ltc.cell.name, ltc.plan.chunk, ltc.minibatch_size) == ("ltc", 2, 64)


@pytest.mark.parametrize("env_id, kind", [(env_id, kind) for env_id, kinds in TUNED.items() for kind in kinds])
def test_every_setting_that_was_found_can_be_changed(env_id, kind):
    config = getattr(cl, kind)
    assert config.recommended(env_id) == config.recommended(f"course/{env_id}") != config()
    assert config.recommended(env_id, **dataclasses.asdict(config())) == config()


# --- files --------------------------------------------------------------------------------------

PLACED = dict(neurons=8, options={"wiring": wiring.full(4, 8, motors=1), "substeps": 2}, encoder=4)
CHANGED = [
    cl.PPOConfig(cell=dict(name="ltc", critic="mlp", **PLACED), plan=5, hidden=[8], target_kl=0.01, init_log_std=-1),
    cl.PPOConfig(plan=dict(chunk=5, trajectory="dmp", explore="plan", heads="present", dofs=2, basis=3, alpha=5)),
    cl.DDPGConfig(hidden=(), target_entropy=-0.5, products="bfloat16", max_grad_norm=1.0),
    cl.RSACConfig(cell=dict(name="ltc", feedthrough=True, previous_action=True, options={"tau": [1, 2]})),
    cl.RTD3Config(sequence_length=8, burn_in=3, memory_start="stored", cell=dict(remember=20, layers=2)),
    *(config() for config in CONFIGS),
]


@pytest.mark.parametrize("config", CHANGED, ids=lambda config: type(config).__name__)
def test_a_config_is_json_and_is_read_back(config):
    read = type(config).of if type(config) in NESTED else type(config).from_dict
    again = read(json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config and repr(again) == repr(config)


def flat_value(config, name):
    """A field by the name that it had when all stood beside each other."""
    inside = {"cell": "name", "cell_options": "options"}
    if name in inside:
        return getattr(config.cell, inside[name])
    parts = (config, getattr(config, "cell", None), getattr(config, "plan", None))
    return next(getattr(part, name) for part in parts if hasattr(part, name))


def test_configs_in_policy_files_from_before_are_read():
    names, with_cell, with_plan = [path.stem for path in (assets_folder() / "policies").glob("*.safetensors")], 0, 0
    for name in names:
        header = cl.load(name).header
        if header.get("algorithm") not in ALGORITHMS or "config" not in header:
            continue
        flat, config = header["config"], algorithm(header["algorithm"])[1].from_dict(header["config"])
        if isinstance(flat.get("cell"), dict):  # of today
            found, default = (json.loads(json.dumps(dataclasses.asdict(c))) for c in (config, type(config)()))
            assert found == default | flat, name  # what came later has its default
            continue
        for field, value in flat.items():
            found = flat_value(config, field)
            assert (list(found) if isinstance(found, tuple) else found) == value, (name, field)
        with_cell += flat.get("cell") is not None
        with_plan += flat.get("chunk", 1) > 1
    assert with_cell >= 10 and with_plan >= 5


def test_a_config_from_before_by_hand():
    config = cl.PPOConfig.from_dict(cl.load("pendulum_ltc").header["config"])
    assert config == cl.PPOConfig.recommended("InvertedPendulum-v5", cell=dict(name="ltc", critic="mlp"))
    flat = {"cell": "lstm", "neurons": 9, "layers": 2, "cell_options": None, "previous_action": True, "burn_in": 0}
    assert cl.RSACConfig.from_dict(flat).cell == cl.SummarizerConfig("lstm", 9, 2, previous_action=True)
    flat = {"cell": None, "neurons": 9, "cell_options": {}, "chunk": 5, "trajectory": "dmp", "alpha": 12.0, "epochs": 3}
    plan = cl.PlanConfig(5, "dmp", alpha=12.0)
    assert cl.PPOConfig.from_dict(flat) == cl.PPOConfig(cell=cl.CellConfig(neurons=9), plan=plan, epochs=3)


# --- changed after it was made, or of another algorithm -----------------------------------------


POLE = "InvertedPendulum-v5"
ROLLOUT = dict(rollout_steps=32, minibatch_size=64)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_field_that_there_is_not_cannot_be_set(config):
    made, first = config(), names(config)[0]
    with pytest.raises(ArgumentError, match=f"^{config.__name__} has no field '{first}s'; .*did you mean '{first}'"):
        setattr(made, f"{first}s", 1)
    setattr(made, first, getattr(made, first))
    assert made == config() and dataclasses.replace(made) == made


def test_an_agent_checks_its_config_once_more():
    def changed(kind, change):
        config = kind.Config()
        change(config)
        return kind(cl.make(POLE, 32), config)

    def set_to(name, value):
        return lambda config: setattr(config, name, value)

    for kind, change, said in [
        (cl.PPO, set_to("gamma", 7.0), r"^gamma=7\.0 is not accepted"),
        (cl.PPO, lambda config: setattr(config.cell, "neurons", -3), r"^cell\.neurons=-3 is not accepted"),
        (cl.SAC, set_to("stochastic", False), "need an actor that has entropy"),
        (cl.RSAC, set_to("memory_start", "stored"), "memory_start='stored' is not accepted with whole episodes"),
    ]:
        with pytest.raises(ArgumentError, match=said):
            changed(kind, change)
    assert type(changed(cl.PPO, set_to("cell", "ltc")).policy) is cl.RecurrentActorCritic  # as in the constructor


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_agent_takes_its_own_config_and_what_derives_from_it(name):
    kind, own = algorithm(name)

    @dataclasses.dataclass
    class Derived(own):
        more: int = 1

    small = {} if name == "ppo" else dict(buffer_size=40_000)
    for config in (own, Derived):
        assert type(kind(cl.make(POLE, 16), config(**small)).config) is config
    others = [algorithm(other)[1] for other in ALGORITHMS if other != name]
    for wrong in [*(other() for other in others), dict(gamma=0.9), own, "ppo", cl.CellConfig()]:
        with pytest.raises(ArgumentError, match=f"^config=.* by {kind.__name__}; it must be a {own.__name__}, e.g."):
            kind(cl.make(POLE, 16), wrong)


# --- a policy beside the config -----------------------------------------------------------------


def ppo_with(policy, env=POLE, **config):
    return cl.PPO(cl.make(env, 8), cl.PPOConfig(**{**ROLLOUT, **config}), policy=policy).policy


class PassesOn(cl.RecurrentActorCritic):
    def __init__(self, obs_dim, act_dim, **more):
        super().__init__(obs_dim, act_dim, **more)


@pytest.mark.parametrize("kind", [cl.RecurrentActorCritic, PassesOn, lambda *a, **more: PassesOn(*a, **more)])
def test_the_config_reaches_a_class_of_policies(kind):
    cell = cl.CellConfig("cfc", neurons=32, critic="mlp")
    policy = ppo_with(kind, cell=cell, activation="elu")
    assert policy.settings["cell"] == dataclasses.asdict(cell) and type(policy.cell).__name__ == "CfC"
    assert type(policy.critic[1]) is torch.nn.ELU
    assert ppo_with(kind).settings["cell"] == dataclasses.asdict(cl.CellConfig("ltc"))  # the default of the class


def test_the_config_reaches_the_other_classes():
    assert type(ppo_with(cl.MLPActorCritic, activation="elu").actor[1]) is torch.nn.ELU
    assert type(ppo_with(cl.MLPActorCritic).actor[1]) is torch.nn.Tanh
    assert ppo_with(cl.ChunkActorCritic, plan=3, cell="gru").settings["plan"]["chunk"] == 3
    assert ppo_with(cl.ChunkActorCritic).chunk == 5


@pytest.mark.parametrize(
    "kind, config, said",
    [
        (cl.MLPActorCritic, dict(cell="ltc"), r"cell\.name='ltc' .* policy=MLPActorCritic, which takes no cell"),
        (cl.MLPActorCritic, dict(plan=4), r"plan\.chunk=4 .* policy=MLPActorCritic, which takes no plan"),
        (cl.RecurrentActorCritic, dict(plan=dict(trajectory="dmp")), r"plan\.trajectory='dmp' .* takes no plan"),
        (cl.SAC, {}, "policy=SAC is not accepted by PPO; it must be an ActorCritic"),
        ("mlp", {}, "policy=a str is not accepted by PPO"),
    ],
)
def test_what_a_class_of_policies_does_not_take_is_refused(kind, config, said):
    with pytest.raises(ArgumentError, match=said):
        ppo_with(kind, **config)


LTC = dict(name="ltc", neurons=4, critic="mlp")
OFF = dict(learning_starts=64, batch_size=8, buffer_size=1_000, hidden=(8,))


@pytest.mark.parametrize(
    "built, asked, said",
    [
        ({}, dict(activation="elu"), "activation='elu' .* which has 'tanh'; accepted: 'tanh', also within recommended"),
        ({}, dict(hidden=(8,)), r"hidden=\(8,\) .* which has \(64, 64\)"),
        ({}, dict(normalize_observation=False), "normalize_observation=False .* which has True"),
        ({}, dict(cell="ltc"), r"cell\.name='ltc' .* which has None"),
        ({}, dict(plan=2), r"plan\.chunk=2 .* which has 1"),
        (dict(plan=3), dict(plan=2), r"plan\.chunk=2 .* which has 3"),
        (dict(plan=3), dict(cell="gru"), r"cell\.name='gru' .* which has None"),
        (dict(cell=LTC), dict(cell="gru"), r"cell\.name='gru' .* which has 'ltc'"),
        (dict(cell=LTC), dict(cell=dict(LTC, neurons=5)), r"cell\.neurons=5 .* which has 4"),
    ],
)
def test_a_config_that_asks_for_another_policy_than_the_one_handed_over_is_refused(built, asked, said):
    policy = ppo_with(None, **built)
    with pytest.raises(ArgumentError, match=said):
        ppo_with(policy, **asked)
    assert ppo_with(policy, **built).settings == policy.settings == ppo_with(policy).settings
    if "cell" not in built:
        ppo_with(policy, cell=dict(neurons=9), learning_rate=0.5)  # without the name of a cell no cell is asked for


@pytest.mark.parametrize(
    "kind, built, asked, said",
    [
        (cl.TD3, {}, dict(exploration_noise=0.5), r"exploration_noise=0\.5 .* which has 0\.1"),
        (cl.DDPG, {}, dict(normalize_observation=True), "normalize_observation=True .* which has False"),
        (cl.RTD3, dict(cell="gru"), dict(cell="elman"), r"cell\.name='elman' .* which has 'gru'"),
        (cl.RSAC, dict(cell=dict(previous_action=True)), dict(cell=dict(neurons=5)), r"neurons=5 .* which has 64"),
    ],
)
def test_so_it_is_off_policy(kind, built, asked, said):
    def make(policy, **config):
        return kind(cl.make("Pendulum-v1", 2), kind.Config(**{**OFF, **config}), policy=policy).policy

    policy = make(None, **built)
    with pytest.raises(ArgumentError, match=said):
        make(policy, **asked)
    policies = [make(policy, **built), make(policy), make(policy, hidden=(9,))]  # critics of other widths
    assert all(torch.equal(other.network.flat, policy.network.flat) for other in policies)
    policy.noise = 0.3
    assert make(policy, exploration_noise=0.3).noise == 0.3


def test_the_noise_that_a_policy_has_learnt_is_not_compared_with_that_of_a_beginner():
    """`recommended` sets init_log_std, and training moves it: a policy that is trained on has one of its own."""
    policy = cl.PPO(cl.make("InvertedPendulum-v5", 4), cl.PPOConfig(hidden=(8,), minibatch_size=64)).policy
    policy.log_std.data.fill_(-0.7)
    agent = cl.PPO(
        cl.make("InvertedPendulum-v5", 4), cl.PPOConfig(hidden=(8,), minibatch_size=64, init_log_std=-1), policy
    )
    assert agent.policy.log_std.tolist() == pytest.approx([-0.7])


def test_a_config_of_a_class_of_ones_own_goes_with_its_base():
    @dataclasses.dataclass
    class Mine(cl.PPOConfig):
        extra: float = 1.0

    class MyPPO(cl.PPO):
        Config = Mine

    for kind in (cl.PPO, MyPPO):
        assert (
            kind(cl.make("InvertedPendulum-v5", 4), Mine(hidden=(8,), minibatch_size=64, extra=2.0)).config.extra == 2.0
        )
