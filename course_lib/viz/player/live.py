"""`cl.live`: a policy in the browser, under a cell."""

from __future__ import annotations

import functools
import html
import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from course_lib.envs import make_task
from course_lib.errors import ArgumentError, check_choice, check_count, nearest
from course_lib.evaluation.returns import policy_of
from course_lib.files import assets_folder, player_folder
from course_lib.policies.base import Policy
from course_lib.policies.saved import POLICIES, acting, load, policy_bytes, policy_path
from course_lib.viz.player import catalogue
from course_lib.viz.player.frame import framed, page, pictured
from course_lib.viz.player.poster import poster
from course_lib.viz.player.start import as_hash, checked

FORM = "COURSE_LIVE"  # environment variable: "frame", or "picture" for a picture with a link, which keeps files small
DISTRIBUTION = "liquid-control"


def live(policy="anymal_walk_ltc", *, beside=None, height: int = 640, **start) -> Live:
    """The live player under the cell: a policy acts in the browser, and its neurons are shown. Pull on the robot.

    In a saved notebook it goes on working, without a kernel; where frames are taken out (GitHub), a picture with a link
    to the player on the course's site takes its place.

    Args:
        policy: key of a shipped policy, path of a policy's file, or an agent, a run or a policy.
        beside: a second policy for the same robot, shown next to the first.
        height: height of the frame, in px.
        start: settings to begin with, as they stand in the page's address: rate (control steps in the same time: 0.25,
            0.5, 1, 2, 4), told (whether the neurons are told of it), noise, drop (share of lost observations), delay
            (control steps), dead (entries of the observation that read 0), hold (neurons that stand still, or pairs of
            a neuron and its value), hold_beside (the same of the second policy), gravity and friction (times the
            usual), speed (of the clock), push (times the robot's weight), command (of ANYmal: forward and left in m/s,
            turning in rad/s), seed, paused.

    Returns:
        A `Live`, which a notebook shows as the last line of a cell; `.page` is the whole page, to be saved as a file.
    """
    height = check_count("height", height, 200)
    first = _shown("policy", policy)
    shown = [first] if beside is None else [first, _shown("beside", beside)]
    if len({one.robot for one in shown}) > 1:
        keys = [entry["key"] for entry in catalogue.robots()[first.robot]["policies"]]
        raise ArgumentError(
            f"beside={_said(beside)} acts in another robot than policy={_said(policy)}; accepted: {', '.join(keys)}, "
            f"or one trained in {first.entry['task']}"
        )
    if beside is not None and shown[1].entry["key"] == first.entry["key"]:
        if shown[1].content == first.content:
            raise ArgumentError(f"beside={_said(beside)} is the policy that is shown already; accepted: another one")
        shown[1].rename(f"{first.entry['key'][:70]}_beside")
    start = checked(start, first.entry, first.header)
    return Live(shown, start, height)


@dataclass
class Shown:
    """One policy: its entry in the catalogue, the header and content of its file."""

    robot: str
    entry: dict
    header: dict
    content: bytes
    policy: Policy
    shipped: bool

    def rename(self, key: str) -> None:
        self.entry = {**self.entry, "key": key, "file": f"policies/{key}.safetensors"}


def _shown(argument: str, value) -> Shown:
    """What the argument asks for."""
    said = f"{argument}={_said(value)}"
    if isinstance(value, (str, Path)):
        path = _file(argument, value)
        content, policy = path.read_bytes(), load(path)
        name = path.resolve().parent.name if path.stem == "policy" else path.stem  # of a run: its folder
        key, shipped = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:80], path.parent == assets_folder() / "policies"
    else:
        key, policy, shipped = {"policy": "yours", "beside": "yours_beside"}[argument], policy_of(value), False
        if POLICIES.get(type(policy).__name__) is not type(policy):
            kinds = ", ".join(POLICIES)
            raise ArgumentError(f"{said} is a {type(policy).__name__}, which the live player lacks; accepted: {kinds}")
        content = policy_bytes(policy)
    header = policy.header if isinstance(value, (str, Path)) else _header_of(policy)
    if policy.env_note:
        raise ArgumentError(
            f"{said} was trained in {policy.env_id} {policy.env_note}, which the live player does not have; accepted: "
            "policies of plain environments"
        )
    if unusual := acting(policy):
        words = ", ".join(f"{name}={value}" for name, value in unusual.items())
        raise ArgumentError(
            f"{said} acts with {words}, which the live player would leave out; accepted: dt=1 and clamped={{}}, and "
            "then rate, told and hold of cl.live"
        )
    entry = catalogue.entry_of(key, header, said)
    robot = catalogue.robot_of(entry["task"], entry["options"])
    if shipped:  # as the page's own catalogue calls it
        entry = next(e for e in catalogue.robots()[robot]["policies"] if e["key"] == key)
    else:
        entry["title"] = f"{'yours' if key.startswith('yours') else key}: {entry['title']}"
        task = make_task(entry["task"], **entry["options"])
        policy.check_widths(len(task.observation_kinds()), len(task.action_low))
    return Shown(robot, entry, header, content, policy, shipped)


