"""Where shipped files are, and how files are written and read: results as JSON, tensors as safetensors.

Safetensors are raw tensors behind a JSON header. Reading them executes nothing. The header holds a SHA-256 of
everything that matters, so that a truncated, foreign or edited file is refused whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes

from course_lib.errors import ArgumentError, PolicyFileError, nearest


def assets_folder() -> Path:
    """The folder with policies/ and results/: in a checkout, or inside an installed wheel."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "assets", here / "_assets"):
        if (folder / "policies").is_dir() or (folder / "results").is_dir():
            return folder
    raise PolicyFileError("the shipped assets are missing from this installation; install liquid-control again")


def player_folder() -> Path | None:
    """The folder of the live player: `make live` builds it in a checkout, a released wheel brings it; None without."""
    here = Path(__file__).resolve().parent
    folders = (here.parent / "web" / "dist", here / "_assets" / "live")
    return next((folder for folder in folders if (folder / "player.js").is_file()), None)


def result(name: str) -> dict:
    """The measured result `assets/results/NAME.json` (claims, intervals, seeds, per_seed, config, versions …)."""
    path = assets_folder() / "results" / f"{name}.json"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.json"))
        raise ArgumentError(f"name={name!r} has no result file; accepted: {', '.join(known)}{nearest(name, known)}")
    content = json.loads(path.read_text())
    for row in content.get("per_seed", []):
        for name, values in row.get("curve", {}).items():  # null stands for NaN: no episode had ended yet
            row["curve"][name] = [float("nan") if v is None else v for v in values]
    return content


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    names = ("torch", "mujoco", "gymnasium", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def make_folder(folder: Path) -> None:
    """Create `folder` with its parents, or say why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolicyFileError(
            f"folder {folder} cannot be written: {error.strerror or error}; choose a folder you may write to"
        ) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary file in the same folder, then rename: a crash leaves the old file or the new one."""
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise PolicyFileError(
            f"{path.name} cannot be written into {path.parent}: {error.strerror or error}; "
            "choose a folder you may write to"
        ) from None


def _digest(tensors: dict[str, torch.Tensor], header: str) -> str:
    """Of the header, and of name, type, shape and content of every tensor."""
    sha = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return sha.hexdigest()


def _digest_1(tensors: dict[str, torch.Tensor], header: str) -> str:
    """As it was until 0.1: of names and contents alone. Who reads such a file checks types and shapes."""
    sha = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        sha.update(name.encode() + np.ascontiguousarray(tensors[name].numpy()).tobytes())
    return sha.hexdigest()


def tensor_bytes(tensors: dict[str, torch.Tensor], header: dict) -> bytes:
    """`tensors` with a JSON `header` and a digest of both, as a file holds them."""
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    text = json.dumps(header)
    return safetensors_bytes(tensors, {"header": text, "digest": _digest(tensors, text)})


def save_tensors(path: str | Path, tensors: dict[str, torch.Tensor], header: dict) -> Path:
    """Write `tensors` with a JSON `header` and a digest of both, atomically."""
    path = Path(path)
    write_atomically(path, tensor_bytes(tensors, header))
    return path


def remove_leftovers(folder: Path) -> None:
    """Take away the temporary files of writers that were killed."""
    for path in folder.glob(".*.safetensors.*") if folder.is_dir() else ():
        path.unlink(missing_ok=True)


def _header_of(path: Path, meta: dict, expected_format: str) -> tuple[dict, str]:
    """The JSON header in a file's metadata, and its text."""
    try:
        text = meta["header"]
        header = json.loads(text)
        found = header["format"]
    except (KeyError, TypeError, json.JSONDecodeError, RecursionError):
        raise PolicyFileError(f"{path.name} was not written by course_lib: it has no course header") from None
    if found != expected_format:
        raise PolicyFileError(f"{path.name} holds {found!r}; this call reads {expected_format!r}")
    return header, text


def load_header(path: str | Path, expected_format: str) -> dict:
    """The header of a file alone; its tensors are not read, and its digest is not checked."""
    path = Path(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            return _header_of(path, file.metadata() or {}, expected_format)[0]
    except PolicyFileError:
        raise
    except Exception as error:  # safetensors raises its own type for any malformed file
        raise _malformed(path, error) from None


def _malformed(path: Path, error: Exception) -> PolicyFileError:
    why = str(error).splitlines()[0]
    return PolicyFileError(f"{path.name} is not a whole safetensors file ({why}); copy or train it again")


def load_tensors(path: str | Path, expected_format: str) -> tuple[dict[str, torch.Tensor], dict]:
    """Read (tensors, header) back.

    Raises:
        PolicyFileError: the file is missing, truncated, edited, or not of `expected_format`.
    """
    path = Path(path)
    if not path.is_file():
        raise PolicyFileError(f"{path.name} does not exist in {path.parent}")
    try:
        with safe_open(str(path), framework="pt") as file:
            meta = file.metadata() or {}
            # Clones, because views of the file's memory may be aligned in another way and then round in another way.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}
    except Exception as error:  # safetensors raises its own type for any malformed file
        raise _malformed(path, error) from None
    header, text = _header_of(path, meta, expected_format)
    if "digest" in meta:
        right = meta["digest"] == _digest(tensors, text)
    else:
        right = meta.get("sha256") == _digest_1(tensors, text)
    if not right:
        raise PolicyFileError(f"{path.name} was changed after it was written (its digest does not match); refused")
    return tensors, header