def _header_of(policy: Policy) -> dict:
    return {"settings": policy.settings, "env_id": policy.env_id, "env_options": policy.env_options}


def _said(value) -> str:
    return repr(str(value)) if isinstance(value, (str, Path)) else type(value).__name__


def _file(argument: str, value: str | Path) -> Path:
    """The file that a key or a path means, or a sentence with the keys that are there."""
    try:
        return policy_path(value)
    except ArgumentError:
        keys = [entry["key"] for robot in catalogue.robots().values() for entry in robot["policies"]]
        raise ArgumentError(
            f"{argument}={str(value)!r} is neither a file nor a shipped policy, nor the folder of a run; accepted: "
            f"{', '.join(keys)}{nearest(value, keys)}"
        ) from None


def site() -> str | None:
    """Address of the player on the course's site, which a fork has at a place of its own; None where nobody says."""
    project = Path(__file__).resolve().parents[3] / "pyproject.toml"
    try:
        lines = project.read_text(encoding="utf-8") if project.is_file() else ""
        lines = lines or "\n".join(metadata.metadata(DISTRIBUTION).get_all("Project-URL") or [])
    except metadata.PackageNotFoundError:
        lines = ""
    found = re.search(r'Repository\W+https://github\.com/([\w.-]+)/([\w.-]+?)"?$', lines, re.M)
    return f"https://{found[1]}.github.io/{found[2]}/live/" if found else None


class Live:
    """The player with one or two policies; a notebook shows it if it is the last line of a cell.

    Attributes:
        html: the piece of HTML that the notebook shows.
        page: the whole page, to be saved as a file and opened in a browser; "" where it is the site's.
        link: address of the same on the course's site; None where there is none. The site has only the policies that
            ship: for another one it is the address of its robot.
    """

    def __init__(self, shown: list[Shown], start: dict, height: int):
        self._shown, self._height = shown, height
        self._robot = catalogue.ROBOTS[shown[0].robot]
        names = ["policy", "beside"]
        self._start = {name: one.entry["key"] for name, one in zip(names, shown, strict=False)} | start
        titles = " beside ".join(one.entry["title"] for one in shown)
        self._title = f"{self._robot.title}: {titles}"
        self._folder, self._site = player_folder(), site()

    @property
    def link(self) -> str | None:
        if self._site is None:
            return None
        first, *second = (one.shipped for one in self._shown)
        lost = set() if all(second) else {"beside", "hold_beside"}
        known = {name: value for name, value in self._start.items() if first and name not in lost}
        return self._address + (f"#{as_hash(known)}" if known else "")

    @property
    def _address(self) -> str:
        return f"{self._site}{self._robot.key}.html"

    @functools.cached_property
    def page(self) -> str:
        player = self._folder or self._site
        if player is None or (self._folder is None and all(one.shipped for one in self._shown)):
            return ""
        entries = [one.entry for one in self._shown]
        robot = {"key": self._robot.key, "title": self._robot.title, "about": self._robot.about, "policies": entries}
        models = {entry["model"]: catalogue.model_of(entry) for entry in entries}
        policies = {one.entry["file"]: one.content for one in self._shown}
        shipped = all(one.shipped for one in self._shown)
        address = self._address if self._site and shipped else None
        return page(robot, models, policies, self._start, player, self._title, address)

    @functools.cached_property
    def picture(self) -> bytes:
        """JPEG of the first policy at work."""
        first = self._shown[0]
        made = self._folder and self._folder / "posters" / f"{self._robot.key}.jpg"
        if made and made.is_file() and first.entry["key"] == self._robot.first:
            return made.read_bytes()
        return poster(first.policy, first.entry, self._robot.seconds)

    @property
    def html(self) -> str:
        alt = f"{self._robot.picture}; moved by {self._shown[0].entry['title']}"
        picture, caption = pictured(self.picture, alt, self.link), html.escape(self._title)
        form = os.environ.get(FORM) or "frame"
        check_choice(FORM, form, ("frame", "picture"))
        if form == "picture":
            words = "Play it" if self._shown[0].shipped else "See the policies of this robot that ship"
            go = f' <a href="{html.escape(self.link)}">{words} in the browser.</a>' if self.link else ""
            return f'<figure style="margin:0">{picture}<figcaption>{caption}.{go}</figcaption></figure>'
        if self._folder is None and self._site is None:
            cure = "<code>make live</code> in a checkout builds the player"
            return f"<figure>{picture}<figcaption>{caption}; {cure}.</figcaption></figure>"
        out = framed(self.page or self.link, picture, f"live player, {self._title}", self._height)
        if self._folder is None:
            out += (
                f'<p>The player comes from <a href="{self._site}">{self._site}</a> and needs the network; in a '
                "checkout, <code>make live</code> builds one that works offline.</p>"
            )
        return out

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"Live({', '.join(f'{name}={value!r}' for name, value in self._start.items())})"
